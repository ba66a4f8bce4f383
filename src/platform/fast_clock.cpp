#include "platform/fast_clock.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <ctime>
#include <string_view>

#if BUSWAY_HAS_TSC
#include <cpuid.h>
#endif

namespace busway::platform_detail {
namespace {

constexpr std::int64_t kAnchorNs = 8'000'000;
constexpr std::int64_t kWallStepNs = 1'000'000;

std::int64_t kernel_ns(clockid_t clock) noexcept {
  timespec now{};
  (void)clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

#if BUSWAY_HAS_TSC

// A rate measured over less is too coarse; over more it is old.
constexpr std::int64_t kRateMinNs = 1'000'000;
constexpr std::int64_t kRateMaxNs = 1'000'000'000;
// Reading the clocks takes some 200 ticks; far more means that the thread was interrupted.
constexpr std::uint64_t kSampleTicksMax = 10'000;

struct Sample {
  std::uint64_t tsc = 0;
  std::int64_t wall_ns = 0;
  std::int64_t steady_ns = 0;
};

Sample take_sample() noexcept {
  Sample sample;
  for (int attempt = 0; attempt < 3; ++attempt) {
    const std::uint64_t before = __rdtsc();
    sample.steady_ns = kernel_ns(CLOCK_MONOTONIC);
    sample.tsc = __rdtsc();
    sample.wall_ns = kernel_ns(CLOCK_REALTIME);
    if (__rdtsc() - before < kSampleTicksMax) break;
  }
  return sample;
}

bool kernel_keeps_time_by_tsc() noexcept {
  const int file = ::open("/sys/devices/system/clocksource/clocksource0/current_clocksource",
                          O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  char text[16] = {};
  const ssize_t size = ::read(file, text, sizeof text);
  (void)::close(file);
  return size > 0 && std::string_view(text, static_cast<std::size_t>(size)) == "tsc\n";
}

bool tsc_is_invariant() noexcept {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  constexpr unsigned kPowerLeaf = 0x80000007U;
  constexpr unsigned kInvariantBit = 1U << 8U;
  return __get_cpuid(kPowerLeaf, &a, &b, &c, &d) != 0 && (d & kInvariantBit) != 0;
}

enum class Verdict { in_use, told_to, told_not_to, not_invariant, not_the_kernels };

Verdict judge() noexcept {
  const char* wish = std::getenv("BUSWAY_CLOCK");
  if (wish != nullptr && std::string_view(wish) == "kernel") return Verdict::told_not_to;
  if (wish != nullptr && std::string_view(wish) == "tsc") return Verdict::told_to;
  if (!tsc_is_invariant()) return Verdict::not_invariant;
  return kernel_keeps_time_by_tsc() ? Verdict::in_use : Verdict::not_the_kernels;
}

/// What all threads share: whether the counter counts, where counting began, its latest rate.
struct Counter {
  std::atomic<Verdict> verdict{judge()};
  Sample first = take_sample();
  std::atomic<std::uint64_t> ns_per_tick{0};  // 32 bits of fraction; 0: not known yet

  [[nodiscard]] bool usable() const noexcept {
    return verdict.load(std::memory_order_relaxed) <= Verdict::told_to;
  }
};

Counter& counter() noexcept {
  static Counter instance;
  return instance;
}

// Begun while the program starts: the first rate is known 1 ms later.
[[maybe_unused]] const Counter& started = counter();

/// 0 when the stretch is too short, or the counter did not run forward.
std::uint64_t rate_between(std::uint64_t tsc, std::int64_t ns, const Sample& now) noexcept {
  const std::int64_t elapsed_ns = now.steady_ns - ns;
  if (elapsed_ns < kRateMinNs || now.tsc <= tsc) return 0;
  constexpr double kOne = 4294967296.0;  // 32 bits of fraction
  return static_cast<std::uint64_t>(static_cast<double>(elapsed_ns) * kOne /
                                    static_cast<double>(now.tsc - tsc));
}

/// A clock that is disciplined runs at most 0.05 % off; more than 0.2 % is no clock.
bool is_plausible(std::uint64_t rate, std::uint64_t known) noexcept {
  const std::uint64_t off = rate > known ? rate - known : known - rate;
  return off <= known >> 9U;
}

#endif

}  // namespace

void ClockLine::move_to(std::int64_t now_ns, std::int64_t shown_ns, std::uint64_t rate,
                        std::int64_t step_back_above_ns) noexcept {
  const std::int64_t lead_ns = shown_ns - now_ns;
  base_ns = now_ns;
  ns_per_tick = rate;
  if (lead_ns <= 0 || lead_ns > step_back_above_ns) return;
  // Stand on what was shown and run slower until the kernel's time has caught up.
  base_ns = shown_ns;
  const double share =
      static_cast<double>(std::min(lead_ns, kAnchorNs / 2)) / static_cast<double>(kAnchorNs);
  ns_per_tick = rate - static_cast<std::uint64_t>(static_cast<double>(rate) * share);
}

#if BUSWAY_HAS_TSC

void FastClock::take_anchor() noexcept {
  Counter& shared = counter();
  const Sample now = take_sample();
  std::uint64_t rate = shared.ns_per_tick.load(std::memory_order_relaxed);
  std::uint64_t measured = 0;
  if (rate == 0) {
    measured = rate_between(shared.first.tsc, shared.first.steady_ns, now);
    rate = measured;
  } else if (anchored_ && now.steady_ns - sampled_steady_ns_ <= kRateMaxNs) {
    measured = rate_between(anchor_tsc_, sampled_steady_ns_, now);
    if (measured != 0 && !is_plausible(measured, rate)) {
      // Interrupted while sampling, or the kernel has given the counter up: ask it.
      if (shared.verdict.load(std::memory_order_relaxed) == Verdict::in_use &&
          !kernel_keeps_time_by_tsc()) {
        shared.verdict.store(Verdict::not_the_kernels, std::memory_order_relaxed);
      }
      measured = 0;
    }
    if (measured != 0) rate = measured;
  }
  if (measured != 0) shared.ns_per_tick.store(measured, std::memory_order_relaxed);

  // The latest time any earlier reading can have shown.
  const std::uint64_t shown_ticks = std::min(now.tsc - anchor_tsc_, valid_ticks_);
  const std::int64_t shown_wall = anchored_ ? wall_.at(shown_ticks) : now.wall_ns;
  const std::int64_t shown_steady = anchored_ ? steady_.at(shown_ticks) : now.steady_ns;
  wall_.move_to(now.wall_ns, shown_wall, rate, kWallStepNs);
  steady_.move_to(now.steady_ns, shown_steady, rate, INT64_MAX);
  anchor_tsc_ = now.tsc;
  sampled_steady_ns_ = now.steady_ns;
  anchored_ = true;
  valid_ticks_ =
      rate == 0 || !shared.usable() ? 0 : (static_cast<std::uint64_t>(kAnchorNs) << 32U) / rate;
}

std::int64_t FastClock::wall_ns_slow() noexcept {
  if (!counter().usable()) return kernel_ns(CLOCK_REALTIME);
  take_anchor();
  return wall_.base_ns;
}

std::int64_t FastClock::steady_ns_slow() noexcept {
  if (!counter().usable()) {
    // After a change from counter to kernel, what was shown may be a little ahead.
    return std::max(kernel_ns(CLOCK_MONOTONIC), steady_.base_ns);
  }
  take_anchor();
  return steady_.base_ns;
}

bool tsc_in_use() noexcept { return counter().usable(); }

const char* tsc_verdict() noexcept {
  switch (counter().verdict.load(std::memory_order_relaxed)) {
    case Verdict::in_use: return "time stamp counter: invariant, and the kernel's clock source";
    case Verdict::told_to: return "time stamp counter: BUSWAY_CLOCK=tsc";
    case Verdict::told_not_to: return "clock_gettime: BUSWAY_CLOCK=kernel";
    case Verdict::not_invariant: return "clock_gettime: the time stamp counter is not invariant";
    case Verdict::not_the_kernels: return "clock_gettime: the kernel's clock source is not tsc";
  }
  return "";
}

#else

void FastClock::take_anchor() noexcept {}
std::int64_t FastClock::wall_ns_slow() noexcept { return kernel_ns(CLOCK_REALTIME); }
std::int64_t FastClock::steady_ns_slow() noexcept { return kernel_ns(CLOCK_MONOTONIC); }
bool tsc_in_use() noexcept { return false; }
const char* tsc_verdict() noexcept { return "clock_gettime: no time stamp counter here"; }

#endif

}  // namespace busway::platform_detail
