// kept_events.hpp -- what the last lines of an audit log say was kept.
//
// Model      Each line counts once: an event that was published twice has two. It is the line of an
//            event when it says the same in all: an id alone may be given to another event, by
//            whoever publishes. Lines that tell no event, as somebody may have made them, say
//            nothing.
// Threads    [not-concurrent]
// Ownership  Owns what it knows.
// Errors     std::runtime_error when the machine's OpenSSL offers no SHA-256.
// Cost       add(): reads the line as JSON, one SHA-256. take(): O(1) on average, and a SHA-256
//            where the id is known.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "shared/rfc3339.hpp"

namespace audit_log {

class KeptEvents {
 public:
  /// The last line first.
  void add(std::string_view line);

  /// Whether the event of this id and record, as record_of() gave it, has a line that was not taken
  /// yet.
  [[nodiscard]] bool take(const std::string& id, std::string_view record);

  /// From when on events are looked for that have no line. Of a log that was added whole its
  /// earliest stamp. Where lines before those that were added are not known, the middle one of the
  /// stamps of the earliest lines: one that is wrong would else bring back all that they keep.
  [[nodiscard]] std::optional<shared::WallTime> since() const;

 private:
  std::unordered_multimap<std::string, std::string> lines_;  // id, and the sum of the record
  std::vector<shared::WallTime> stamps_;                     // as added
  bool is_whole_ = false;                                    // the first line of the chain is known
};

}  // namespace audit_log
