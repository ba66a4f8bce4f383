#include "platform/fast_clock.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <ctime>
#include <limits>
#include <string_view>
#include <thread>
#include <vector>

namespace busway::platform_detail {
namespace {

constexpr std::int64_t kMs = 1'000'000;
constexpr std::uint64_t kOneNsPerTick = std::uint64_t{1} << 32U;
constexpr std::int64_t kNeverStepBack = std::numeric_limits<std::int64_t>::max();

std::int64_t kernel_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

/// Reads until the kernel's clock has gone on by this much, so that several anchors are passed.
template <class Read>
void for_a_while(std::int64_t ns, Read read) {
  const std::int64_t end = kernel_ns(CLOCK_MONOTONIC) + ns;
  while (kernel_ns(CLOCK_MONOTONIC) < end) {
    for (int i = 0; i < 64; ++i) read();
  }
}

TEST(FastClock, SteadyTimeNeverGoesBackWithinAThreadAcrossManyAnchors) {
  FastClock clock;
  std::int64_t last = clock.steady_ns();
  std::int64_t backward_steps = 0;
  for_a_while(60 * kMs, [&] {
    const std::int64_t now = clock.steady_ns();
    if (now < last) ++backward_steps;
    last = now;
  });
  EXPECT_EQ(backward_steps, 0);
}

TEST(FastClock, AReadingLiesNearTheKernelsReadingsBeforeAndAfterIt) {
  // Not a speed test: however long this thread is interrupted, the kernel's second reading is
  // later. Between anchors a clock may be off by what the rate errs in 8 ms, far below a
  // millisecond.
  FastClock clock;
  for_a_while(40 * kMs, [&] {
    const std::int64_t wall_before = kernel_ns(CLOCK_REALTIME);
    const std::int64_t wall = clock.wall_ns();
    const std::int64_t wall_after = kernel_ns(CLOCK_REALTIME);
    ASSERT_GE(wall, wall_before - kMs);
    ASSERT_LE(wall, wall_after + kMs);
    const std::int64_t steady_before = kernel_ns(CLOCK_MONOTONIC);
    const std::int64_t steady = clock.steady_ns();
    const std::int64_t steady_after = kernel_ns(CLOCK_MONOTONIC);
    ASSERT_GE(steady, steady_before - kMs);
    ASSERT_LE(steady, steady_after + kMs);
  });
}

TEST(FastClock, EachThreadHasItsOwnAndNoneGoesBack) {
  std::atomic<int> backward_steps{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      std::int64_t last = thread_clock().steady_ns();
      for_a_while(20 * kMs, [&] {
        const std::int64_t now = thread_clock().steady_ns();
        if (now < last) backward_steps.fetch_add(1);
        last = now;
      });
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(backward_steps.load(), 0);
}

TEST(FastClock, SaysWhyTheCounterIsUsedOrNot) {
  const std::string_view verdict = tsc_verdict();
  EXPECT_EQ(verdict.starts_with("time stamp counter:"), tsc_in_use()) << verdict;
  EXPECT_EQ(verdict.starts_with("clock_gettime:"), !tsc_in_use()) << verdict;
}

TEST(ClockLine, ShowsTheTicksSinceItsAnchorAtItsRate) {
  const ClockLine line{.base_ns = 1000, .ns_per_tick = kOneNsPerTick / 2};
  EXPECT_EQ(line.at(0), 1000);
  EXPECT_EQ(line.at(10), 1005);
  EXPECT_EQ(line.at(40'000'000), 20'001'000);
}

TEST(ClockLine, GoesForwardToTheKernelsTimeAtOnce) {
  ClockLine line;
  line.move_to(5000, 4000, kOneNsPerTick, kNeverStepBack);
  EXPECT_EQ(line.base_ns, 5000);
  EXPECT_EQ(line.ns_per_tick, kOneNsPerTick);
}

TEST(ClockLine, ThatWasALittleAheadStandsThereAndRunsSlowerUntilCaughtUp) {
  ClockLine line;
  line.move_to(10'000'000, 10'000'800, kOneNsPerTick, kMs);
  EXPECT_EQ(line.base_ns, 10'000'800);
  EXPECT_LT(line.ns_per_tick, kOneNsPerTick);
  // After the 8 ms of an anchor it shows the kernel's time again, to the rounding.
  EXPECT_NEAR(static_cast<double>(line.at(8'000'000)), 18'000'000.0, 2.0);
}

TEST(ClockLine, FollowsAWallClockThatWasSetBack) {
  ClockLine line;
  line.move_to(1'000'000, 3'600'000'000'000, kOneNsPerTick, kMs);
  EXPECT_EQ(line.base_ns, 1'000'000);
  EXPECT_EQ(line.ns_per_tick, kOneNsPerTick);
}

TEST(ClockLine, ThatMustNotStepBackStillRunsForwardHoweverFarItIsAhead) {
  ClockLine line;
  line.move_to(0, 3'600'000'000'000, kOneNsPerTick, kNeverStepBack);
  EXPECT_EQ(line.base_ns, 3'600'000'000'000);
  EXPECT_GE(line.ns_per_tick, kOneNsPerTick / 2);
}

}  // namespace
}  // namespace busway::platform_detail
