// phase/waiting.hpp -- waits for something or for a time, on a clock that may be moved by hand.
// Layer: phase
//
// Model      over() is asked with the lock held; whoever makes it true takes the lock and notifies.
// Threads    [any-thread]; hold none of the locks.
// Errors     None.
// Cost       A wait; on a manual clock a watch.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "busway/clock.hpp"

namespace busway::phase_detail {

/// Whether over() holds: true as soon as it does, else false once the clock has come to `when`.
template <class Over>
bool wait_until(Clock& clock, std::mutex& mutex, std::condition_variable& changed, SteadyTime when,
                const Over& over) {
  if (clock.is_manual()) {
    const Clock::Watch watch = clock.watch([&] {
      { const std::lock_guard lock(mutex); }
      changed.notify_all();
    });
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return over() || clock.steady() >= when; });
    return over();
  }
  // The clock may have an epoch of its own, so the wait is a span and no point in time.
  constexpr std::chrono::nanoseconds kLongest = std::chrono::hours(1);
  std::unique_lock lock(mutex);
  for (;;) {
    if (over()) return true;
    const std::chrono::nanoseconds left = when - clock.steady();
    if (left <= left.zero()) return false;
    changed.wait_for(lock, std::min(left, kLongest));
  }
}

}  // namespace busway::phase_detail
