#include "delivery/timekeeper.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "busway/testing/manual_clock.hpp"
#include "mailbox_fixture.hpp"
#include "platform/sanitizer.hpp"

namespace busway::delivery_detail {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using testing::ManualClock;

struct CallTimer final : Timer {
  CallTimer() = default;
  explicit CallTimer(std::function<void()> what) : call(std::move(what)) {}
  void due() noexcept override {
    if (call) call();
    ++ran;
  }
  std::function<void()> call;
  std::atomic<int> ran{0};
};

struct Timers : ::testing::Test {
  SteadyTime in(milliseconds delay) const { return clock->steady() + delay; }

  std::shared_ptr<ManualClock> clock = std::make_shared<ManualClock>();
};

/// Without a thread of its own.
struct TimekeeperByHand : Timers {
  Timekeeper keeper{clock, Drive::by_hand};
};

/// With one.
struct TimekeeperThread : Timers {
  Timekeeper keeper{clock, Drive::thread};
};

TEST_F(TimekeeperByHand, CallsATimerOnceWhenItsTimeHasCome) {
  CallTimer timer;
  EXPECT_TRUE(keeper.schedule(timer, in(milliseconds(10))));
  EXPECT_EQ(keeper.armed(), 1U);
  EXPECT_EQ(keeper.next_due(), in(milliseconds(10)));
  clock->advance(milliseconds(10) - std::chrono::nanoseconds(1));
  EXPECT_EQ(keeper.run_due(), 0U);
  clock->advance(std::chrono::nanoseconds(1));
  EXPECT_EQ(keeper.run_due(), 1U);
  EXPECT_EQ(timer.ran, 1);
  clock->advance(hours(1));
  EXPECT_EQ(keeper.run_due(), 0U);
  EXPECT_EQ(keeper.armed(), 0U);
  EXPECT_EQ(keeper.next_due(), std::nullopt);
}

TEST_F(TimekeeperByHand, CallsEarliestFirstAndTiesInTheOrderOfScheduling) {
  std::vector<int> order;
  std::vector<std::unique_ptr<CallTimer>> timers;
  const std::vector<int> delays{30, 10, 20, 10, 0, 30, 10};
  for (std::size_t i = 0; i < delays.size(); ++i) {
    timers.push_back(
        std::make_unique<CallTimer>([&order, i] { order.push_back(static_cast<int>(i)); }));
    keeper.schedule(*timers.back(), in(milliseconds(delays[i])));
  }
  clock->advance(milliseconds(30));
  EXPECT_EQ(keeper.run_due(), 7U);
  EXPECT_EQ(order, (std::vector<int>{4, 1, 3, 6, 2, 0, 5}));
}

TEST_F(TimekeeperByHand, MovesATimerThatIsArmedAlready) {
  CallTimer timer;
  keeper.schedule(timer, in(milliseconds(10)));
  keeper.schedule(timer, in(milliseconds(20)));
  EXPECT_EQ(keeper.armed(), 1U);
  clock->advance(milliseconds(10));
  EXPECT_EQ(keeper.run_due(), 0U);
  keeper.schedule(timer, in(milliseconds(0)));
  EXPECT_EQ(keeper.run_due(), 1U);
  clock->advance(milliseconds(10));
  EXPECT_EQ(keeper.run_due(), 0U);
}

TEST_F(TimekeeperByHand, PutsATimerMovedToAnEqualTimeBehindTheOthers) {
  std::vector<int> order;
  CallTimer one([&] { order.push_back(1); });
  CallTimer two([&] { order.push_back(2); });
  keeper.schedule(one, in(milliseconds(0)));
  keeper.schedule(two, in(milliseconds(0)));
  keeper.schedule(one, in(milliseconds(0)));
  keeper.run_due();
  EXPECT_EQ(order, (std::vector<int>{2, 1}));
}

TEST_F(TimekeeperByHand, CancelSaysWhetherTheTimerWasArmed) {
  CallTimer timer;
  EXPECT_FALSE(keeper.cancel(timer));
  keeper.schedule(timer, in(milliseconds(0)));
  EXPECT_TRUE(keeper.cancel(timer));
  EXPECT_FALSE(keeper.cancel(timer));
  EXPECT_EQ(keeper.run_due(), 0U);
  keeper.schedule(timer, in(milliseconds(0)));
  EXPECT_EQ(keeper.run_due(), 1U);
  EXPECT_FALSE(keeper.cancel(timer));
  EXPECT_EQ(timer.ran, 1);
}

TEST_F(TimekeeperByHand, LetsATimerArmItself) {
  CallTimer timer;
  timer.call = [&] { keeper.schedule(timer, in(milliseconds(5))); };
  keeper.schedule(timer, in(milliseconds(5)));
  for (int i = 1; i <= 4; ++i) {
    clock->advance(milliseconds(5));
    EXPECT_EQ(keeper.run_due(), 1U);
    EXPECT_EQ(timer.ran, i);
    EXPECT_EQ(keeper.next_due(), in(milliseconds(5)));
  }
  keeper.cancel_and_wait(timer);
}

TEST_F(TimekeeperByHand, IsNotHeldForEverByATimerThatArmsItselfForThePast) {
  CallTimer timer;
  CallTimer other;
  timer.call = [&] { keeper.schedule(timer, in(milliseconds(0))); };
  keeper.schedule(timer, in(milliseconds(0)));
  keeper.schedule(other, in(milliseconds(0)));
  EXPECT_EQ(keeper.run_due(), 2U);
  EXPECT_EQ(other.ran, 1);
  EXPECT_EQ(keeper.armed(), 1U);
  EXPECT_TRUE(keeper.cancel(timer));
}

TEST_F(TimekeeperByHand, CountsATimerThatArmedItselfWhileItStillRuns) {
  CallTimer timer;
  timer.call = [&] {
    EXPECT_EQ(keeper.armed(), 0U);
    keeper.schedule(timer, in(milliseconds(9)));
    keeper.schedule(timer, in(milliseconds(7)));
    EXPECT_EQ(keeper.armed(), 1U);
    EXPECT_EQ(keeper.next_due(), in(milliseconds(7)));
    EXPECT_TRUE(keeper.cancel(timer));
    EXPECT_FALSE(keeper.cancel(timer));
    EXPECT_EQ(keeper.next_due(), std::nullopt);
  };
  keeper.schedule(timer, in(milliseconds(0)));
  EXPECT_EQ(keeper.run_due(), 1U);
  EXPECT_EQ(keeper.armed(), 0U);
}

TEST_F(TimekeeperByHand, NeverRunsATimerInsideItself) {
  CallTimer other;
  CallTimer timer;
  timer.call = [&] {
    if (timer.ran > 0) return;
    keeper.schedule(timer, in(milliseconds(0)));
    keeper.schedule(other, in(milliseconds(0)));
    EXPECT_EQ(keeper.run_due(), 1U);  // a pump within a pump: the other one alone
    EXPECT_EQ(other.ran, 1);
    EXPECT_EQ(timer.ran, 0);
  };
  keeper.schedule(timer, in(milliseconds(0)));
  keeper.run_due();
  while (keeper.run_due() != 0) {
  }
  EXPECT_EQ(timer.ran, 2);
}

TEST_F(TimekeeperByHand, LetsATimerCancelAnotherThatIsDueToo) {
  CallTimer second;
  CallTimer first([&] { EXPECT_TRUE(keeper.cancel(second)); });
  keeper.schedule(first, in(milliseconds(0)));
  keeper.schedule(second, in(milliseconds(0)));
  EXPECT_EQ(keeper.run_due(), 1U);
  EXPECT_EQ(second.ran, 0);
}

TEST_F(TimekeeperByHand, DoesNotWaitInsideTheTimersOwnCall) {
  CallTimer timer;
  timer.call = [&] {
    keeper.schedule(timer, in(milliseconds(0)));
    keeper.cancel_and_wait(timer);
  };
  keeper.schedule(timer, in(milliseconds(0)));
  EXPECT_EQ(keeper.run_due(), 1U);
  EXPECT_EQ(keeper.armed(), 0U);
}

TEST_F(TimekeeperByHand, LetsATimerDestroyItself) {
  struct Once final : Timer {
    explicit Once(int& counter) : ran(counter) {}
    void due() noexcept override {
      ++ran;
      delete this;
    }
    int& ran;
  };
  int ran = 0;
  keeper.schedule(*new Once(ran), in(milliseconds(0)));
  keeper.schedule(*new Once(ran), in(milliseconds(0)));
  EXPECT_EQ(keeper.run_due(), 2U);
  EXPECT_EQ(ran, 2);
}

TEST_F(TimekeeperByHand, KeepsATimerOfTheEndOfTimeForEver) {
  CallTimer timer;
  keeper.schedule(timer, SteadyTime::max());
  clock->advance(hours(100'000));
  EXPECT_EQ(keeper.run_due(), 0U);
  EXPECT_TRUE(keeper.cancel(timer));
}

TEST_F(TimekeeperByHand, DisarmsAllWhenItIsShutDownAndArmsNoneAfterwards) {
  CallTimer one;
  CallTimer two;
  keeper.schedule(one, in(milliseconds(0)));
  keeper.schedule(two, in(milliseconds(5)));
  keeper.shut_down();
  EXPECT_EQ(keeper.armed(), 0U);
  EXPECT_FALSE(keeper.cancel(one));
  EXPECT_FALSE(keeper.schedule(two, in(milliseconds(0))));
  clock->advance(hours(1));
  EXPECT_EQ(keeper.run_due(), 0U);
  keeper.shut_down();
}

TEST_F(TimekeeperByHand, CanBeShutDownByATimer) {
  CallTimer second;
  CallTimer first;
  first.call = [&] {
    keeper.schedule(first, in(milliseconds(0)));
    keeper.shut_down();
  };
  keeper.schedule(first, in(milliseconds(0)));
  keeper.schedule(second, in(milliseconds(0)));
  EXPECT_EQ(keeper.run_due(), 1U);
  EXPECT_EQ(second.ran, 0);
  EXPECT_EQ(keeper.armed(), 0U);
}

TEST_F(TimekeeperByHand, KeepsItsOrderOverAHundredThousandTimersMovedAndCancelled) {
  constexpr std::size_t kTimers = 100'000;
  std::mt19937 random(7);
  std::vector<int> due(kTimers, -1);
  int latest = 0;
  bool in_order = true;
  std::vector<CallTimer> timers(kTimers);
  const SteadyTime start = clock->steady();
  const auto arm = [&](std::size_t i) {
    due[i] = static_cast<int>(random() % 1000);
    keeper.schedule(timers[i], start + milliseconds(due[i]));
  };
  for (std::size_t i = 0; i < kTimers; ++i) {
    timers[i].call = [&, i] {
      in_order = in_order && due[i] >= latest;
      latest = due[i];
      due[i] = -1;
    };
    arm(i);
  }
  EXPECT_EQ(keeper.armed(), kTimers);
  std::size_t cancelled = 0;
  for (std::size_t i = 0; i < kTimers; i += 2) {
    if (i % 3 == 0) {
      EXPECT_TRUE(keeper.cancel(timers[i]));
      due[i] = -1;
      ++cancelled;
    } else {
      arm(i);
    }
  }
  std::size_t ran = 0;
  for (int step = 0; step < 10; ++step) {
    clock->advance(milliseconds(100));
    ran += keeper.run_due();
  }
  EXPECT_TRUE(in_order);
  EXPECT_EQ(ran, kTimers - cancelled);
  EXPECT_TRUE(std::all_of(due.begin(), due.end(), [](int left) { return left == -1; }));
}

TEST_F(TimekeeperThread, CallsWhatIsDueWhenTheClockIsMoved) {
  CallTimer timer;
  keeper.schedule(timer, in(milliseconds(10)));
  clock->advance(milliseconds(9));
  // A later timer that has run proves that the thread has looked and left the first one alone.
  CallTimer probe;
  keeper.schedule(probe, in(milliseconds(0)));
  EXPECT_TRUE(eventually([&] { return probe.ran == 1; }));
  EXPECT_EQ(timer.ran, 0);
  clock->advance(milliseconds(1));
  EXPECT_TRUE(eventually([&] { return timer.ran == 1; }));
}

TEST_F(TimekeeperThread, CallsATimerScheduledForThePastAtOnceAndOnItsOwnThread) {
  std::thread::id ran_on;
  CallTimer timer([&] { ran_on = std::this_thread::get_id(); });
  keeper.schedule(timer, in(milliseconds(-5)));
  ASSERT_TRUE(eventually([&] { return timer.ran == 1; }));
  EXPECT_NE(ran_on, std::this_thread::get_id());
  keeper.schedule(timer, in(milliseconds(-5)));
  EXPECT_TRUE(eventually([&] { return timer.ran == 2; }));
}

TEST_F(TimekeeperThread, CallsTheEarliestFirst) {
  std::mutex mutex;
  std::vector<int> order;
  const auto note = [&](int which) {
    const std::lock_guard lock(mutex);
    order.push_back(which);
  };
  CallTimer one([&] { note(1); });
  CallTimer two([&] { note(2); });
  CallTimer three([&] { note(3); });
  keeper.schedule(three, in(milliseconds(30)));
  keeper.schedule(one, in(milliseconds(10)));
  keeper.schedule(two, in(milliseconds(20)));
  clock->advance(milliseconds(30));
  ASSERT_TRUE(eventually([&] { return three.ran == 1; }));
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST_F(TimekeeperThread, CancelAndWaitReturnsWhenTheCallHasEnded) {
  std::atomic<bool> inside{false};
  std::atomic<bool> go_on{false};
  std::atomic<bool> ended{false};
  CallTimer timer;
  timer.call = [&] {
    inside = true;
    EXPECT_TRUE(eventually([&] { return go_on.load(); }));
    keeper.schedule(timer, in(milliseconds(1)));  // also what it armed meanwhile is cancelled
    ended = true;
  };
  keeper.schedule(timer, in(milliseconds(0)));
  ASSERT_TRUE(eventually([&] { return inside.load(); }));
  EXPECT_FALSE(keeper.cancel(timer));
  std::thread other([&] { go_on = true; });
  keeper.cancel_and_wait(timer);
  EXPECT_TRUE(ended);
  EXPECT_EQ(keeper.armed(), 0U);
  EXPECT_EQ(timer.ran, 1);
  other.join();
}

TEST_F(TimekeeperThread, CancelAndWaitEndsATimerThatAlwaysArmsItself) {
  for (int round = 0; round < 100; ++round) {
    CallTimer timer;
    timer.call = [&] { keeper.schedule(timer, in(milliseconds(0))); };
    keeper.schedule(timer, in(milliseconds(0)));
    EXPECT_TRUE(eventually([&] { return timer.ran > 3; }));
    keeper.cancel_and_wait(timer);
    EXPECT_EQ(keeper.armed(), 0U);
  }
}

TEST_F(TimekeeperThread, WaitsForTheRunningCallWhenItIsShutDown) {
  std::atomic<bool> inside{false};
  std::atomic<bool> go_on{false};
  CallTimer timer([&] {
    inside = true;
    EXPECT_TRUE(eventually([&] { return go_on.load(); }));
  });
  keeper.schedule(timer, in(milliseconds(0)));
  ASSERT_TRUE(eventually([&] { return inside.load(); }));
  std::thread other([&] { go_on = true; });
  keeper.shut_down();
  EXPECT_EQ(timer.ran, 1);
  other.join();
}

TEST_F(TimekeeperThread, CanBeShutDownByATimer) {
  CallTimer timer([&] { keeper.shut_down(); });
  keeper.schedule(timer, in(milliseconds(0)));
  EXPECT_TRUE(eventually([&] { return timer.ran == 1; }));
  CallTimer late;
  EXPECT_FALSE(keeper.schedule(late, in(milliseconds(0))));
}

TEST_F(TimekeeperThread, CanBeShutDownWhileATimerIsArmedOrBeforeAnyWas) {
  CallTimer timer;
  keeper.schedule(timer, in(milliseconds(5)));
  keeper.shut_down();
  clock->advance(hours(1));
  EXPECT_EQ(timer.ran, 0);
  Timekeeper unused(clock, Drive::thread);
}

TEST_F(TimekeeperThread, LeavesADueTimerToWhoeverRunsItFirst) {
  std::vector<std::unique_ptr<CallTimer>> timers;
  for (int i = 0; i < 200; ++i) {
    timers.push_back(std::make_unique<CallTimer>());
    keeper.schedule(*timers.back(), in(milliseconds(1)));
  }
  clock->advance(milliseconds(1));
  keeper.run_due();
  for (const auto& timer : timers) {
    EXPECT_TRUE(eventually([&] { return timer->ran == 1; }));
  }
  EXPECT_EQ(keeper.armed(), 0U);
}

TEST(TimekeeperOfTheMachinesClock, CallsTimersSoonerAndLaterScheduled) {
  Timekeeper keeper(Clock::system(), Drive::thread);
  const SteadyTime start = Clock::system()->steady();
  CallTimer never;
  CallTimer far;
  keeper.schedule(never, SteadyTime::max());
  keeper.schedule(far, start + hours(2));
  std::atomic<bool> too_soon{false};
  CallTimer soon;
  const SteadyTime due = start + milliseconds(2);
  soon.call = [&] { too_soon = Clock::system()->steady() < due; };
  keeper.schedule(soon, due);
  EXPECT_TRUE(eventually([&] { return soon.ran == 1; }));
  EXPECT_FALSE(too_soon);
  EXPECT_TRUE(keeper.cancel(far));
  EXPECT_TRUE(keeper.cancel(never));
}

struct StressTimer final : Timer {
  void due() noexcept override {
    if (inside.exchange(true)) overlapped = true;
    ++ran;
    if (again.exchange(false)) keeper->schedule(*this, SteadyTime{});
    inside = false;
  }
  Timekeeper* keeper = nullptr;
  std::atomic<bool> inside{false};
  std::atomic<bool> overlapped{false};
  std::atomic<bool> again{false};
  std::atomic<int> ran{0};
  // Of the one thread that arms it.
  int armed = 0;
  int cancelled = 0;
};

/// Each timer is armed by one thread, which accounts for it: it ran, or was cancelled. The shared
/// ones are anybody's.
struct TimekeeperStress : ::testing::Test {
  static constexpr std::size_t kTimersEach = 8;
  static constexpr std::size_t kThreads = 3;

  TimekeeperStress() {
    for (StressTimer& timer : timers) timer.keeper = &keeper;
    for (StressTimer& timer : shared) timer.keeper = &keeper;
  }

  SteadyTime soon(unsigned random) const {
    return clock->steady() + std::chrono::microseconds(random % 100);
  }

  void account_for_one(StressTimer& timer, unsigned random) {
    switch (random % 4) {
      case 0: timer.cancelled += keeper.cancel(timer) ? 1 : 0; break;
      case 1: {
        keeper.cancel_and_wait(timer);
        EXPECT_FALSE(timer.inside);
        const int left = timer.armed - timer.cancelled - timer.ran;
        EXPECT_TRUE(left == 0 || left == 1) << left;
        timer.cancelled += left;
        break;
      }
      default:
        timer.cancelled += keeper.cancel(timer) ? 1 : 0;
        ++timer.armed;
        // Moved from where the clock never comes meanwhile: else it might run twice.
        if (random % 8 == 2) keeper.schedule(timer, clock->steady() + hours(1));
        keeper.schedule(timer, soon(random >> 8U));
    }
  }

  void disturb(StressTimer& timer, unsigned random) {
    switch (random % 6) {
      case 0: clock->advance(std::chrono::microseconds((random >> 8U) % 50)); break;
      case 1: keeper.run_due(); break;
      case 2: timer.again = true; break;
      case 3: keeper.cancel_and_wait(timer); break;
      case 4: keeper.cancel(timer); break;
      default: keeper.schedule(timer, soon(random >> 8U));
    }
  }

  std::shared_ptr<ManualClock> clock = std::make_shared<ManualClock>();
  std::vector<StressTimer> timers{kThreads * kTimersEach};
  std::vector<StressTimer> shared{4};
  Timekeeper keeper{clock, Drive::thread};
};

TEST_F(TimekeeperStress, LosesNoTimerAndRunsNoneTwiceAtOnceUnderSeveralThreads) {
  constexpr int kRounds = platform_detail::kThreadSanitizer ? 3'000 : 20'000;
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(static_cast<unsigned>(t));
      for (int round = 0; round < kRounds; ++round) {
        account_for_one(timers[t * kTimersEach + random() % kTimersEach],
                        static_cast<unsigned>(random()));
        disturb(shared[random() % shared.size()], static_cast<unsigned>(random()));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (StressTimer& timer : shared) keeper.cancel_and_wait(timer);
  clock->advance(hours(1));
  for (StressTimer& timer : timers) {
    EXPECT_TRUE(eventually([&] { return timer.ran + timer.cancelled == timer.armed; }))
        << timer.ran << " ran, " << timer.cancelled << " cancelled of " << timer.armed;
    EXPECT_FALSE(timer.overlapped);
  }
  for (const StressTimer& timer : shared) EXPECT_FALSE(timer.overlapped);
  EXPECT_EQ(keeper.armed(), 0U);
}

TEST(TimekeeperOwners, MayDestroyTimersWhileItRuns) {
  constexpr int kRounds = platform_detail::kThreadSanitizer ? 2'000 : 20'000;
  const auto clock = std::make_shared<ManualClock>();
  Timekeeper keeper(clock, Drive::thread);
  std::vector<std::thread> threads;
  std::atomic<int> calls{0};
  threads.reserve(3);
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        auto timer = std::make_unique<CallTimer>();
        bool alive = true;  // not atomic: a call after the wait would be a race
        timer->call = [&, self = timer.get()] {
          if (alive) ++calls;
          if (round % 3 == 0) keeper.schedule(*self, SteadyTime{});
        };
        keeper.schedule(*timer, clock->steady() + std::chrono::nanoseconds(round % 2));
        if (round % 5 == 0) clock->advance(std::chrono::nanoseconds(1));
        keeper.cancel_and_wait(*timer);
        alive = false;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(keeper.armed(), 0U);
}

}  // namespace
}  // namespace busway::delivery_detail
