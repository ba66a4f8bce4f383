// What the plugins of this program say to each other. Any of them may be taken out: the others do
// not know it, they know these.
#pragma once

#include <busway/json.hpp>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

struct TaskCreated {
  static constexpr std::string_view topic = "task_manager:task_created";
  std::string user_id{};
  std::int64_t task_id = 0;
  std::string title{};
  std::string source{};     // which plugin's doing it is; empty: the user's own
  std::string source_id{};  // of what there
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(TaskCreated, user_id, task_id, title, source,
                                                source_id)

/// A notification: whoever shows such things to people needs to know no more.
struct TaskCompleted {
  static constexpr std::string_view topic = "task_manager:task_completed";
  std::string user{};
  std::string type{};
  std::string title{};
  std::string message{};
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(TaskCompleted, user, type, title, message)

struct CalendarEventCreated {
  static constexpr std::string_view topic = "calendar:event_created";
  std::string user_id{};
  std::int64_t event_id = 0;
  std::string date{};  // 2026-03-01
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(CalendarEventCreated, user_id, event_id, date)

struct UserRegistered {
  static constexpr std::string_view topic = "user:registered";
  std::string user_id{};
  std::string email{};
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(UserRegistered, user_id, email)

struct SubscriptionUpdated {
  static constexpr std::string_view topic = "subscription:updated";
  std::string user_id{};
  std::string tier{};
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(SubscriptionUpdated, user_id, tier)
