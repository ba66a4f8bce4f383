// failures.hpp -- the last failures of an address or a user.
//
// Model      Times, as many as a rule can ask for; a time that is before the last one counts as
//            that.
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
  void add(Time time, std::uint64_t count, std::size_t kept) {
    if (!times_.empty()) time = std::max(time, times_.back());
    for (std::uint64_t i = 0; i < std::min<std::uint64_t>(count, kept); ++i) times_.push_back(time);
    while (times_.size() > kept) times_.pop_front();
  }

  /// Those that are no older than the window, and not more than are kept.
  [[nodiscard]] std::size_t within(std::chrono::nanoseconds window, Time now) const {
    return static_cast<std::size_t>(std::count_if(times_.begin(), times_.end(),
                                                  [&](Time time) { return now - time <= window; }));
  }

  [[nodiscard]] bool empty() const noexcept { return times_.empty(); }
  [[nodiscard]] Time last() const { return times_.back(); }
  void clear() noexcept { times_.clear(); }

  [[nodiscard]] const std::deque<Time>& times() const noexcept { return times_; }

 private:
  std::deque<Time> times_;  // oldest first
};

}  // namespace auth_guard
