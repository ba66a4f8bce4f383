// busway/wall_time.hpp -- points in time, as events and clocks state them.
// Layer: base
//
// Model      WallTime is the calendar's (it may jump when the clock is set); SteadyTime only goes
//            forward and means nothing outside this process.
// Threads    Values.
// Ownership  None.
// Errors     None.
// Cost       Eight bytes each.
// Example    tests/base/clock_test.cpp
#pragma once

#include <chrono>

namespace busway {

/// Nanoseconds since 1970-01-01 UTC.
using WallTime = std::chrono::sys_time<std::chrono::nanoseconds>;

/// Nanoseconds of std::chrono::steady_clock.
using SteadyTime = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;

}  // namespace busway
