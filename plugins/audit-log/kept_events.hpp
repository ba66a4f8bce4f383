// kept_events.hpp -- what the last lines of an audit log say was kept.
//
// Model      Each line counts once: an event that was published twice has two. Lines that tell no
//            event, as somebody may have made them, say nothing.
// Threads    [not-concurrent]
// Ownership  Owns what it knows.
// Errors     None.
// Cost       add(): reads the line as JSON. take(): O(1) on average.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "shared/rfc3339.hpp"

namespace audit_log {

class KeptEvents {
 public:
  void add(std::string_view line);

  /// Whether the event of this id has a line that was not taken yet.
  [[nodiscard]] bool take(const std::string& id);

  /// The earliest stamp of all that were added.
  [[nodiscard]] const std::optional<shared::WallTime>& oldest() const noexcept { return oldest_; }

 private:
  std::unordered_map<std::string, std::size_t> lines_;  // by id
  std::optional<shared::WallTime> oldest_;
};

}  // namespace audit_log
