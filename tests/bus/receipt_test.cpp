#include "busway/receipt.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <set>

#include "bus_fixture.hpp"

namespace busway {
namespace {

TEST(Receipt, RunsNothingHereAndSettlesWhenAllHasEnded) {
  Pumped pumped;
  Names seen;
  const Subscription sync = note_topics(pumped.bus, "a", seen, {.name = "sync"});
  const Subscription async =
      note_topics(pumped.bus, "a", seen, {.name = "async", .mode = Mode::async});
  const Receipt receipt = pumped.bus.publish_async("a");
  EXPECT_TRUE(seen.empty());
  EXPECT_EQ(receipt.status(), EventStatus::pending);
  EXPECT_TRUE(receipt.outcomes().empty());
  EXPECT_FALSE(receipt.id().is_nil());
  EXPECT_TRUE(receipt.wait_for(kLong, Receipt::Stage::stored));
  pumped.bus.poll(1);
  EXPECT_EQ(receipt.status(), EventStatus::processing);
  EXPECT_EQ(receipt.outcomes().size(), 1U);
  pumped.bus.poll();
  EXPECT_EQ(receipt.status(), EventStatus::completed);
  EXPECT_TRUE(receipt.wait_for(std::chrono::nanoseconds(0)));
  const std::vector<DeliveryOutcome> outcomes = receipt.outcomes();
  ASSERT_EQ(outcomes.size(), 2U);
  for (const DeliveryOutcome& one : outcomes) {
    EXPECT_EQ(one.kind, DeliveryOutcome::Kind::delivered);
    EXPECT_TRUE(one.name == "sync" || one.name == "async");
  }
  const PublishResult result = receipt.result();
  EXPECT_EQ(result.id, receipt.id());
  EXPECT_EQ(result.matched, 2U);
  EXPECT_EQ(result.delivered, 1U);
  EXPECT_EQ(result.queued, 1U);
  EXPECT_TRUE(result.ok());
}

TEST(Receipt, OfAnEventThatNobodyHearsIsCompleted) {
  Pumped pumped;
  const Receipt receipt = pumped.bus.publish_async("nobody");
  EXPECT_TRUE(receipt.wait_for(kLong));
  EXPECT_EQ(receipt.status(), EventStatus::completed);
}

TEST(Receipt, RunsSynchronousHandlersInPriorityOrderOnOneWorker) {
  Bus bus(quiet());
  std::mutex mutex;
  std::vector<int> order;
  std::set<std::thread::id> threads;
  std::vector<Subscription> kept;
  for (const int priority : {1, 3, 2}) {
    kept.push_back(bus.subscribe("a",
                                 [&, priority](const Event&) {
                                   const std::lock_guard lock(mutex);
                                   order.push_back(priority);
                                   threads.insert(std::this_thread::get_id());
                                 },
                                 {.priority = priority}));
  }
  EXPECT_TRUE(bus.publish_async("a").wait_for(std::chrono::nanoseconds::max()));
  EXPECT_EQ(order, (std::vector{3, 2, 1}));
  EXPECT_EQ(threads.size(), 1U);
  EXPECT_FALSE(threads.contains(std::this_thread::get_id()));
}

TEST(Receipt, KeepsThePublishersOrder) {
  Bus bus(quiet({.queue_capacity = 10'000}));
  std::vector<int> seen;
  const Subscription one = bus.subscribe("a", [&](const Point& point) { seen.push_back(point.x); });
  Receipt last = bus.publish_async("a", typed_payload<Point>({0, 0}));
  for (int i = 1; i < 1000; ++i) last = bus.publish_async("a", typed_payload<Point>(Point{i, 0}));
  EXPECT_TRUE(last.wait_for(kLong));
  ASSERT_EQ(seen.size(), 1000U);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(seen[static_cast<std::size_t>(i)], i);
}

TEST(Receipt, TellsWhatFailed) {
  Pumped pumped;
  const Subscription sync =
      pumped.bus.subscribe("a", [](const Event&) { throw 42; }, {.name = "sync"});
  const Subscription async = pumped.bus.subscribe(
      "a", [](const Event&) { return Outcome::fail("no disk"); },
      {.name = "async", .mode = Mode::async, .retry = RetryPolicy{.max_retries = 0}});
  const Subscription well = pumped.bus.subscribe("a", [](const Event&) {});
  const Receipt receipt = pumped.bus.publish_async("a");
  EXPECT_TRUE(receipt.wait_for(kLong));
  EXPECT_EQ(receipt.status(), EventStatus::failed);
  int failed = 0;
  for (const DeliveryOutcome& one : receipt.outcomes()) {
    if (one.kind == DeliveryOutcome::Kind::delivered) continue;
    ++failed;
    EXPECT_EQ(one.kind, one.name == "sync" ? DeliveryOutcome::Kind::failed
                                           : DeliveryOutcome::Kind::dead_lettered);
    EXPECT_TRUE(mentions(one.reason, one.name == "sync" ? "int" : "no disk"));
  }
  EXPECT_EQ(failed, 2);
  EXPECT_EQ(receipt.result().failures.size(), 2U);
  EXPECT_EQ(receipt.result().delivered, 1U);
}

TEST(Receipt, TellsWhatWasDropped) {
  Pumped pumped;
  Subscription one =
      pumped.bus.subscribe("a", [](const Event&) {}, {.mode = Mode::async, .queue_capacity = 1});
  const Receipt first = pumped.bus.publish_async("a");
  const Receipt full = pumped.bus.publish_async("a");
  one.reset();
  pumped.bus.poll();
  EXPECT_EQ(first.status(), EventStatus::failed);
  ASSERT_EQ(first.outcomes().size(), 1U);
  EXPECT_EQ(first.outcomes()[0].kind, DeliveryOutcome::Kind::dropped);
  EXPECT_EQ(full.status(), EventStatus::failed);
  EXPECT_EQ(full.result().failures.at(0).code, ErrorCode::queue_full);
}

TEST(Receipt, OfADisplacedEventSaysSo) {
  Pumped pumped;
  const Subscription one = pumped.bus.subscribe(
      "a", [](const Event&) {},
      {.mode = Mode::async, .queue_capacity = 1, .overflow = Overflow::drop_oldest});
  const Receipt old = pumped.bus.publish_async("a");
  const Receipt young = pumped.bus.publish_async("a");
  pumped.bus.poll();
  EXPECT_EQ(old.status(), EventStatus::failed);
  EXPECT_EQ(old.outcomes().at(0).kind, DeliveryOutcome::Kind::dropped);
  EXPECT_EQ(young.status(), EventStatus::completed);
}

TEST(Receipt, ReachesTheSubscriptionsOfThatMomentOnly) {
  Pumped pumped;
  Names seen;
  Subscription early = note_topics(pumped.bus, "a", seen);
  const Receipt receipt = pumped.bus.publish_async("a");
  const Subscription late = note_topics(pumped.bus, "a", seen);
  const Subscription late_async = note_topics(pumped.bus, "*", seen, {.mode = Mode::async});
  pumped.bus.poll();
  EXPECT_EQ(seen.size(), 1U);
  (void)pumped.bus.publish_async("a");
  early.reset();
  pumped.bus.poll();
  EXPECT_EQ(seen.size(), 3U);
}

TEST(Receipt, OfARefusedEventSaysWhy) {
  Bus bus(quiet({.enabled = false}));
  const Receipt receipt = bus.publish_async("a");
  EXPECT_EQ(receipt.status(), EventStatus::failed);
  EXPECT_EQ(receipt.result().code, ErrorCode::disabled);
  EXPECT_TRUE(receipt.wait_for(kLong));
  EXPECT_FALSE(receipt.wait_for(kLong, Receipt::Stage::stored));
}

TEST(Receipt, OnThePumpThreadPumpsAndGivesUpWhereItCouldNeverEnd) {
  Pumped pumped;
  Subscription one = pumped.bus.subscribe("a", [](const Event&) {}, {.mode = Mode::async});
  EXPECT_TRUE(pumped.bus.publish_async("a").wait_for(kLong));
  one.pause();
  EXPECT_FALSE(pumped.bus.publish_async("a").wait_for(kLong));
}

TEST(Receipt, OutlivesItsBus) {
  std::optional<Receipt> queued;
  std::optional<Receipt> done;
  {
    Pumped pumped;
    const Subscription sync = pumped.bus.subscribe("a", [](const Event&) {});
    const Subscription async =
        pumped.bus.subscribe("a", [](const Event&) {}, {.mode = Mode::async});
    done = pumped.bus.publish_async("a");
    pumped.bus.poll();
    queued = pumped.bus.publish_async("a");
  }
  EXPECT_EQ(done->status(), EventStatus::completed);
  EXPECT_TRUE(queued->wait_for(kLong));
  EXPECT_EQ(queued->status(), EventStatus::failed);
  EXPECT_FALSE(queued->result().ok());
}

TEST(Receipt, WhoseSynchronousPartNeverRanHasFailed) {
  std::optional<Receipt> receipt;
  {
    Pumped pumped;
    const Subscription sync = pumped.bus.subscribe("a", [](const Event&) {});
    receipt = pumped.bus.publish_async("a");
  }
  EXPECT_TRUE(receipt->wait_for(kLong));
  EXPECT_EQ(receipt->status(), EventStatus::failed);
  EXPECT_EQ(receipt->result().failures.at(0).code, ErrorCode::dropped);
}

TEST(Receipt, WhoseQueueIsFullSaysSo) {
  Pumped pumped(BusOptions{.queue_capacity = 1});
  const Subscription sync = pumped.bus.subscribe("a", [](const Event&) {});
  const Receipt first = pumped.bus.publish_async("a");
  const Receipt second = pumped.bus.publish_async("a");
  EXPECT_EQ(second.status(), EventStatus::failed);
  EXPECT_EQ(second.result().failures.at(0).code, ErrorCode::queue_full);
  pumped.bus.poll();
  EXPECT_EQ(first.status(), EventStatus::completed);
}

struct ThrowingExecutor final : Executor {
  Posted post(Task) override { throw std::bad_alloc(); }
};

TEST(Receipt, OfAnEventWhoseExecutorThrowsIsSettledOnce) {
  Bus bus(quiet());
  const Subscription one =
      bus.subscribe("a", [](const Event&) {},
                    {.mode = Mode::async, .executor = std::make_shared<ThrowingExecutor>()});
  for (int i = 0; i < 2; ++i) {
    const Receipt receipt = bus.publish_async("a");
    ASSERT_TRUE(receipt.wait_for(kLong));
    ASSERT_EQ(receipt.outcomes().size(), 1U);
    EXPECT_EQ(receipt.outcomes().front().kind, DeliveryOutcome::Kind::dropped);
  }
  EXPECT_EQ(bus.stats().dropped, 2U);
  EXPECT_TRUE(adds_up(bus.stats()));
}

}  // namespace
}  // namespace busway
