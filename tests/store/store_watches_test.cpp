#include "busway/store_watches.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

namespace busway {
namespace {

TEST(StoreWatches, TellsAllUntilTheirLastHandleGoes) {
  StoreWatches list;
  list.tell();
  int first = 0;
  int second = 0;
  std::shared_ptr<void> one = list.add([&](StoreNews) { ++first; });
  const std::shared_ptr<void> two = list.add([&](StoreNews) { ++second; });
  list.tell();
  std::shared_ptr<void> copy = one;
  one.reset();
  list.tell();
  copy.reset();
  list.tell();
  EXPECT_EQ(first, 2);
  EXPECT_EQ(second, 3);
}

TEST(StoreWatches, LetsAWatchEndItself) {
  StoreWatches list;
  int told = 0;
  std::shared_ptr<void> watch;
  watch = list.add([&](StoreNews) {
    ++told;
    watch.reset();
  });
  list.tell();
  list.tell();
  EXPECT_EQ(told, 1);
}

TEST(StoreWatches, WaitsForARunningCallWhereAHandleGoes) {
  StoreWatches list;
  std::atomic<bool> inside{false};
  std::atomic<bool> go_on{false};
  std::atomic<bool> left{false};
  std::shared_ptr<void> watch = list.add([&](StoreNews) {
    inside = true;
    while (!go_on) std::this_thread::yield();
    left = true;
  });
  std::thread teller([&] { list.tell(); });
  while (!inside) std::this_thread::yield();
  std::thread releaser([&] { go_on = true; });
  watch.reset();
  EXPECT_TRUE(left);
  teller.join();
  releaser.join();
}

TEST(StoreWatches, TellsOnOneThreadWhileACallOnAnotherTakesItsTime) {
  StoreWatches list;
  std::atomic<bool> inside{false};
  std::atomic<bool> told{false};
  const std::shared_ptr<void> watch = list.add([&](StoreNews news) {
    if (news == StoreNews::in_passing) {
      told = true;
      return;
    }
    inside = true;
    while (!told) std::this_thread::yield();
  });
  std::thread teller([&] { list.tell(StoreNews::on_own_thread); });
  while (!inside) std::this_thread::yield();
  list.tell();
  teller.join();
  EXPECT_TRUE(told);
}

TEST(StoreWatches, LetsACallTellAgain) {
  StoreWatches list;
  int told = 0;
  std::shared_ptr<void> watch;
  watch = list.add([&](StoreNews) {
    if (++told == 1) {
      list.tell();
      watch.reset();
    }
  });
  list.tell(StoreNews::on_own_thread);
  list.tell();
  EXPECT_EQ(told, 2);
}

TEST(StoreWatches, TheFunctionGoesWithItsWatchAndNotWithWhoTells) {
  StoreWatches list;
  std::atomic<bool> inside{false};
  std::atomic<bool> go_on{false};
  const std::shared_ptr<void> first = list.add([&](StoreNews) {
    inside = true;
    while (!go_on) std::this_thread::yield();
  });
  auto owned = std::make_shared<int>();
  const std::weak_ptr<int> is_there = owned;
  std::shared_ptr<void> second = list.add([owned](StoreNews) {});
  owned.reset();
  std::thread teller([&] { list.tell(); });
  while (!inside) std::this_thread::yield();
  second.reset();  // which the teller has still to come to
  EXPECT_TRUE(is_there.expired());
  go_on = true;
  teller.join();
}

TEST(StoreWatches, TheFunctionOfOneThatEndsItselfGoesWhenItsCallReturns) {
  StoreWatches list;
  auto owned = std::make_shared<int>();
  const std::weak_ptr<int> is_there = owned;
  std::shared_ptr<void> watch;
  bool was_there = false;
  watch = list.add([&, owned](StoreNews) {
    watch.reset();
    was_there = !is_there.expired();
  });
  owned.reset();
  list.tell();
  EXPECT_TRUE(was_there);
  EXPECT_TRUE(is_there.expired());
}

TEST(StoreWatches, MayEndBeforeItsHandles) {
  std::shared_ptr<void> watch;
  {
    StoreWatches list;
    watch = list.add([](StoreNews) {});
  }
  watch.reset();
}

}  // namespace
}  // namespace busway
