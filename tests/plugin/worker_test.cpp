#include "plugin/worker.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "busway/testing/manual_clock.hpp"

namespace busway::plugin_host_detail {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(PluginWorker, RunsTasksInOrderOnOneThreadThatIsNotOurs) {
  const auto worker = PluginWorker::start("test", Clock::system());
  std::vector<int> order;
  std::vector<std::thread::id> threads;
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(worker->post([&, i] {
      order.push_back(i);
      threads.push_back(std::this_thread::get_id());
    }),
              Executor::Posted::accepted);
  }
  worker->close();
  ASSERT_EQ(order.size(), 100U);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
  for (const auto id : threads) EXPECT_EQ(id, threads.front());
  EXPECT_NE(threads.front(), std::this_thread::get_id());
}

TEST(PluginWorker, KnowsItsThread) {
  const auto worker = PluginWorker::start("test", Clock::system());
  EXPECT_FALSE(worker->pumped_by_this_thread());
  EXPECT_EQ(PluginWorker::current(), nullptr);
  bool knows = false;
  EXPECT_TRUE(worker->run(
      [&] { knows = worker->pumped_by_this_thread() && PluginWorker::current() == worker.get(); },
      seconds(60)));
  EXPECT_TRUE(knows);
  worker->close();
}

TEST(PluginWorker, RefusesTasksOnceClosed) {
  const auto worker = PluginWorker::start("test", Clock::system());
  worker->close();
  EXPECT_EQ(worker->post([] { FAIL(); }), Executor::Posted::refused);
  EXPECT_FALSE(worker->run([] { FAIL(); }, seconds(60)));
}

TEST(PluginWorker, RunSaysWhenItsTimeIsOverAndTheCallGoesOn) {
  const auto worker = PluginWorker::start("test", Clock::system());
  std::atomic<bool> let_go{false};
  EXPECT_FALSE(worker->run(
      [&] {
        while (!let_go.load()) std::this_thread::yield();
      },
      milliseconds(1)));
  EXPECT_FALSE(worker->idle());
  let_go = true;
  worker->close();
}

TEST(PluginWorker, EachStepOfARunHasItsOwnTime) {
  constexpr milliseconds kTime(400);  // no thread that wants to run waits as long as that
  using Clock = std::chrono::steady_clock;
  const auto worker = PluginWorker::start("test", busway::Clock::system());
  std::atomic<PluginWorker::RealTime> begun{Clock::now()};
  const auto spin = [kTime](const auto& step) {
    for (const auto end = Clock::now() + kTime + kTime / 2; Clock::now() < end;) step();
  };
  EXPECT_TRUE(
      worker->run([&] { spin([&] { begun = Clock::now(); }); }, kTime, {.step_begun = &begun}));
  EXPECT_FALSE(worker->run([&] { spin([] {}); }, kTime, {.step_begun = &begun}));
  worker->close();
}

TEST(PluginWorker, AWaitThatHasLastedSoLongIsHelped) {
  const auto worker = PluginWorker::start("test", Clock::system());
  std::atomic<bool> may{false};
  std::atomic<int> helped{0};
  std::atomic<int> late{0};
  PluginWorker::Waiting help;
  help.marks.push_back({milliseconds(1), [&] { ++helped; }});
  help.marks.push_back({milliseconds(2), [&] {
                          ++helped;
                          may = true;
                        }});
  help.marks.push_back({seconds(50), [&] { ++late; }});
  EXPECT_TRUE(worker->run(
      [&] {
        while (!may) std::this_thread::yield();
      },
      seconds(60), help));
  EXPECT_EQ(helped, 2);
  EXPECT_EQ(late, 0) << "it had ended by then";
  worker->close();
}

TEST(PluginWorker, RunsATimerOnceAndForgetsACancelledOne) {
  const auto worker = PluginWorker::start("test", Clock::system());
  std::atomic<int> ran{0};
  const auto never = worker->schedule(hours(1), [&] { ran += 100; });
  const auto soon = worker->schedule(milliseconds(1), [&] { ++ran; });
  EXPECT_TRUE(worker->cancel(never));
  EXPECT_FALSE(worker->cancel(never));
  while (ran.load() == 0) std::this_thread::yield();
  ASSERT_TRUE(worker->wait_idle(std::chrono::steady_clock::now() + seconds(60)));
  EXPECT_FALSE(worker->cancel(soon));
  EXPECT_EQ(worker->timer_count(), 0U);
  worker->close();
  EXPECT_EQ(ran.load(), 1);
}

TEST(PluginWorker, TakesADelayOfAges) {
  const auto worker = PluginWorker::start("test", Clock::system());
  (void)worker->schedule(std::chrono::nanoseconds::max(), [] { FAIL(); });
  EXPECT_TRUE(worker->run([] {}, seconds(60)));
  worker->close();
}

TEST(PluginWorker, LeavesAThreadBehindOnlyInACallThatIsPastItsDeadline) {
  const auto clock = std::make_shared<busway::testing::ManualClock>();
  const auto worker = PluginWorker::start("test", clock);
  const std::thread::id first = worker->thread_id();
  std::atomic<int> step{0};
  const auto reach = [&](int n) {
    while (step.load() < n) std::this_thread::yield();
  };
  ASSERT_EQ(worker->post([&] {
    step = 1;
    reach(2);
    {
      const PluginWorker::Deadline outer(*worker, clock->steady() + seconds(1));
      const PluginWorker::Deadline inner(*worker, clock->steady());
      step = 3;
      reach(4);
    }
    EXPECT_FALSE(worker->pumped_by_this_thread());
    EXPECT_EQ(PluginWorker::current(), worker.get());
  }),
            Executor::Posted::accepted);
  reach(1);
  EXPECT_FALSE(worker->leave_behind(first)) << "a call without a deadline";
  step = 2;
  reach(3);
  EXPECT_FALSE(worker->leave_behind(first)) << "the outermost counts";
  clock->advance(seconds(1));
  EXPECT_FALSE(worker->leave_behind(std::this_thread::get_id()));
  EXPECT_TRUE(worker->leave_behind(first));
  EXPECT_TRUE(worker->leave_behind(first)) << "it is";
  EXPECT_EQ(worker->left_behind(), 1U);
  EXPECT_TRUE(worker->idle());
  EXPECT_FALSE(worker->wait_for_left_behind(std::chrono::steady_clock::now()));
  std::thread::id second;
  ASSERT_TRUE(worker->run([&] { second = std::this_thread::get_id(); }, seconds(60)));
  EXPECT_NE(second, first);
  EXPECT_EQ(second, worker->thread_id());
  step = 4;
  EXPECT_TRUE(worker->wait_for_left_behind(std::chrono::steady_clock::now() + seconds(60)));
  EXPECT_EQ(worker->left_behind(), 0U);
  EXPECT_FALSE(worker->leave_behind(first)) << "it has ended";
  worker->close();
}

TEST(PluginWorker, CanBeLeftBehindWhileItHangs) {
  std::atomic<bool> begun{false};
  std::atomic<bool> let_go{false};
  std::atomic<bool> ended{false};
  {
    const auto worker = PluginWorker::start("test", Clock::system());
    ASSERT_EQ(worker->post([&] {
      begun = true;
      while (!let_go.load()) std::this_thread::yield();
      ended = true;
    }),
              Executor::Posted::accepted);
    while (!begun.load()) std::this_thread::yield();
    worker->abandon();
  }
  let_go = true;
  while (!ended.load()) std::this_thread::yield();
}

}  // namespace
}  // namespace busway::plugin_host_detail
