// busway/clock.hpp -- where a bus gets its time from.
// Layer: base
//
// Model      wall() stamps events and stored due times and may jump; steady() bounds waits within
//            the process and never goes back within a thread. Clock::system() is the machine's; a
//            test gives the bus a busway::testing::ManualClock instead, moves it by hand and never
//            sleeps.
// Threads    All functions are [any-thread].
// Ownership  Shared: whoever waits on a clock keeps it alive.
// Errors     None of the calls fails.
// Cost       system(): about 5 ns a reading where the processor's time stamp counter is invariant
//            and the kernel keeps time by it (it is compared with the kernel's clocks every 8 ms),
//            else 25 ns.
// Example    tests/testing/manual_clock_test.cpp
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "busway/wall_time.hpp"

namespace busway {

class Clock {
 public:
  Clock() = default;
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;
  virtual ~Clock() = default;

  [[nodiscard]] virtual WallTime wall() const noexcept = 0;
  [[nodiscard]] virtual SteadyTime steady() const noexcept = 0;

  /// A seed that makes the ids of events repeatable; none: ids are random.
  [[nodiscard]] virtual std::optional<std::uint64_t> id_seed() const noexcept {
    return std::nullopt;
  }

  /// True when time stands still until someone moves it: a wait must then end by a watch, not by a
  /// time-out of the operating system.
  [[nodiscard]] virtual bool is_manual() const noexcept { return false; }

  /// Ends its watch when the last copy goes: then `moved` is not running and will not run. Let go
  /// of it without holding a lock that `moved` takes. Inside `moved` itself it does not wait.
  using Watch = std::shared_ptr<void>;

  /// Calls `moved` each time this clock was moved by hand, on the thread that moved it. A clock
  /// that runs by itself never calls and returns null. `moved` must not throw and should only wake
  /// someone.
  [[nodiscard]] virtual Watch watch(std::function<void()> moved);

  /// The machine's clock; the same object each time.
  [[nodiscard]] static const std::shared_ptr<Clock>& system();
};

}  // namespace busway
