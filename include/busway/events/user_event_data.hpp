// busway/events/user_event_data.hpp -- what a user did.
// Layer: event
//
// Model      user.registered, .login, .login_failed and .logout carry one.
//            The builders name the user in event.user_id() too.
// Threads    A plain struct; the builders are [any-thread].
// Ownership  Owns its fields.
// Errors     Reading JSON: fields that are missing keep their default, others must have the right
//            type. Builders throw what the constructor of Event throws.
// Cost       A builder allocates the payload and what its texts need.
// Example    tests/event/events/builders_test.cpp
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "busway/event.hpp"
#include "busway/json.hpp"

namespace busway {

struct UserEventData {
  static constexpr std::string_view type_name = "UserEventData";

  std::string user_id{};
  std::string email{};
  std::string address{};
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(UserEventData, user_id, email, address)

[[nodiscard]] Event user_registered(std::string_view user_id, std::string_view email,
                                    std::string_view address, const EventOptions& options = {});
[[nodiscard]] Event user_login(std::string_view user_id, std::string_view email,
                               std::string_view address, const EventOptions& options = {});
[[nodiscard]] Event user_login_failed(std::string_view user_id, std::string_view email,
                                      std::string_view address, const EventOptions& options = {});
[[nodiscard]] Event user_logout(std::string_view user_id, std::string_view email,
                                std::string_view address, const EventOptions& options = {});

}  // namespace busway
