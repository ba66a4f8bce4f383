// delivery/later.hpp -- a point in time so long after another, also when that is "for ever".
//
// Threads    [any-thread]
// Errors     None: what would lie beyond the clock's end is its end; a negative step is none.
// Cost       A comparison and an addition.
#pragma once

#include <chrono>

#include "busway/wall_time.hpp"

namespace busway::delivery_detail {

[[nodiscard]] constexpr SteadyTime later(SteadyTime from, std::chrono::nanoseconds step) noexcept {
  if (step <= std::chrono::nanoseconds::zero()) return from;
  // Room is computed for a start after zero only: before it nothing positive can overflow.
  const bool overflows = from > SteadyTime{} && step > SteadyTime::max() - from;
  return overflows ? SteadyTime::max() : from + step;
}

}  // namespace busway::delivery_detail
