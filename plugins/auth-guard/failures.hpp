// failures.hpp -- the last failures of an address or a user.
//
// Model      Times, as many as a rule can ask for. One that is a little before the last counts as
//            that: events come in another order than they were stamped. Where it is far before it
//            one of them is wrong, and nobody knows which: those after it count as of now, so that
//            a time that is far ahead holds up nothing that comes later.
// Threads    [not-concurrent]
// Errors     None.
// Cost       One time a failure, at most `kept`.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>

#include "shared/rfc3339.hpp"

namespace auth_guard {

using Time = shared::WallTime;

class Failures {
 public:
  /// `a_little`: the window that is looked at.
  void add(Time time, std::uint64_t count, std::size_t kept, std::chrono::nanoseconds a_little) {
    if (!times_.empty() && times_.back() > time) {
      if (times_.back() - a_little <= time) {
        time = times_.back();
      } else {
        for (Time& earlier : times_) earlier = std::min(earlier, time);
      }
    }
    for (std::uint64_t i = 0; i < std::min<std::uint64_t>(count, kept); ++i) times_.push_back(time);
    while (times_.size() > kept) times_.pop_front();
  }

  /// Those that are no older than the window, and not more than are kept.
  [[nodiscard]] std::size_t within(std::chrono::nanoseconds window, Time now) const {
    return static_cast<std::size_t>(std::count_if(times_.begin(), times_.end(),
                                                  [&](Time time) { return time >= now - window; }));
  }

  [[nodiscard]] bool empty() const noexcept { return times_.empty(); }
  [[nodiscard]] Time last() const { return times_.back(); }
  void clear() noexcept { times_.clear(); }

  [[nodiscard]] const std::deque<Time>& times() const noexcept { return times_; }

 private:
  std::deque<Time> times_;  // oldest first
};

}  // namespace auth_guard
