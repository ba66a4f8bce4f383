// shared/timeline.hpp -- what time it is, as a plugin's events and timers tell.
//
// Model      A plugin has no clock of its own: the host stamps every event, and a timer that runs
//            says that its moment has come. now() is the latest of all these and never goes back:
//            while the host's clock is behind it, because somebody has set it back, time goes on at
//            the pace of the timers. An event that comes late counts as of now.
// Threads    [not-concurrent]
// Ownership  A value.
// Errors     Nothing here fails; what lies beyond the end of time is the end of time.
// Cost       None.
#pragma once

#include <algorithm>
#include <chrono>

#include "shared/rfc3339.hpp"

namespace shared {

class Timeline {
 public:
  [[nodiscard]] WallTime now() const noexcept { return now_; }

  /// The stamp of an event, or the moment for which a timer was set; what time it is then.
  WallTime hear(WallTime moment) noexcept { return now_ = std::max(now_, moment); }

  /// When a timer runs that is set now.
  [[nodiscard]] WallTime in(std::chrono::nanoseconds delay) const noexcept {
    return delay > WallTime::max() - std::max(now_, WallTime{}) ? WallTime::max() : now_ + delay;
  }

 private:
  WallTime now_{};
};

}  // namespace shared
