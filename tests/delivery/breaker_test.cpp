#include "delivery/breaker.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "busway/testing/manual_clock.hpp"
#include "platform/sanitizer.hpp"

namespace busway::delivery_detail {
namespace {

using std::chrono::hours;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using State = Breaker::State;
using Verdict = Breaker::Verdict;

struct BreakerTest : ::testing::Test {
  SteadyTime now() const { return clock.steady(); }
  Verdict ask() { return breaker.ask(now()); }
  bool call_fails() { return breaker.failed(now(), ask()); }
  bool call_succeeds() { return breaker.succeeded(now(), ask()); }
  void open_by_failures() {
    EXPECT_FALSE(call_fails());
    EXPECT_FALSE(call_fails());
    EXPECT_TRUE(call_fails());
  }
  void become_half_open() {
    open_by_failures();
    clock.advance(seconds(10));
    EXPECT_EQ(ask(), Verdict::probe);
  }

  testing::ManualClock clock;
  Breaker breaker{{.failures = 3, .open_for = seconds(10)}};
};

TEST_F(BreakerTest, IsClosedAtFirstAndLetsAllPass) {
  EXPECT_EQ(breaker.state(), State::closed);
  EXPECT_EQ(breaker.when_probe(), std::nullopt);
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(call_succeeds());
  EXPECT_EQ(breaker.times_opened(), 0U);
  EXPECT_EQ(breaker.refused(), 0U);
}

TEST_F(BreakerTest, OpensAfterSoManyFailuresInARow) {
  open_by_failures();
  EXPECT_EQ(breaker.state(), State::open);
  EXPECT_EQ(breaker.when_probe(), now() + seconds(10));
  EXPECT_EQ(ask(), Verdict::refuse);
  EXPECT_EQ(ask(), Verdict::refuse);
  EXPECT_EQ(breaker.times_opened(), 1U);
  EXPECT_EQ(breaker.refused(), 2U);
}

TEST_F(BreakerTest, CountsFailuresAnewAfterASuccess) {
  for (int i = 0; i < 10; ++i) {
    EXPECT_FALSE(call_fails());
    EXPECT_FALSE(call_fails());
    EXPECT_FALSE(call_succeeds());
  }
  EXPECT_EQ(breaker.state(), State::closed);
}

TEST_F(BreakerTest, LetsExactlyOneProbeThroughWhenTheTimeHasCome) {
  open_by_failures();
  clock.advance(seconds(10) - nanoseconds(1));
  EXPECT_EQ(ask(), Verdict::refuse);
  clock.advance(nanoseconds(1));
  EXPECT_EQ(ask(), Verdict::probe);
  EXPECT_EQ(breaker.state(), State::half_open);
  EXPECT_EQ(breaker.when_probe(), std::nullopt);
  clock.advance(hours(1));
  EXPECT_EQ(ask(), Verdict::refuse);
  EXPECT_EQ(ask(), Verdict::refuse);
}

TEST_F(BreakerTest, ClosesWhenTheProbeSucceeds) {
  become_half_open();
  EXPECT_TRUE(breaker.succeeded(now(), Verdict::probe));
  EXPECT_EQ(breaker.state(), State::closed);
  EXPECT_EQ(ask(), Verdict::pass);
  open_by_failures();  // with all failures still to come
  EXPECT_EQ(breaker.times_opened(), 2U);
}

TEST_F(BreakerTest, OpensAgainWhenTheProbeFails) {
  become_half_open();
  clock.advance(seconds(3));
  EXPECT_TRUE(breaker.failed(now(), Verdict::probe));
  EXPECT_EQ(breaker.state(), State::open);
  EXPECT_EQ(breaker.when_probe(), now() + seconds(10));
  EXPECT_EQ(breaker.times_opened(), 2U);
  EXPECT_EQ(ask(), Verdict::refuse);
  clock.advance(seconds(10));
  EXPECT_EQ(ask(), Verdict::probe);
}

TEST_F(BreakerTest, IsNotMovedByCallsThatBeganBeforeItOpened) {
  open_by_failures();
  EXPECT_FALSE(breaker.succeeded(now(), Verdict::pass));
  EXPECT_FALSE(breaker.failed(now(), Verdict::pass));
  EXPECT_EQ(breaker.state(), State::open);
  clock.advance(seconds(10));
  EXPECT_EQ(ask(), Verdict::probe);
  EXPECT_FALSE(breaker.succeeded(now(), Verdict::pass));
  EXPECT_FALSE(breaker.failed(now(), Verdict::pass));
  EXPECT_EQ(breaker.state(), State::half_open);
  EXPECT_EQ(ask(), Verdict::refuse);
  EXPECT_TRUE(breaker.succeeded(now(), Verdict::probe));
}

TEST_F(BreakerTest, GivesTheProbeToAnotherCallWhenItIsWithdrawn) {
  become_half_open();
  breaker.withdrawn(Verdict::pass);  // no probe: nothing changes
  EXPECT_EQ(ask(), Verdict::refuse);
  breaker.withdrawn(Verdict::probe);
  EXPECT_EQ(breaker.state(), State::open);
  EXPECT_EQ(ask(), Verdict::probe);
  EXPECT_EQ(ask(), Verdict::refuse);
}

TEST_F(BreakerTest, OpensAtOnceForOtherReasons) {
  EXPECT_TRUE(breaker.open_now(now()));
  EXPECT_EQ(ask(), Verdict::refuse);
  clock.advance(seconds(4));
  EXPECT_FALSE(breaker.open_now(now()));  // it was open, and waits anew
  EXPECT_EQ(breaker.when_probe(), now() + seconds(10));
  EXPECT_EQ(breaker.times_opened(), 1U);
  clock.advance(seconds(10));
  EXPECT_EQ(ask(), Verdict::probe);
}

TEST_F(BreakerTest, SendsNoSecondProbeWhileOneIsStillOut) {
  become_half_open();
  EXPECT_TRUE(breaker.open_now(now()));
  clock.advance(seconds(10));
  EXPECT_EQ(ask(), Verdict::refuse);
  EXPECT_FALSE(breaker.succeeded(now(), Verdict::probe));  // it opened for another reason since
  EXPECT_EQ(breaker.state(), State::open);
  EXPECT_EQ(ask(), Verdict::probe);
}

TEST_F(BreakerTest, StaysOpenForEverWhenItsTimeWouldPassTheClocksEnd) {
  Breaker for_ever({.failures = 1, .open_for = nanoseconds::max()});
  EXPECT_TRUE(for_ever.failed(now(), Verdict::pass));
  EXPECT_EQ(for_ever.when_probe(), SteadyTime::max());
  clock.advance(hours(100'000));
  EXPECT_EQ(for_ever.ask(now()), Verdict::refuse);
}

TEST(BreakerStress, NeverHasTwoProbesOutUnderSeveralThreads) {
  constexpr int kRounds = platform_detail::kThreadSanitizer ? 10'000 : 50'000;
  testing::ManualClock clock;
  Breaker breaker({.failures = 2, .open_for = nanoseconds(3)});
  std::atomic<int> out{0};
  std::atomic<bool> two{false};
  std::atomic<std::uint64_t> refused{0};
  std::atomic<std::uint64_t> opened{0};
  std::vector<std::thread> threads;
  threads.reserve(3);
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (int round = t; round < kRounds; ++round) {
        const Verdict verdict = breaker.ask(clock.steady());
        if (verdict == Verdict::refuse) {
          ++refused;
          clock.advance(nanoseconds(1));
          continue;
        }
        const bool probe = verdict == Verdict::probe;
        if (probe && out.fetch_add(1) != 0) two = true;
        std::this_thread::yield();
        if (probe) --out;
        switch (round % 5) {
          case 0: breaker.succeeded(clock.steady(), verdict); break;
          case 1: breaker.withdrawn(verdict); break;
          case 2:
            if (breaker.open_now(clock.steady())) ++opened;
            [[fallthrough]];
          default:
            if (breaker.failed(clock.steady(), verdict)) ++opened;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(two);
  EXPECT_EQ(breaker.refused(), refused);
  EXPECT_EQ(breaker.times_opened(), opened);
}

}  // namespace
}  // namespace busway::delivery_detail
