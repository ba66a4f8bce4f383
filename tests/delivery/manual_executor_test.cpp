#include "busway/manual_executor.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace busway {
namespace {

TEST(ManualExecutor, RunsNothingByItself) {
  ManualExecutor executor;
  int ran = 0;
  EXPECT_EQ(executor.post([&] { ++ran; }), Executor::Posted::accepted);
  EXPECT_EQ(ran, 0);
  EXPECT_EQ(executor.pending(), 1U);
  EXPECT_TRUE(executor.run_one());
  EXPECT_EQ(ran, 1);
  EXPECT_EQ(executor.pending(), 0U);
  EXPECT_FALSE(executor.run_one());
}

TEST(ManualExecutor, RunsTasksOldestFirstAndThosePostedMeanwhile) {
  ManualExecutor executor;
  std::vector<int> order;
  executor.post([&] {
    order.push_back(1);
    executor.post([&] { order.push_back(3); });
  });
  executor.post([&] { order.push_back(2); });
  EXPECT_EQ(executor.run(), 3U);
  EXPECT_EQ(order, (std::vector{1, 2, 3}));
}

TEST(ManualExecutor, RunsAtMostWhatItIsAskedFor) {
  ManualExecutor executor;
  int ran = 0;
  for (int i = 0; i < 5; ++i) executor.post([&] { ++ran; });
  EXPECT_EQ(executor.run(0), 0U);
  EXPECT_EQ(executor.run(3), 3U);
  EXPECT_EQ(ran, 3);
  EXPECT_EQ(executor.run(), 2U);
  EXPECT_EQ(executor.run(), 0U);
}

TEST(ManualExecutor, LetsASimulationChooseTheOrder) {
  ManualExecutor executor;
  std::vector<int> order;
  for (int i = 0; i < 4; ++i) executor.post([&, i] { order.push_back(i); });
  EXPECT_TRUE(executor.run_at(2));
  EXPECT_TRUE(executor.run_at(2));
  EXPECT_FALSE(executor.run_at(2));
  EXPECT_TRUE(executor.run_at(1));
  EXPECT_TRUE(executor.run_at(0));
  EXPECT_EQ(order, (std::vector{2, 3, 1, 0}));
}

TEST(ManualExecutor, BelongsToTheThreadThatPumps) {
  ManualExecutor executor;
  EXPECT_TRUE(executor.pumped_by_this_thread());
  std::thread other([&] {
    EXPECT_FALSE(executor.pumped_by_this_thread());
    EXPECT_FALSE(executor.run_one_here());
    executor.post([] {});
    executor.run();
    EXPECT_TRUE(executor.pumped_by_this_thread());
  });
  other.join();
  EXPECT_FALSE(executor.pumped_by_this_thread());
  executor.post([] {});
  EXPECT_FALSE(executor.run_one_here());
  EXPECT_TRUE(executor.run_one());
  EXPECT_TRUE(executor.pumped_by_this_thread());
}

TEST(ManualExecutor, HelpsItselfOnItsThread) {
  ManualExecutor executor;
  bool ran = false;
  EXPECT_FALSE(executor.run_one_here());
  executor.post([&] { ran = true; });
  EXPECT_TRUE(executor.run_one_here());
  EXPECT_TRUE(ran);
}

TEST(ManualExecutor, TakesTasksFromAnyThread) {
  ManualExecutor executor;
  std::vector<std::thread> posters;
  int ran = 0;
  for (int t = 0; t < 4; ++t) {
    posters.emplace_back([&] {
      for (int i = 0; i < 250; ++i) executor.post([&] { ++ran; });
    });
  }
  for (std::thread& one : posters) one.join();
  EXPECT_EQ(executor.run(), 1000U);
  EXPECT_EQ(ran, 1000);
}

}  // namespace
}  // namespace busway
