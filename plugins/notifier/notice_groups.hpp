// notice_groups.hpp -- makes few notices of many events.
//
// Model      The first event of a kind waits for `wait`, and those of its kind that come meanwhile
//            are counted into the same notice. After a notice the next one of its kind comes no
//            sooner than `interval`. Of all kinds together there are at most notices_max within
//            `within`: when more are due than that leaves, the last that may go stands for all of
//            them. So a storm of one kind is one notice with a count, a storm of many kinds a few.
//            Beyond groups_max kinds at a time further ones are counted together.
// Threads    [not-concurrent]
// Ownership  A value.
// Errors     load() throws what nlohmann-json throws, or std::invalid_argument, for what save() has
//            not written.
// Cost       add(): a search among at most groups_max kinds. Memory: a notice a kind.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "notice.hpp"

namespace notifier {

struct GroupOptions {
  std::chrono::nanoseconds wait = std::chrono::seconds(1);
  std::chrono::nanoseconds interval = std::chrono::minutes(1);
  std::size_t notices_max = 10;
  std::chrono::nanoseconds within = std::chrono::minutes(1);
  std::size_t groups_max = 256;
};

class NoticeGroups {
 public:
  explicit NoticeGroups(GroupOptions options = {}) : options_(options) {}

  void add(Notice notice, WallTime now);
  /// What is due and may go.
  [[nodiscard]] std::vector<Notice> take_due(WallTime now);
  /// All that waits, whether due or not.
  [[nodiscard]] std::vector<Notice> take_all();
  /// When take_due() has something to do next.
  [[nodiscard]] std::optional<WallTime> next() const;
  [[nodiscard]] std::size_t kinds() const noexcept { return groups_.size(); }

  [[nodiscard]] nlohmann::json save() const;
  void load(const nlohmann::json& saved);

 private:
  struct Group {
    std::optional<Notice> waits{};  // none: quiet since its last notice
    WallTime due{};                 // of what waits, or when it is forgotten
  };
  using Groups = std::map<std::string, Group>;  // by kind

  /// For one kind more; a quiet one makes room.
  [[nodiscard]] bool has_room();
  [[nodiscard]] std::vector<Groups::iterator> due_groups(WallTime now);
  void forget_sent(WallTime now);

  GroupOptions options_;
  Groups groups_;
  std::deque<WallTime> sent_;  // the notices of the last `within`
};

/// One that stands for several.
[[nodiscard]] Notice together(const std::vector<Notice>& notices);

}  // namespace notifier
