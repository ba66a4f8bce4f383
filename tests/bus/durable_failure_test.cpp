// What fails in a durable subscription: retries, dead letters and breakers outlive the process.
#include <atomic>
#include <memory>
#include <stdexcept>
#include <vector>

#include "durable_fixture.hpp"

namespace busway {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_P(Durable, AFailureWaitsInTheStoreAndIsTriedAgainByWhoeverIsThere) {
  {
    Pumped first(options());
    int calls = 0;
    const Subscription fails = first.bus.subscribe("job",
                                                   [&](const Event&) {
                                                     ++calls;
                                                     throw std::runtime_error("not now");
                                                   },
                                                   {.retry = retries(5), .durable = "work"});
    (void)first.bus.publish("job");
    (void)first.bus.poll();
    EXPECT_EQ(calls, 1);
    EXPECT_FALSE(first.bus.idle()) << "a retry waits";
    pass(first, seconds(1));
    EXPECT_EQ(calls, 2);
    const DeliveryCounters counters = info_of(first.bus, fails.id()).counters;
    EXPECT_EQ(counters.retried, 2U);
    EXPECT_TRUE(adds_up(counters));
    EXPECT_EQ(counters.in_flight, 0U) << "it is the store's now";
  }
  EXPECT_EQ(info("work").retrying, 1U);
  Pumped second(options());
  std::vector<unsigned> attempts;
  const Subscription works = second.bus.subscribe(
      "job", [&](const Event&, Context& context) { attempts.push_back(context.attempt()); },
      {.durable = "work"});
  (void)second.bus.poll();
  EXPECT_TRUE(attempts.empty()) << "before its time";
  pass(second, seconds(2));
  EXPECT_EQ(attempts, std::vector<unsigned>{3});
  EXPECT_EQ(info("work").retrying, 0U);
}

TEST_P(Durable, WhatIsGivenUpIsADeadLetterOfTheStoreUntilItIsRedriven) {
  bool broken = true;
  {
    Pumped first(options());
    const Subscription fails =
        first.bus.subscribe("job", [&](const Event&) { throw std::runtime_error("disk full"); },
                            {.owner = "me", .retry = retries(1), .durable = "work"});
    (void)first.bus.publish("job", Json{{"n", 1}});
    (void)first.bus.poll();
    pass(first, seconds(2));
    const std::vector<DeadLetter> letters = first.bus.dead_letters().list();
    ASSERT_EQ(letters.size(), 1U);
    EXPECT_EQ(letters[0].name, "work");
    EXPECT_EQ(letters[0].owner, "me");
    EXPECT_EQ(letters[0].subscription, fails.id());
    EXPECT_EQ(letters[0].last().attempts, 2U);
    EXPECT_TRUE(mentions(letters[0].last().reason, "disk full"));
    EXPECT_EQ(info_of(first.bus, fails.id()).counters.dead_lettered, 1U);
  }
  Pumped second(options());
  int calls = 0;
  const Subscription works = second.bus.subscribe("job",
                                                  [&](const Event&, Context& context) {
                                                    EXPECT_EQ(context.attempt(), 1U);
                                                    ++calls;
                                                    if (broken) throw std::runtime_error("still");
                                                  },
                                                  {.retry = retries(0), .durable = "work"});
  (void)second.bus.poll();
  EXPECT_EQ(calls, 0);
  EXPECT_EQ(second.bus.dead_letters().size(), 1U);
  EXPECT_EQ(second.bus.dead_letters().redrive_all().sent, 1U);
  (void)second.bus.poll();
  EXPECT_EQ(calls, 1);
  std::vector<DeadLetter> letters = second.bus.dead_letters().list({.name = "work"});
  ASSERT_EQ(letters.size(), 1U);
  EXPECT_EQ(letters[0].history.size(), 2U);
  EXPECT_TRUE(mentions(letters[0].last().reason, "still"));
  broken = false;
  EXPECT_TRUE(second.bus.dead_letters().redrive(letters[0].id).ok());
  (void)second.bus.poll();
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(second.bus.dead_letters().size(), 0U);
  EXPECT_EQ(second.bus.dead_letters().redrive(letters[0].id).not_found, 1U);
}

TEST_P(Durable, ADeadLetterCanBePurged) {
  Pumped pumped(options());
  const Subscription fails = pumped.bus.subscribe(
      "job", [](const Event&) { return Outcome::dead_letter("useless"); }, {.durable = "work"});
  (void)pumped.bus.publish("job");
  (void)pumped.bus.publish("job");
  (void)pumped.bus.poll();
  const std::vector<DeadLetter> letters = pumped.bus.dead_letters().list();
  ASSERT_EQ(letters.size(), 2U);
  EXPECT_TRUE(mentions(letters[1].last().reason, "useless"));
  const auto status = pumped.bus.event_status(letters[0].event.id());
  ASSERT_TRUE(status);
  EXPECT_EQ(status->status, EventStatus::failed);
  EXPECT_EQ(status->finished, clock->wall()) << "the store knows when it was given up";
  EXPECT_EQ(pumped.bus.dead_letters().purge(letters[0].id), 1U);
  EXPECT_EQ(pumped.bus.dead_letters().purge({.pattern = "nothing.*"}), 0U);
  EXPECT_EQ(pumped.bus.dead_letters().purge_all(), 1U);
  EXPECT_EQ(pumped.bus.dead_letters().size(), 0U);
}

TEST_P(Durable, AnOpenBreakerLeavesItsEventsInTheStore) {
  Pumped pumped(options());
  bool broken = true;
  int calls = 0;
  const Subscription work =
      pumped.bus.subscribe("job",
                           [&](const Event&) {
                             ++calls;
                             if (broken) throw std::runtime_error("down");
                           },
                           {.retry = retries(100, milliseconds(10)),
                            .breaker = BreakerPolicy{.failures = 3, .open_for = seconds(5)},
                            .durable = "work"});
  for (int i = 0; i < 5; ++i) (void)pumped.bus.publish("job", Json(i));
  (void)pumped.bus.poll();
  EXPECT_EQ(calls, 3);
  pass(pumped, seconds(4));
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(pumped.bus.dead_letters().size(), 0U);
  broken = false;
  pass(pumped, seconds(3));
  EXPECT_EQ(calls, 3 + 5);
  EXPECT_EQ(info("work").retrying, 0U);
  EXPECT_EQ(info_of(pumped.bus, work.id()).counters.delivered, 5U);
}

TEST_P(Durable, AnOpenBreakerStaysOpenOverARestart) {
  int calls = 0;
  bool broken = true;
  const auto subscribe = [&](Pumped& pumped) {
    return pumped.bus.subscribe("job",
                                [&](const Event&) {
                                  ++calls;
                                  if (broken) throw std::runtime_error("down");
                                },
                                {.retry = retries(100, milliseconds(10)),
                                 .breaker = BreakerPolicy{.failures = 3, .open_for = seconds(5)},
                                 .durable = "work"});
  };
  {
    Pumped first(options());
    const Subscription work = subscribe(first);
    for (int i = 0; i < 5; ++i) (void)first.bus.publish("job", Json(i));
    (void)first.bus.poll();
    EXPECT_EQ(calls, 3);
  }
  clock->advance(seconds(2));
  {
    Pumped second(options());
    const Subscription work = subscribe(second);
    (void)second.bus.poll();
    EXPECT_EQ(info_of(second.bus, work.id()).breaker, BreakerState::open);
    pass(second, milliseconds(2'900));
    EXPECT_EQ(calls, 3);
    pass(second, milliseconds(200));
    EXPECT_EQ(calls, 4) << "the probe, which fails";
  }
  clock->advance(seconds(60));
  broken = false;
  {
    Pumped third(options());
    const Subscription work = subscribe(third);
    (void)third.bus.poll();
    pass(third, seconds(1));
    EXPECT_EQ(calls, 4 + 5);
    EXPECT_EQ(info_of(third.bus, work.id()).breaker, BreakerState::closed);
  }
  Pumped fourth(options());
  const Subscription work = subscribe(fourth);
  EXPECT_EQ(info_of(fourth.bus, work.id()).breaker, BreakerState::closed);
}

TEST_P(Durable, ACallThatPassesItsDeadlineIsTriedAgain) {
  BusOptions threaded = quiet(options());
  threaded.clock = Clock::system();
  store->close();
  threaded.opened_store = open(nullptr);
  auto gate = std::make_shared<Gate>();
  std::atomic<int> calls = 0;
  Bus bus(threaded);
  const Subscription work = bus.subscribe(
      "job",
      [&calls, gate](const Event&) {
        if (++calls == 1) gate->wait();
      },
      {.timeout = milliseconds(20), .retry = retries(3, milliseconds(1)), .durable = "work"});
  (void)bus.publish("job");
  EXPECT_TRUE(eventually([&] { return calls == 2; }));
  gate->open();
  EXPECT_TRUE(bus.wait_idle(kLong));
  EXPECT_EQ(info_of(bus, work.id()).counters.delivered, 1U);
}

/// A note that cannot be kept makes the feed settle a second time what it has settled, and count it
/// out twice.
TEST_P(Durable, AFailedNoteDoesNotSettleTwice) {
  const auto behind = std::make_shared<Behind>(store);
  BusOptions with = options();
  with.opened_store = behind;
  Pumped pumped(with);
  const Subscription made = pumped.bus.subscribe(
      "job", [](const Event&) { throw std::runtime_error("no"); },
      {.retry = retries(0), .breaker = BreakerPolicy{.failures = 1}, .durable = "work"});
  behind->note_fails = 1;
  (void)pumped.bus.publish("job");
  (void)pumped.bus.poll();
  EXPECT_TRUE(eventually([&] {
    (void)pumped.bus.poll();
    return behind->note_fails == 0 && behind->settled > 0;
  }));
  EXPECT_EQ(behind->settled, 1U);
  EXPECT_EQ(behind->stale, 0U);
}

/// Every attempt has killed its process: the policy has none left.
TEST_P(Durable, AnEventThatKilledItsProcessTooOftenIsGivenUp) {
  {
    Pumped first(options());
    const Subscription made = first.bus.subscribe("job", [](const Event&) {}, {.durable = "work"});
  }
  Pumped pumped(options());
  (void)pumped.bus.publish("job");
  const DurableSpec spec{.name = "work", .patterns = {Pattern::exact("job")}, .lease = seconds(10)};
  const auto dies = store->open(spec);  // a process that takes it and is never heard of again
  for (unsigned attempt = 1; attempt <= 5; ++attempt) {
    const FetchResult out = dies->fetch(1);
    ASSERT_EQ(out.deliveries.size(), 1U);
    EXPECT_EQ(out.deliveries[0].attempt, attempt);
    clock->advance(seconds(60));
  }
  int calls = 0;
  const Subscription made = pumped.bus.subscribe("job", [&](const Event&) { ++calls; },
                                                 {.retry = retries(1), .durable = "work"});
  (void)pumped.bus.poll();
  EXPECT_EQ(calls, 0);
  EXPECT_EQ(info("work").dead_letters, 1U);
}

}  // namespace
}  // namespace busway
