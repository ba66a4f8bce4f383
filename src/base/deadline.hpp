// base/deadline.hpp -- a point in time so long from now, also when that is "for ever".
// Layer: base
//
// Threads    [any-thread]
// Errors     None: what would lie beyond the clock's end is its end.
// Cost       One reading of the clock.
#pragma once

#include <chrono>

namespace busway {

[[nodiscard]] inline std::chrono::steady_clock::time_point deadline_after(
    std::chrono::nanoseconds duration) noexcept {
  using Steady = std::chrono::steady_clock;
  const Steady::time_point now = Steady::now();
  return duration > Steady::time_point::max() - now ? Steady::time_point::max() : now + duration;
}

}  // namespace busway
