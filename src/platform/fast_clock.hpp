// platform/fast_clock.hpp -- the wall and the steady clock in nanoseconds, for about 3 ns a
// reading.
//
// Model      One FastClock a thread: an anchor (a reading of the kernel's clocks beside the
//            processor's time stamp counter) and a rate. A reading adds the ticks since the anchor;
//            after 8 ms of ticks the anchor is taken anew. Small differences found then are worked
//            off by a slower rate instead of a step back; a wall clock that was set by more than
//            1 ms is followed at once. The counter is used only where it is invariant and the
//            kernel itself keeps time by it; else every reading is a clock_gettime().
//            BUSWAY_CLOCK=kernel or BUSWAY_CLOCK=tsc in the environment decides it outright.
// Threads    An object belongs to one thread. [not-concurrent]
// Errors     None. steady_ns() never decreases within a thread.
// Cost       Eight instructions with the counter, 20 to 25 ns without.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <x86intrin.h>
#define BUSWAY_HAS_TSC 1
#else
#define BUSWAY_HAS_TSC 0
#endif

namespace busway::platform_detail {

/// A straight line: what a clock shows so many ticks after its anchor.
struct ClockLine {
  std::int64_t base_ns = 0;
  std::uint64_t ns_per_tick = 0;  // 32 bits of fraction

  [[nodiscard]] std::int64_t at(std::uint64_t ticks) const noexcept {
    return base_ns + static_cast<std::int64_t>((ticks * ns_per_tick) >> 32U);
  }

  /// Begins anew at now_ns, when the latest time shown so far is shown_ns. A line that was ahead
  /// stays there and runs slower until now has caught up, but follows now at once when it was ahead
  /// by more than step_back_above_ns.
  void move_to(std::int64_t now_ns, std::int64_t shown_ns, std::uint64_t rate,
               std::int64_t step_back_above_ns) noexcept;
};

class FastClock {
 public:
  constexpr FastClock() noexcept = default;

  /// Nanoseconds since 1970-01-01 UTC.
  [[nodiscard]] std::int64_t wall_ns() noexcept {
#if BUSWAY_HAS_TSC
    const std::uint64_t ticks = __rdtsc() - anchor_tsc_;
    if (ticks < valid_ticks_) [[likely]]
      return wall_.at(ticks);
#endif
    return wall_ns_slow();
  }

  /// Nanoseconds of CLOCK_MONOTONIC, the clock of std::chrono::steady_clock.
  [[nodiscard]] std::int64_t steady_ns() noexcept {
#if BUSWAY_HAS_TSC
    const std::uint64_t ticks = __rdtsc() - anchor_tsc_;
    if (ticks < valid_ticks_) [[likely]]
      return steady_.at(ticks);
#endif
    return steady_ns_slow();
  }

 private:
  [[nodiscard]] std::int64_t wall_ns_slow() noexcept;
  [[nodiscard]] std::int64_t steady_ns_slow() noexcept;
  void take_anchor() noexcept;

  std::uint64_t anchor_tsc_ = 0;
  std::uint64_t valid_ticks_ = 0;  // 0: no anchor, or the counter is not to be used
  ClockLine wall_;
  ClockLine steady_;
  std::int64_t sampled_steady_ns_ = 0;  // the kernel's steady clock at the anchor
  bool anchored_ = false;
};

/// This thread's clock.
[[nodiscard]] inline FastClock& thread_clock() noexcept {
  constinit static thread_local FastClock clock;
  return clock;
}

/// Whether readings come from the time stamp counter, and in words why (not).
[[nodiscard]] bool tsc_in_use() noexcept;
[[nodiscard]] const char* tsc_verdict() noexcept;

}  // namespace busway::platform_detail
