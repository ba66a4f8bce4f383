// The end of a durable subscription: what it has not handled waits in the store.
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "durable_fixture.hpp"

namespace busway {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_P(Durable, UnsubscribingGivesBackWhatWasNotHandled) {
  Pumped pumped(options());
  Names seen;
  {
    Subscription work;
    work = pumped.bus.subscribe("job.*",
                                [&](const Event& event) {
                                  seen.emplace_back(event.topic());
                                  work.pause();
                                },
                                {.durable = "work"});
    (void)pumped.bus.publish("job.a");
    (void)pumped.bus.publish("job.b");
    (void)pumped.bus.poll();
    EXPECT_EQ(info("work").leased, 1U) << "it waits in the mailbox";
  }
  EXPECT_EQ(seen, Names{"job.a"});
  EXPECT_EQ(info("work").leased, 0U);
  const Subscription again = note_topics(pumped.bus, "job.*", seen, {.durable = "work"});
  (void)pumped.bus.poll();
  EXPECT_EQ(seen, (Names{"job.a", "job.b"}));
}

TEST_P(Durable, OneThatUnsubscribesItselfHasHandledThatEvent) {
  Pumped pumped(options());
  Names seen;
  Subscription work;
  work = pumped.bus.subscribe("job.*",
                              [&](const Event& event) {
                                seen.emplace_back(event.topic());
                                work.reset();
                              },
                              {.durable = "work"});
  (void)pumped.bus.publish("job.a");
  (void)pumped.bus.publish("job.b");
  (void)pumped.bus.poll();
  EXPECT_EQ(seen, Names{"job.a"});
  const Subscription again = note_topics(pumped.bus, "job.*", seen, {.durable = "work"});
  (void)pumped.bus.poll();
  EXPECT_EQ(seen, (Names{"job.a", "job.b"}));
}

TEST_P(Durable, StoppingLeavesTheRestInTheStore) {
  Names seen;
  {
    Pumped pumped(options());
    const Subscription work =
        note_topics(pumped.bus, "job.*", seen, {.queue_capacity = 2, .durable = "work"});
    for (const char* topic : {"job.a", "job.b", "job.c", "job.d"}) {
      (void)pumped.bus.publish(topic);
    }
    (void)pumped.bus.poll(1);
    EXPECT_TRUE(pumped.bus.stop(seconds(1)).ok());
    EXPECT_EQ(seen, (Names{"job.a", "job.b"})) << "what was fetched is drained";
  }
  Pumped next(options());
  const Subscription work = note_topics(next.bus, "job.*", seen, {.durable = "work"});
  (void)next.bus.poll();
  EXPECT_EQ(seen, (Names{"job.a", "job.b", "job.c", "job.d"}));
}

TEST_P(Durable, RemovingItEndsItsOpenings) {
  Pumped pumped(options());
  Names seen;
  const Subscription work = note_topics(pumped.bus, "job.*", seen, {.durable = "work"});
  (void)pumped.bus.poll();
  EXPECT_FALSE(pumped.bus.remove_durable("other"));
  EXPECT_TRUE(pumped.bus.remove_durable("work"));
  (void)pumped.bus.publish("job.a");
  (void)pumped.bus.poll();
  EXPECT_TRUE(seen.empty());
  EXPECT_TRUE(pumped.bus.durables().empty());
  EXPECT_TRUE(pumped.bus.idle());
}

/// What was handled and could not be settled in time will be handled again: stop() says so.
TEST_P(Durable, AStopTellsOfSettlementsThatCouldNotBeWritten) {
  const auto behind = std::make_shared<Behind>(store);
  BusOptions with = options();
  with.opened_store = behind;
  Pumped pumped(with);
  int calls = 0;
  const Subscription made =
      pumped.bus.subscribe("job", [&](const Event&) { ++calls; }, {.durable = "work"});
  behind->settle_fails = true;
  (void)pumped.bus.publish("job");
  (void)pumped.bus.publish("job");
  (void)pumped.bus.poll();
  ASSERT_EQ(calls, 2);
  const StopResult stopped = pumped.bus.stop(milliseconds(1));
  EXPECT_EQ(stopped.kind, StopResult::Kind::deadline);
  ASSERT_EQ(stopped.left.size(), 1U);
  EXPECT_EQ(stopped.left[0].subscription, made.id());
  EXPECT_TRUE(mentions(stopped.left[0].name, "work"));
  EXPECT_EQ(stopped.queued(), 2U);
}

/// On a bus driven by hand filters and handlers run within poll(), filters within a turn.
TEST_P(Durable, AFilterMayEndItsSubscriptionOnABusDrivenByHand) {
  Pumped pumped(options());
  Subscription made;
  int calls = 0;
  made = pumped.bus.subscribe("job", [&](const Event&) { ++calls; },
                              {.filter =
                                   [&](const Event&) {
                                     made.reset();
                                     EXPECT_FALSE(pumped.bus.wait_idle(kLong));
                                     (void)pumped.bus.poll();
                                     return true;
                                   },
                               .durable = "work"});
  (void)pumped.bus.publish("job");
  (void)pumped.bus.poll();
  EXPECT_EQ(calls, 0);
  EXPECT_TRUE(pumped.bus.idle());
  EXPECT_EQ(info("work").leased, 0U);
}

TEST_P(Durable, AHandlerMayEndItsSubscriptionOnABusDrivenByHand) {
  Pumped pumped(options());
  Subscription made;
  made = pumped.bus.subscribe("job", [&](const Event&) { made.reset(); }, {.durable = "work"});
  (void)pumped.bus.publish("job");
  (void)pumped.bus.poll();
  EXPECT_TRUE(pumped.bus.idle());
  EXPECT_EQ(info("work").leased, 0U);
}

/// For the thread sanitizer: the thread of the feeds begins with the first of them.
TEST_P(Durable, TheFirstSubscriptionsMayBeMadeAndEndedByManyThreads) {
  store->close();
  const std::shared_ptr<Store> shared = open(nullptr);
  for (int round = 0; round < 5; ++round) {
    BusOptions with = quiet();
    with.opened_store = shared;
    Bus bus(with);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        const Subscription made =
            bus.subscribe("job", [](const Event&) {}, {.durable = "work" + std::to_string(t)});
      });
    }
    for (std::thread& one : threads) one.join();
  }
}

}  // namespace
}  // namespace busway
