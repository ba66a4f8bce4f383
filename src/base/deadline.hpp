// base/deadline.hpp -- a point in time so long from now or another, also when that is "for ever".
// Layer: base
//
// Threads    [any-thread]
// Errors     None: what would lie beyond the clock's end is its end.
// Cost       One reading of the clock, or none.
#pragma once

#include <chrono>

namespace busway {

[[nodiscard]] inline std::chrono::steady_clock::time_point deadline_after(
    std::chrono::nanoseconds duration, std::chrono::steady_clock::time_point from) noexcept {
  using Time = std::chrono::steady_clock::time_point;
  return duration > Time::max() - from ? Time::max() : from + duration;
}

[[nodiscard]] inline std::chrono::steady_clock::time_point deadline_after(
    std::chrono::nanoseconds duration) noexcept {
  return deadline_after(duration, std::chrono::steady_clock::now());
}

}  // namespace busway
