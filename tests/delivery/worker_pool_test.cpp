#include "delivery/worker_pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>

#include "delivery/spin_lock.hpp"
#include "mailbox_fixture.hpp"

namespace busway::delivery_detail {
namespace {

TEST(WorkerPool, RunsEveryTaskOnce) {
  WorkerPool pool(3);
  std::atomic<int> ran{0};
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(pool.post([&] { ++ran; }), Executor::Posted::accepted);
  EXPECT_TRUE(eventually([&] { return ran == 1000; }));
  pool.shut_down();
  EXPECT_EQ(ran, 1000);
}

TEST(WorkerPool, RunsRunnablesWithoutOwningThem) {
  struct Counting final : Runnable {
    void run() noexcept override { ++ran; }
    std::atomic<int> ran{0};
  };
  Counting one;
  WorkerPool pool(1);
  for (int i = 1; i <= 10; ++i) {
    EXPECT_EQ(pool.post(one), Executor::Posted::accepted);
    EXPECT_TRUE(eventually([&] { return one.ran == i; }));
  }
}

TEST(WorkerPool, UsesAllItsThreadsWhenTasksWaitForEachOther) {
  for (int round = 0; round < 60; ++round) {
    WorkerPool pool(3);
    std::atomic<int> in{0};
    // Any state of the first worker: not begun, spinning, asleep.
    for (int i = 0; i < round % 4; ++i) {
      std::atomic<bool> done{false};
      pool.post([&] { done = true; });
      ASSERT_TRUE(eventually([&] { return done.load(); }));
      for (int spin = 0; spin < round * 200; ++spin) pause();
    }
    std::atomic<int> met{0};
    for (int i = 0; i < 3; ++i) {
      pool.post([&] {
        ++in;
        if (eventually([&] { return in == 3; })) ++met;
      });
    }
    pool.shut_down();
    ASSERT_EQ(met, 3) << "in round " << round;
  }
}

TEST(WorkerPool, RunsWhatIsQueuedBeforeItShutsDownAndRefusesLaterTasks) {
  WorkerPool pool(1);
  std::atomic<int> ran{0};
  for (int i = 0; i < 100; ++i) pool.post([&] { ++ran; });
  pool.shut_down();
  EXPECT_EQ(ran, 100);
  EXPECT_EQ(pool.post([&] { ++ran; }), Executor::Posted::refused);
  pool.shut_down();
  EXPECT_EQ(ran, 100);
}

TEST(WorkerPool, StartsNoThreadBeforeThereIsWork) {
  WorkerPool pool(4);
  EXPECT_EQ(pool.thread_count(), 4U);
  pool.shut_down();
}

TEST(WorkerPool, IsNeverTheCallersThread) {
  WorkerPool pool(2);
  EXPECT_FALSE(pool.pumped_by_this_thread());
  EXPECT_FALSE(pool.run_one_here());
  std::atomic<bool> done{false};
  std::thread::id ran_on;
  pool.post([&] {
    ran_on = std::this_thread::get_id();
    done = true;
  });
  ASSERT_TRUE(eventually([&] { return done.load(); }));
  EXPECT_NE(ran_on, std::this_thread::get_id());
}

TEST(WorkerPool, TakesTasksFromItsOwnWorkers) {
  WorkerPool pool(2);
  std::atomic<int> left{500};
  std::function<void()> again = [&] {
    if (--left > 0) pool.post(again);
  };
  pool.post(again);
  EXPECT_TRUE(eventually([&] { return left <= 0; }));
}

struct Hanging final : Runnable {
  void run() noexcept override {
    thread = std::this_thread::get_id();
    while (!released) std::this_thread::yield();
    returned = true;
  }
  std::atomic<std::thread::id> thread{};
  std::atomic<bool> released{false};
  std::atomic<bool> returned{false};
};

TEST(WorkerPool, GoesOnWithAnotherThreadWhenOneIsLeftBehind) {
  WorkerPool pool(1);
  Hanging stuck;
  pool.post(stuck);
  ASSERT_TRUE(eventually([&] { return stuck.thread.load() != std::thread::id(); }));
  std::atomic<int> ran{0};
  pool.post([&] { ++ran; });
  EXPECT_TRUE(pool.leave_worker(stuck.thread, &stuck));
  EXPECT_TRUE(eventually([&] { return ran == 1; }));
  pool.post([&] { ++ran; });
  EXPECT_TRUE(eventually([&] { return ran == 2; }));
  pool.shut_down();  // does not wait for the one left behind
  EXPECT_FALSE(stuck.returned);
  stuck.released = true;
  EXPECT_TRUE(eventually([&] { return stuck.returned.load(); }));
}

TEST(WorkerPool, LeavesNoStrangerBehindNorOneThatRunsSomethingElse) {
  WorkerPool pool(1);
  Hanging stuck;
  Hanging other;
  EXPECT_FALSE(pool.leave_worker(std::this_thread::get_id(), &stuck));
  pool.post(stuck);
  ASSERT_TRUE(eventually([&] { return stuck.thread.load() != std::thread::id(); }));
  EXPECT_FALSE(pool.leave_worker(stuck.thread, &other));
  stuck.released = true;
  pool.shut_down();
}

TEST(WorkerPool, CanLeaveOneBehindThatAShutDownWaitsFor) {
  WorkerPool pool(2);
  Hanging stuck;
  pool.post(stuck);
  ASSERT_TRUE(eventually([&] { return stuck.thread.load() != std::thread::id(); }));
  std::thread down([&] { pool.shut_down(); });
  while (pool.post([] {}) == Executor::Posted::accepted) std::this_thread::yield();
  EXPECT_TRUE(pool.leave_worker(stuck.thread, &stuck));
  down.join();
  EXPECT_FALSE(stuck.returned);
  stuck.released = true;
  EXPECT_TRUE(eventually([&] { return stuck.returned.load(); }));
}

TEST(WorkerPool, ShutDownOnItsOnlyWorkerRunsWhatIsQueued) {
  std::atomic<bool> ran{false};
  std::atomic<bool> down{false};
  WorkerPool pool(1);
  std::atomic<bool> queued{false};
  pool.post([&] {
    while (!queued) std::this_thread::yield();
    pool.shut_down();
    down = true;
  });
  pool.post([&] { ran = true; });
  queued = true;
  EXPECT_TRUE(eventually([&] { return down.load(); }));
  EXPECT_TRUE(ran);
}

TEST(WorkerPool, ATaskThatSomeoneWaitsForNeverWaitsForABusyWorker) {
  struct Nested final : Runnable {
    void run() noexcept override {
      if (depth < 5) {
        Nested inner;
        inner.pool = pool;
        inner.depth = depth + 1;
        EXPECT_EQ(pool->post_at_once(inner), Executor::Posted::accepted);
        while (!inner.done) std::this_thread::yield();
      }
      done = true;
    }
    WorkerPool* pool = nullptr;
    int depth = 0;
    std::atomic<bool> done{false};
  };
  WorkerPool pool(1);
  for (int round = 0; round < 20; ++round) {
    Nested outer;
    outer.pool = &pool;
    ASSERT_EQ(pool.post_at_once(outer), Executor::Posted::accepted);
    ASSERT_TRUE(eventually([&] { return outer.done.load(); }));
  }
}

}  // namespace
}  // namespace busway::delivery_detail
