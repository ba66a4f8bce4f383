#include "busway/testing/manual_clock.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "busway/error.hpp"

namespace busway::testing {
namespace {

using namespace std::chrono_literals;

TEST(ManualClock, StandsStillUntilMoved) {
  const ManualClock clock;
  EXPECT_EQ(clock.wall(), ManualClock::kStart);
  EXPECT_EQ(clock.wall(), clock.wall());
  EXPECT_EQ(clock.steady(), clock.steady());
  EXPECT_TRUE(clock.is_manual());
}

TEST(ManualClock, AdvanceMovesBothClocks) {
  ManualClock clock;
  const SteadyTime steady = clock.steady();
  clock.advance(90s);
  EXPECT_EQ(clock.wall(), ManualClock::kStart + 90s);
  EXPECT_EQ(clock.steady(), steady + 90s);
}

TEST(ManualClock, SetWallJumpsTheWallClockAloneAlsoBack) {
  ManualClock clock;
  const SteadyTime steady = clock.steady();
  clock.set_wall(ManualClock::kStart - 24h);
  EXPECT_EQ(clock.wall(), ManualClock::kStart - 24h);
  EXPECT_EQ(clock.steady(), steady);
}

TEST(ManualClock, RefusesToAdvanceBackAndSaysWhatWouldBeRight) {
  ManualClock clock;
  try {
    clock.advance(-5ns);
    FAIL() << "advance(-5 ns) was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_option);
    EXPECT_NE(std::string(error.what()).find("-5"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("set_wall"), std::string::npos) << error.what();
  }
  EXPECT_EQ(clock.wall(), ManualClock::kStart);
}

TEST(ManualClock, HasASeedForIds) {
  EXPECT_EQ(ManualClock().id_seed(), ManualClock().id_seed());
  EXPECT_EQ(ManualClock(ManualClock::kStart, 77).id_seed(), 77U);
}

TEST(ManualClock, TellsThoseWhoWatchAfterTheTimeHasMoved) {
  ManualClock clock;
  std::vector<WallTime> seen;
  const Clock::Watch watch = clock.watch([&] { seen.push_back(clock.wall()); });
  clock.advance(1s);
  clock.set_wall(ManualClock::kStart + 1h);
  EXPECT_EQ(seen, (std::vector<WallTime>{ManualClock::kStart + 1s, ManualClock::kStart + 1h}));
}

TEST(ManualClock, AWatchThatWasDroppedIsNotCalled) {
  ManualClock clock;
  int calls = 0;
  Clock::Watch watch = clock.watch([&] { ++calls; });
  clock.advance(1s);
  watch.reset();
  clock.advance(1s);
  EXPECT_EQ(calls, 1);
}

TEST(ManualClock, AWatchMayDropItselfAndOthersAndBeginNewOnesWithinItsCall) {
  ManualClock clock;
  int later_calls = 0;
  Clock::Watch later;
  Clock::Watch added;
  int added_calls = 0;
  Clock::Watch self;
  self = clock.watch([&] {
    later.reset();
    added = clock.watch([&] { ++added_calls; });
    self.reset();
  });
  later = clock.watch([&] { ++later_calls; });
  clock.advance(1s);
  EXPECT_EQ(later_calls, 0);
  EXPECT_EQ(added_calls, 0);
  clock.advance(1s);
  EXPECT_EQ(added_calls, 1);
}

TEST(ManualClock, AWatchMayMoveTheClock) {
  ManualClock clock;
  int calls = 0;
  const Clock::Watch watch = clock.watch([&] {
    if (++calls == 1) clock.advance(1s);
  });
  clock.advance(1s);
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(clock.wall(), ManualClock::kStart + 2s);
}

TEST(ManualClock, AWatchMayOutliveTheClock) {
  Clock::Watch watch;
  {
    ManualClock clock;
    watch = clock.watch([] {});
  }
  watch.reset();
}

TEST(ManualClock, DroppingAWatchWaitsForItsRunningCall) {
  ManualClock clock;
  std::atomic<bool> entered{false};
  std::atomic<bool> leave{false};
  std::atomic<bool> left{false};
  Clock::Watch watch = clock.watch([&] {
    entered.store(true);
    while (!leave.load()) std::this_thread::yield();
    left.store(true);
  });
  std::thread mover([&] { clock.advance(1s); });
  while (!entered.load()) std::this_thread::yield();
  std::atomic<bool> dropped_after_call{false};
  std::thread dropper([&] {
    watch.reset();
    dropped_after_call.store(left.load());
  });
  leave.store(true);
  dropper.join();
  mover.join();
  EXPECT_TRUE(dropped_after_call.load());
}

TEST(ManualClock, ThreadsMayReadWatchAndAdvanceTogether) {
  ManualClock clock;
  constexpr int kSteps = 2000;
  std::atomic<int> backward_steps{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kSteps; ++i) clock.advance(1us);
    });
    threads.emplace_back([&] {
      SteadyTime last = clock.steady();
      for (int i = 0; i < kSteps; ++i) {
        const Clock::Watch watch = clock.watch([] {});
        const SteadyTime now = clock.steady();
        if (now < last) backward_steps.fetch_add(1);
        last = now;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(backward_steps.load(), 0);
  EXPECT_EQ(clock.wall(), ManualClock::kStart + 2 * kSteps * 1us);
}

}  // namespace
}  // namespace busway::testing
