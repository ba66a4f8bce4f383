// Durable subscriptions: what is not settled is given out again, to whoever opens the name.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string>
#include <temporary_folder.hpp>
#include <thread>
#include <vector>

#include "bus_fixture.hpp"
#include "busway/store_provider.hpp"
#include "still_bus.hpp"

namespace busway {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

RetryPolicy retries(unsigned max, std::chrono::nanoseconds delay = seconds(1)) {
  RetryPolicy policy;
  policy.max_retries = max;
  policy.initial_delay = delay;
  return policy;
}

/// A store that outlives buses, with time that stands still.
struct Durable : ::testing::TestWithParam<const char*> {
  std::shared_ptr<testing::ManualClock> clock = std::make_shared<testing::ManualClock>();
  TemporaryFolder folder;
  std::shared_ptr<Store> store = open(clock);

  [[nodiscard]] std::string address() const {
    return GetParam() + (std::string(GetParam()) == "sqlite:" ? folder.file("events.db") : "");
  }
  [[nodiscard]] std::shared_ptr<Store> open(std::shared_ptr<Clock> with) const {
    return open_store(address(), {.clock = std::move(with)});
  }

  BusOptions options() {
    BusOptions made;
    made.clock = clock;
    made.opened_store = store;
    return made;
  }
  void pass(Pumped& pumped, std::chrono::nanoseconds time) {
    for (std::chrono::nanoseconds step = milliseconds(10); time > time.zero(); time -= step) {
      clock->advance(step);
      (void)pumped.bus.poll();
    }
  }
  DurableInfo info(const std::string& name) {
    for (DurableInfo& one : store->durables()) {
      if (one.name == name) return one;
    }
    ADD_FAILURE() << "no durable subscription " << name;
    return {};
  }
};

TEST_P(Durable, GetsWhatWasPublishedWhileNobodyWasThere) {
  {
    Pumped first(options());
    const Subscription made =
        first.bus.subscribe("job.*", [](const Event&) {}, {.durable = "work"});
  }
  {
    Pumped publisher(options());
    EXPECT_TRUE(publisher.bus.publish("job.a", Json{{"n", 1}}).ok());
    EXPECT_TRUE(publisher.bus.publish("other").ok());
    EXPECT_TRUE(publisher.bus.publish("job.b", Json{{"n", 2}}).ok());
  }
  Pumped second(options());
  std::vector<std::string> seen;
  const Subscription work =
      second.bus.subscribe("job.*",
                           [&](const Event& event, Context& context) {
                             EXPECT_EQ(context.attempt(), 1U);
                             seen.push_back(std::string(event.topic()) + event.json().dump());
                           },
                           {.durable = "work"});
  EXPECT_FALSE(second.bus.idle());
  (void)second.bus.poll();
  EXPECT_EQ(seen, (Names{"job.a{\"n\":1}", "job.b{\"n\":2}"}));
  EXPECT_TRUE(second.bus.idle());
  EXPECT_EQ(info("work").lag, 0U);
  EXPECT_EQ(info("work").leased, 0U);
  const DeliveryCounters counters = info_of(second.bus, work.id()).counters;
  EXPECT_EQ(counters.delivered, 2U);
  EXPECT_EQ(counters.matched, 2U);
}

TEST_P(Durable, BeginsAtItsCreationUnlessToldOtherwise) {
  Pumped pumped(options());
  (void)pumped.bus.publish("job", Json(1));
  (void)pumped.bus.publish("job", Json(2));
  (void)pumped.bus.publish("job", Json(3));
  std::map<std::string, std::string> seen;
  const auto open = [&](const std::string& name, Replay start) {
    return pumped.bus.subscribe(
        "job", [&seen, name](const Event& event) { seen[name] += event.json().dump(); },
        {.durable = name, .replay = start});
  };
  const Subscription now = open("now", {});
  const Subscription all = open("all", Replay::beginning());
  const Subscription two = open("two", Replay::last(2));
  const Subscription from = open("from", Replay::sequence(3));
  (void)pumped.bus.publish("job", Json(4));
  (void)pumped.bus.poll();
  EXPECT_EQ(seen["now"], "4");
  EXPECT_EQ(seen["all"], "1234");
  EXPECT_EQ(seen["two"], "234");
  EXPECT_EQ(seen["from"], "34");
}

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

TEST_P(Durable, InstancesOfOneNameShareTheWork) {
  Pumped left(options());
  Pumped right(options());
  std::multiset<int> seen;
  int of_left = 0;
  const SubscriptionOptions work{.queue_capacity = 4, .durable = "work"};
  const auto handler = [&](const Event& event) { seen.insert(event.json().get<int>()); };
  const Subscription one = left.bus.subscribe(
      "job",
      [&](const Event& event) {
        ++of_left;
        handler(event);
      },
      work);
  const Subscription two = right.bus.subscribe("job", handler, work);
  for (int i = 0; i < 20; ++i) (void)left.bus.publish("job", Json(i));
  for (int round = 0; round < 20; ++round) {
    (void)left.bus.poll(1);
    (void)right.bus.poll(1);
  }
  (void)left.bus.poll();
  (void)right.bus.poll();
  EXPECT_EQ(seen.size(), 20U);
  EXPECT_EQ(std::set<int>(seen.begin(), seen.end()).size(), 20U);
  EXPECT_GT(of_left, 0);
  EXPECT_LT(of_left, 20);
}

TEST_P(Durable, EachNameGetsAll) {
  Pumped pumped(options());
  Names first;
  Names second;
  const Subscription one = note_topics(pumped.bus, "job.*", first, {.durable = "one"});
  const Subscription two = note_topics(pumped.bus, {"job.b", "job.c"}, second, {.durable = "two"});
  for (const char* topic : {"job.a", "job.b", "job.c"}) (void)pumped.bus.publish(topic);
  (void)pumped.bus.poll();
  EXPECT_EQ(first, (Names{"job.a", "job.b", "job.c"}));
  EXPECT_EQ(second, (Names{"job.b", "job.c"}));
}

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

TEST_P(Durable, StrictRetriesHoldBackWhatFollows) {
  Pumped pumped(options());
  Names seen;
  int failures = 2;
  RetryPolicy strict = retries(5);
  strict.order = RetryOrder::strict;
  const Subscription work = pumped.bus.subscribe("job.*",
                                                 [&](const Event& event) {
                                                   if (event.topic() == "job.b" && failures-- > 0)
                                                     throw std::runtime_error("not now");
                                                   seen.emplace_back(event.topic());
                                                 },
                                                 {.retry = strict, .durable = "work"});
  for (const char* topic : {"job.a", "job.b", "job.c"}) (void)pumped.bus.publish(topic);
  (void)pumped.bus.poll();
  EXPECT_EQ(seen, Names{"job.a"});
  pass(pumped, seconds(4));
  EXPECT_EQ(seen, (Names{"job.a", "job.b", "job.c"}));
}

TEST_P(Durable, WithAnOrderOneInstanceIsActiveAndAnotherTakesOver) {
  Pumped left(options());
  Pumped right(options());
  Names of_left;
  Names of_right;
  const SubscriptionOptions work{.order_by = OrderBy::key, .durable = "work"};
  Subscription one = note_topics(left.bus, "job.*", of_left, work);
  (void)left.bus.poll();
  const Subscription two = note_topics(right.bus, "job.*", of_right, work);
  (void)left.bus.publish("job.a");
  (void)right.bus.poll();
  (void)left.bus.poll();
  EXPECT_EQ(of_left, Names{"job.a"});
  EXPECT_TRUE(of_right.empty());
  one.reset();
  (void)left.bus.publish("job.b");
  (void)right.bus.poll();
  EXPECT_EQ(of_right, Names{"job.b"});
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

TEST_P(Durable, AnEventThatTheFilterRejectsIsSettled) {
  Pumped pumped(options());
  std::string seen;
  const Subscription work = pumped.bus.subscribe(
      "job", [&](const Event& event) { seen += event.json().dump(); },
      {.filter = [](const Event& event) { return event.json().get<int>() % 2 == 0; },
       .durable = "work"});
  for (int i = 0; i < 5; ++i) (void)pumped.bus.publish("job", Json(i));
  (void)pumped.bus.poll();
  EXPECT_EQ(seen, "024");
  EXPECT_EQ(info("work").leased, 0U);
  EXPECT_EQ(info("work").lag, 0U);
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

TEST_P(Durable, WhatItCannotBeToldIsRefusedByName) {
  Pumped pumped(options());
  const auto refused = [&](const SubscriptionOptions& with) {
    return error_of(ErrorCode::invalid_option, [&] {
      const Subscription none = pumped.bus.subscribe(
          "job", [](const Event&) {}, with);
    });
  };
  EXPECT_TRUE(mentions(refused({.mode = Mode::sync, .durable = "x"}), "mode is sync"));
  EXPECT_TRUE(mentions(refused({.durable = "x", .once = true}), "once"));
  EXPECT_TRUE(mentions(refused({.overflow = Overflow::reject, .durable = "x"}), "overflow"));
  EXPECT_TRUE(mentions(refused({.durable = "a name"}), "letters, digits"));
  EXPECT_TRUE(mentions(refused({.durable = std::string(201, 'x')}), "201 bytes"));
  EXPECT_TRUE(mentions(refused({.durable = "x", .lease = milliseconds(1)}), "lease"));
  RetryPolicy total = retries(1);
  total.total = seconds(10);
  EXPECT_TRUE(mentions(refused({.retry = total, .durable = "x"}), "retry.total"));
  EXPECT_TRUE(store->durables().empty());
}

TEST_P(Durable, AnotherPatternIsRefusedUnlessItIsToReplace) {
  Pumped pumped(options());
  Names seen;
  { const Subscription made = note_topics(pumped.bus, "job.*", seen, {.durable = "work"}); }
  const std::string why = error_of(ErrorCode::durable_mismatch, [&] {
    const Subscription other = note_topics(pumped.bus, "task.*", seen, {.durable = "work"});
  });
  EXPECT_TRUE(mentions(why, "job.*"));
  EXPECT_TRUE(mentions(why, "task.*"));
  const Subscription other =
      note_topics(pumped.bus, "task.*", seen, {.durable = "work", .on_change = OnChange::replace});
  (void)pumped.bus.publish("job.a");
  (void)pumped.bus.publish("task.a");
  (void)pumped.bus.poll();
  EXPECT_EQ(seen, Names{"task.a"});
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

TEST_P(Durable, ARequestReachesItThoughNoRequestIsKept) {
  Pumped pumped(options());
  const Subscription work = pumped.bus.subscribe("job.*",
                                                 [](const Event&, Context& context) {
                                                   (void)context.reply(Json{{"answer", 42}});
                                                 },
                                                 {.durable = "work"});
  const RequestResult answer = pumped.bus.request("job.ask", Payload{}, seconds(5));
  ASSERT_TRUE(answer.ok()) << answer.message();
  EXPECT_EQ(answer.reply().json().at("answer"), 42);
  EXPECT_EQ(store->stats().events, 0U);
  // What is kept comes once, from the store.
  EXPECT_EQ(pumped.bus.publish("job.a").queued, 0U);
  (void)pumped.bus.poll();
  EXPECT_EQ(pumped.bus.subscriptions().front().counters.delivered, 2U);
  EXPECT_EQ(info("work").lag, 0U);
}

TEST_P(Durable, WhatIsNotKeptComesAsToAnyOther) {
  BusOptions with = options();
  with.keep = std::vector<std::string>{"order.*"};
  Pumped pumped(with);
  Names seen;
  const Subscription all = note_topics(pumped.bus, "*", seen, {.durable = "all"});
  EXPECT_EQ(pumped.bus.publish("order.placed").queued, 0U);
  EXPECT_EQ(pumped.bus.publish("tick").queued, 1U);
  (void)pumped.bus.publish_async(Event("order.paid"));
  (void)pumped.bus.publish_async(Event("tock"));
  const std::vector<Event> batch{Event("order.sent"), Event("tack")};
  (void)pumped.bus.publish_batch(batch);
  (void)pumped.bus.poll();
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(seen, (Names{"order.paid", "order.placed", "order.sent", "tack", "tick", "tock"}));
  EXPECT_EQ(store->stats().events, 3U);
}

TEST_P(Durable, WhatAnotherInstanceKeepsComesOnce) {
  BusOptions keeps_nothing = options();
  keeps_nothing.keep = std::vector<std::string>{};
  std::shared_ptr<Store> other = store;
  if (std::string(GetParam()) == "sqlite:") {
    other = open(clock);
    keeps_nothing.opened_store = other;
  }
  Pumped here(keeps_nothing);
  Pumped there(options());
  Names seen;
  const Subscription all = note_topics(here.bus, "*", seen, {.durable = "all"});
  (void)there.bus.publish("order.placed");
  for (int i = 0; i < 200 && seen.empty(); ++i) {
    clock->advance(milliseconds(10));
    (void)here.bus.poll();
  }
  (void)here.bus.poll();
  EXPECT_EQ(seen, Names{"order.placed"});
}

TEST_P(Durable, TellsItsNameAndWhatItsFilterRejected) {
  Pumped pumped(options());
  const Subscription odd = pumped.bus.subscribe(
      "job.*", [](const Event&) {},
      {.filter = [](const Event& event) { return event.topic() == "job.a"; }, .durable = "odd"});
  (void)pumped.bus.publish("job.a");
  (void)pumped.bus.publish("job.b");
  (void)pumped.bus.poll();
  const SubscriptionInfo told = pumped.bus.subscriptions().front();
  EXPECT_EQ(told.durable, "odd");
  EXPECT_EQ(told.filtered, 1U);
  EXPECT_EQ(told.counters.delivered, 1U);
}

TEST_P(Durable, IsCalledByItsDurableNameUnlessItHasOneOfItsOwn) {
  Names logged;
  BusOptions with = options();
  with.log = [&](LogLevel, std::string_view, std::span<const LogField> fields) {
    for (const LogField& field : fields) {
      if (field.name == "subscription") logged.emplace_back(field.value);
    }
  };
  const auto executor = std::make_shared<ManualExecutor>();
  with.executor = executor;
  Bus bus(with);
  Names called;
  const auto fails = [&](const Event&, Context& context) {
    called.emplace_back(context.subscription());
    throw std::runtime_error("no");
  };
  const SubscriptionOptions plain{
      .retry = retries(0), .breaker = BreakerPolicy{.failures = 1}, .durable = "work"};
  SubscriptionOptions named = plain;
  named.name = "of its own";
  named.durable = "other";
  const Subscription first = bus.subscribe({"job.*", "task"}, fails, plain);
  const Subscription second = bus.subscribe({"job.*", "task"}, fails, named);
  (void)bus.publish("job.a");
  (void)bus.poll();
  std::sort(called.begin(), called.end());
  std::sort(logged.begin(), logged.end());
  logged.erase(std::unique(logged.begin(), logged.end()), logged.end());
  EXPECT_EQ(called, (Names{"of its own", "work"}));
  EXPECT_EQ(logged, called);
  EXPECT_EQ(info_of(bus, first.id()).name, "work");
  EXPECT_EQ(info_of(bus, second.id()).name, "of its own");
}

INSTANTIATE_TEST_SUITE_P(Stores, Durable, ::testing::Values("memory:", "sqlite:"),
                         [](const auto& one) {
                           return std::string(one.param).substr(0, std::strlen(one.param) - 1);
                         });

TEST(DurableInMemory, ABusKeepsWhatItsDurableSubscriptionsListenTo) {
  Pumped pumped;
  EXPECT_EQ(pumped.bus.store(), nullptr);
  Names seen;
  const Subscription work = note_topics(pumped.bus, "job.*", seen, {.durable = "work"});
  ASSERT_NE(pumped.bus.store(), nullptr);
  (void)pumped.bus.publish("job.a");
  (void)pumped.bus.publish("other");
  (void)pumped.bus.poll();
  EXPECT_EQ(seen, Names{"job.a"});
  EXPECT_EQ(pumped.bus.store()->stats().events, 1U);
}

struct DurableStress : ::testing::TestWithParam<const char*> {
  TemporaryFolder folder;
};
INSTANTIATE_TEST_SUITE_P(Stores, DurableStress, ::testing::Values("memory:", "sqlite:"),
                         [](const auto& one) {
                           return std::string(one.param).substr(0, std::strlen(one.param) - 1);
                         });

TEST_P(DurableStress, ManyThreadsPublishAndSeveralInstancesShareWhileTheyComeAndGo) {
  const std::string kind = GetParam();
  const std::shared_ptr<Store> store =
      open_store(kind == "sqlite:" ? kind + folder.file("events.db") : kind);
  BusOptions options = quiet();
  options.opened_store = store;
  constexpr int kThreads = 4;
  constexpr int kEach = 400;
  std::mutex mutex;
  std::map<int, int> seen;
  std::atomic<int> failures = 0;
  const auto handler = [&](const Event& event) {
    const int n = event.json().get<int>();
    if (n % 50 == 7 && failures.fetch_add(1) % 3 != 2) throw std::runtime_error("not now");
    const std::lock_guard lock(mutex);
    ++seen[n];
  };
  SubscriptionOptions work{.queue_capacity = 64, .concurrency = 2, .durable = "work"};
  work.retry = retries(50, milliseconds(1));
  Bus publisher(options);
  { const Subscription made = publisher.subscribe("job", handler, work); }
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        EXPECT_TRUE(publisher.publish("job", Json(t * kEach + i)).ok());
      }
    });
  }
  threads.emplace_back([&] {
    for (int i = 0; i < 10; ++i) {
      Bus bus(options);
      const Subscription mine = bus.subscribe("job", handler, work);
      std::this_thread::yield();
    }
  });
  Bus steady(options);
  const Subscription stays = steady.subscribe("job", handler, work);
  for (std::thread& one : threads) one.join();
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return seen.size() == kThreads * kEach;
  }));
  EXPECT_TRUE(steady.wait_idle(kLong));
  for (const auto& [n, times] : seen) EXPECT_GE(times, 1) << n;
  EXPECT_TRUE(adds_up(info_of(steady, stays.id()).counters));
  EXPECT_EQ(store->stats().dead_letters, 0U);
}

// -- A store that fails, and one that others write -----------------------------------------------

/// A store in front of another, that fails where a test says so.
class Behind : public Store {
 public:
  explicit Behind(std::shared_ptr<Store> store) : real(std::move(store)) {}
  [[nodiscard]] StoreInfo info() const override { return real->info(); }
  [[nodiscard]] StoreFeatures features() const noexcept override { return real->features(); }
  [[nodiscard]] StoreStats stats() override { return real->stats(); }
  [[nodiscard]] StoreCensus census() override { return real->census(); }
  [[nodiscard]] std::uint64_t writer() const noexcept override { return real->writer(); }
  void append(AppendRequest& request) noexcept override { real->append(request); }
  void append(std::span<const Event> events, std::span<AppendResult> results) noexcept override {
    real->append(events, results);
    if (!answers_unknown.exchange(false)) return;
    if (meanwhile) meanwhile();
    for (AppendResult& one : results) one.answer = Appended::unknown;
  }
  using Store::append;
  [[nodiscard]] StorePage read(const StoreQuery& query) override {
    ++reads;
    return real->read(query);
  }
  [[nodiscard]] std::optional<StoredEvent> find(const EventId& id) override {
    return real->find(id);
  }
  [[nodiscard]] std::optional<StoredStatus> status(const EventId& id) override {
    return real->status(id);
  }
  [[nodiscard]] Watch watch(std::function<void(StoreNews)> news) override {
    return real->watch(news);
  }
  bool remove(std::string_view durable) override { return real->remove(durable); }
  [[nodiscard]] std::vector<DurableInfo> durables() override { return real->durables(); }
  std::size_t replay(std::string_view durable, std::span<const std::uint64_t> sequences) override {
    return real->replay(durable, sequences);
  }
  [[nodiscard]] std::vector<StoredLetter> dead_letters(const StoredLetterQuery& query) override {
    return real->dead_letters(query);
  }
  std::size_t redrive(const StoredLetterQuery& query) override { return real->redrive(query); }
  std::size_t purge(const StoredLetterQuery& query) override { return real->purge(query); }
  TrimResult trim(const Retention& retention) override { return real->trim(retention); }
  [[nodiscard]] std::vector<std::string> check() override { return real->check(); }
  void backup(const std::string& path) override { real->backup(path); }
  void vacuum() override { real->vacuum(); }
  void close() noexcept override { real->close(); }

  struct Consumer final : StoreConsumer {
    Consumer(Behind& of, std::unique_ptr<StoreConsumer> made) : store(of), real(std::move(made)) {}
    FetchResult fetch(std::size_t max) override { return real->fetch(max); }
    SettleResult settle(std::span<const Settlement> settlements) override {
      if (store.settle_fails) throw Error(ErrorCode::store_unavailable, "the cable is out");
      SettleResult result = real->settle(settlements);
      store.settled += settlements.size();
      store.stale += result.stale;
      return result;
    }
    bool renew() override { return real->renew(); }
    void keep_note(std::string_view note) override {
      if (store.note_fails > 0) {
        --store.note_fails;
        throw Error(ErrorCode::store_unavailable, "the cable is out");
      }
      real->keep_note(note);
    }
    [[nodiscard]] std::string note() override { return real->note(); }
    void close() noexcept override { real->close(); }
    Behind& store;
    std::unique_ptr<StoreConsumer> real;
  };
  [[nodiscard]] std::unique_ptr<StoreConsumer> open(const DurableSpec& spec) override {
    return std::make_unique<Consumer>(*this, real->open(spec));
  }

  std::shared_ptr<Store> real;
  std::atomic<bool> answers_unknown{false};
  std::function<void()> meanwhile;
  std::atomic<bool> settle_fails{false};
  std::atomic<int> note_fails{0};
  std::atomic<std::size_t> settled{0};
  std::atomic<std::size_t> stale{0};
  std::atomic<std::size_t> reads{0};
};

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

/// An append of unknown fate that others have read past.
TEST(SharedByTwoBuses, AnEventOfUnknownFateComesThoughOthersWereReadMeanwhile) {
  TemporaryFolder folder;
  const std::string address = "sqlite:" + folder.file("events.db");
  const auto behind = std::make_shared<Behind>(open_store(address));
  BusOptions here = quiet();
  here.opened_store = behind;
  Bus bus(here);
  BusOptions other = quiet();
  other.store = address;
  Bus there(other);
  std::mutex mutex;
  std::set<std::string> seen;
  const Subscription live = bus.subscribe("job.*", [&](const Event& event) {
    const std::lock_guard lock(mutex);
    seen.insert(std::string(event.topic()));
  });
  const auto has = [&](const char* topic) {
    return eventually([&] {
      const std::lock_guard lock(mutex);
      return seen.contains(topic);
    });
  };
  behind->meanwhile = [&] {
    EXPECT_TRUE(there.publish("job.other").ok());
    EXPECT_TRUE(has("job.other"));
  };
  behind->answers_unknown = true;
  EXPECT_EQ(bus.publish("job.mine").code, ErrorCode::store_unknown);
  EXPECT_TRUE(there.publish("job.last").ok());
  EXPECT_TRUE(has("job.last"));
  EXPECT_TRUE(has("job.mine")) << "the store has it, and it is never delivered live";
}

/// It was not stored at first, and the repeat was: the live subscription has it once.
TEST(SharedByTwoBuses, ARepeatAfterUnknownIsDeliveredOnce) {
  TemporaryFolder folder;
  struct NotStored final : Behind {
    using Behind::Behind;
    using Store::append;
    void append(std::span<const Event> events, std::span<AppendResult> results) noexcept override {
      if (!fails.exchange(false)) return real->append(events, results);
      for (AppendResult& one : results) one.answer = Appended::unknown;
    }
    std::atomic<bool> fails{true};
  };
  BusOptions here = quiet();
  here.opened_store = std::make_shared<NotStored>(open_store("sqlite:" + folder.file("events.db")));
  Bus bus(here);
  std::atomic<int> calls{0};
  const Subscription live = bus.subscribe("job", [&](const Event&) { ++calls; });
  const Event event("job", Payload::json(Json(1)),
                    {.id = EventId::parse("0190b7c2-7d3a-7c11-8f00-000000000001")});
  EXPECT_EQ(bus.publish(event).code, ErrorCode::store_unknown);
  const PublishResult again = bus.publish(event);
  EXPECT_TRUE(again.ok());
  EXPECT_FALSE(again.duplicate);
  // What others publish comes behind it.
  BusOptions other = quiet();
  other.store = "sqlite:" + folder.file("events.db");
  Bus there(other);
  std::atomic<bool> came{false};
  const Subscription last = bus.subscribe("last", [&](const Event&) { came = true; });
  EXPECT_TRUE(there.publish("last").ok());
  EXPECT_TRUE(eventually([&] { return came.load(); }));
  EXPECT_EQ(calls, 1);
}

/// An event of another host that the history has already, and that is followed later.
TEST(SharedByTwoBuses, AReplayedEventOfAnotherHostComesOnce) {
  TemporaryFolder folder;
  BusOptions options;
  options.store = "sqlite:" + folder.file("events.db");
  Pumped here(options);
  Pumped there(options);
  EXPECT_TRUE(there.bus.publish("job").ok());
  int calls = 0;
  const Subscription live = here.bus.subscribe(
      "job", [&](const Event&) { ++calls; }, {.mode = Mode::async, .replay = Replay::beginning()});
  (void)here.executor->run();  // what it has replayed
  EXPECT_EQ(calls, 1);
  (void)here.bus.poll();
  EXPECT_EQ(calls, 1);
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

// -- Strict order ---------------------------------------------------------------------------------

/// Nothing is handled before an earlier event that waits, not after the deadline of a stop either.
TEST_P(Durable, StrictOrderHoldsWhenAStopIsOverdue) {
  store->close();
  const std::shared_ptr<Store> real = open(nullptr);
  BusOptions with = quiet();
  with.opened_store = real;
  RetryPolicy strict = retries(5);
  strict.order = RetryOrder::strict;
  Gate in_first;
  Gate go;
  std::mutex mutex;
  Names handled;
  Bus bus(with);
  const Subscription made = bus.subscribe("job.*",
                                          [&](const Event& event) {
                                            if (event.topic() == "job.a") {
                                              in_first.open();
                                              (void)go.wait();
                                              throw std::runtime_error("not now");
                                            }
                                            const std::lock_guard lock(mutex);
                                            handled.emplace_back(event.topic());
                                          },
                                          {.retry = strict, .durable = "work"});
  (void)bus.publish_batch(std::vector<Event>{Event("job.a"), Event("job.b"), Event("job.c")});
  ASSERT_TRUE(in_first.wait());
  EXPECT_FALSE(bus.stop(milliseconds(1)).ok());
  go.open();
  EXPECT_TRUE(eventually([&] { return real->durables().front().leased == 0; }));
  const std::lock_guard lock(mutex);
  EXPECT_EQ(handled, Names{}) << "job.a waits";
}

/// The same when the earlier one waits for its next attempt by then.
TEST_P(Durable, StrictOrderHoldsWhenAStopEndsTheWaitOfARetry) {
  Pumped pumped(options());
  RetryPolicy strict = retries(5);
  strict.order = RetryOrder::strict;
  Names handled;
  const Subscription made = pumped.bus.subscribe("job.*",
                                                 [&](const Event& event) {
                                                   handled.emplace_back(event.topic());
                                                   throw std::runtime_error("not now");
                                                 },
                                                 {.retry = strict, .durable = "work"});
  (void)pumped.bus.publish_batch(std::vector<Event>{Event("job.a"), Event("job.b")});
  (void)pumped.bus.poll();
  EXPECT_EQ(handled, Names{"job.a"});
  EXPECT_FALSE(pumped.bus.stop(milliseconds(1)).ok());
  (void)pumped.bus.poll();
  EXPECT_EQ(handled, Names{"job.a"}) << "it waits";
  EXPECT_EQ(info("work").leased, 0U);
}

/// A clock that jumps when it has been asked so many times.
class JumpingClock final : public Clock {
 public:
  [[nodiscard]] WallTime wall() const noexcept override { return still_.wall() + offset(); }
  [[nodiscard]] SteadyTime steady() const noexcept override {
    if (left_ > 0 && --left_ == 0) offset_ += step_;
    return still_.steady() + offset();
  }
  [[nodiscard]] bool is_manual() const noexcept override { return true; }
  [[nodiscard]] Watch watch(std::function<void()> moved) override {
    return still_.watch(std::move(moved));
  }
  void jump_after(int looks, seconds step) {
    left_ = looks;
    step_ = step;
  }
  void advance(std::chrono::nanoseconds step) { still_.advance(step); }

 private:
  [[nodiscard]] seconds offset() const { return offset_; }
  testing::ManualClock still_;
  mutable int left_ = 0;
  mutable seconds offset_{};
  seconds step_{};
};

/// An open breaker gives an event back; when it lets the next one through, whenever that is, the
/// one behind it must not be that.
TEST(DurableInMemory, StrictOrderHoldsWhenItsBreakerRefusesAnEvent) {
  for (int looks = 1; looks < 40; ++looks) {
    const auto clock = std::make_shared<JumpingClock>();
    BusOptions with;
    with.clock = clock;
    Pumped pumped(with);
    RetryPolicy strict = retries(50);
    strict.order = RetryOrder::strict;
    Names handled;
    bool broken = true;
    const Subscription made =
        pumped.bus.subscribe("job.*",
                             [&](const Event& event) {
                               if (broken) throw std::runtime_error("not now");
                               handled.emplace_back(event.topic());
                             },
                             {.retry = strict,
                              .breaker = BreakerPolicy{.failures = 1, .open_for = seconds(5)},
                              .durable = "work"});
    for (const char* topic : {"job.a", "job.b", "job.c"}) (void)pumped.bus.publish(topic);
    (void)pumped.bus.poll();
    broken = false;
    // The retry is due in a second, when the breaker is open still.
    for (int i = 0; i < 2'000 && handled.size() < 3; ++i) {
      if (i == 99) clock->jump_after(looks, seconds(10));
      clock->advance(milliseconds(10));
      (void)pumped.bus.poll();
    }
    EXPECT_EQ(handled, (Names{"job.a", "job.b", "job.c"})) << "jumped at look " << looks;
  }
}

/// Events of others wait in the store when there is no room for them, and some is left for those
/// from here.
TEST(SharedByTwoBuses, AFullQueueIsWaitedForAndLeavesRoomForEventsFromHere) {
  TemporaryFolder folder;
  const std::string address = "sqlite:" + folder.file("events.db");
  const auto behind = std::make_shared<Behind>(open_store(address));
  BusOptions with;
  with.opened_store = behind;
  with.queue_capacity = 16;
  Pumped here(with);
  BusOptions other = quiet();
  other.store = address;
  Bus there(other);
  Names seen;
  const Subscription live = note_topics(here.bus, "job.*", seen);
  for (int i = 0; i < 300; ++i) EXPECT_TRUE(there.publish("job.other").ok());
  EXPECT_TRUE(eventually([&] {
    (void)here.bus.poll(0);  // fetches, and runs nothing
    return !here.bus.idle();
  }));
  const std::size_t before = behind->reads;
  for (int i = 0; i < 10; ++i) (void)here.bus.poll(0);
  EXPECT_EQ(behind->reads, before) << "nothing has changed";
  const Receipt mine = here.bus.publish_async("job.mine");
  EXPECT_TRUE(mine.result().ok()) << "others have taken all of publish_async's queue";
  (void)here.bus.poll();
  EXPECT_EQ(seen.size(), 301U);
  EXPECT_LT(std::find(seen.begin(), seen.end(), "job.mine") - seen.begin(), 16);
}

/// With threads of its own it hears of the room.
TEST(SharedByTwoBuses, MoreThanAQueueHoldsComesInOrder) {
  TemporaryFolder folder;
  BusOptions with = quiet();
  with.store = "sqlite:" + folder.file("events.db");
  Bus there(with);
  with.queue_capacity = 4;
  Bus here(with);
  std::mutex mutex;
  std::vector<int> seen;
  const Subscription live = here.subscribe("job", [&](const Event& event) {
    const std::lock_guard lock(mutex);
    seen.push_back(event.json().get<int>());
  });
  std::vector<int> all;
  for (int i = 0; i < 200; ++i) {
    EXPECT_TRUE(there.publish("job", Json(i)).ok());
    all.push_back(i);
  }
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return seen.size() >= all.size();
  }));
  EXPECT_EQ(seen, all);
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

/// What it asks for counts, though its subscription ends meanwhile.
TEST_P(Durable, AStrictDeliveryThatWantsToBeADeadLetterIsOneThoughItsSubscriptionEnds) {
  Pumped pumped(options());
  RetryPolicy strict = retries(5);
  strict.order = RetryOrder::strict;
  Subscription made;
  made = pumped.bus.subscribe("job",
                              [&](const Event&) {
                                made.reset();
                                return Outcome::dead_letter("useless");
                              },
                              {.retry = strict, .durable = "work"});
  (void)pumped.bus.publish("job");
  (void)pumped.bus.poll();
  EXPECT_EQ(info("work").dead_letters, 1U);
  EXPECT_EQ(info("work").retrying, 0U);
}

/// Two buses of a process may share one opening.
TEST_P(Durable, LiveSubscriptionsOfEachBusOnOneOpeningSeeTheEventsOfBoth) {
  Pumped here(options());
  (void)here.bus.publish("job.before");
  Names of_here;
  Names of_there;
  const Subscription left = note_topics(here.bus, "job.*", of_here);
  (void)here.bus.publish("job.alone");
  BusOptions other = options();
  other.clock = std::make_shared<testing::ManualClock>(testing::ManualClock::kStart, 2);
  Pumped there(other);  // whose ids are others
  const Subscription right = note_topics(there.bus, "job.*", of_there, {.mode = Mode::async});
  (void)here.bus.publish("job.a");
  (void)there.bus.publish("job.b");
  (void)here.bus.publish_async(Event("job.c"));
  (void)there.bus.publish_batch(std::vector<Event>{Event("job.d"), Event("job.e")});
  const Event again("job.f", Payload(),
                    {.id = EventId::parse("0190b7c2-7d3a-7c11-8f00-000000000001")});
  (void)here.bus.publish(again);
  EXPECT_TRUE(there.bus.publish(again).duplicate);
  for (int round = 0; round < 3; ++round) {
    (void)here.bus.poll();
    (void)there.bus.poll();
  }
  std::sort(of_here.begin(), of_here.end());
  std::sort(of_there.begin(), of_there.end());
  EXPECT_EQ(of_there, (Names{"job.a", "job.b", "job.c", "job.d", "job.e", "job.f"}));
  EXPECT_EQ(of_here, (Names{"job.a", "job.alone", "job.b", "job.c", "job.d", "job.e", "job.f"}));
}

/// The same with threads that publish all the time.
TEST_P(Durable, BusesOnOneOpeningSeeEachEventOnce) {
  store->close();
  const std::shared_ptr<Store> shared = open(nullptr);
  BusOptions with = quiet();
  with.opened_store = shared;
  Bus here(with);
  Bus there(with);
  constexpr int kEach = 100;
  std::mutex mutex;
  std::map<int, int> of_here;
  std::map<int, int> of_there;
  const auto counts_in = [&](std::map<int, int>& into) {
    return [&](const Event& event) {
      const std::lock_guard lock(mutex);
      ++into[event.json().get<int>()];
    };
  };
  const Subscription left = here.subscribe("job", counts_in(of_here));
  const Subscription right = there.subscribe("job", counts_in(of_there));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        Bus& bus = t % 2 == 0 ? here : there;
        const Json n(t * kEach + i);
        if (i % 3 == 0) {
          EXPECT_TRUE(bus.publish_async(Event("job", Payload::json(n))).wait_for(kLong));
        } else {
          EXPECT_TRUE(bus.publish("job", n).ok());
        }
      }
    });
  }
  for (std::thread& one : threads) one.join();
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return of_here.size() == 4 * kEach && of_there.size() == 4 * kEach;
  }));
  EXPECT_TRUE(here.wait_idle(kLong));
  EXPECT_TRUE(there.wait_idle(kLong));
  for (const auto& [n, times] : of_here) EXPECT_EQ(times, 1) << n;
  for (const auto& [n, times] : of_there) EXPECT_EQ(times, 1) << n;
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

/// What a live subscription replays is read by pages, as its handler goes on; what is live waits.
TEST_P(Durable, ALiveReplayIsReadPageByPage) {
  const auto behind = std::make_shared<Behind>(store);
  BusOptions with = options();
  with.opened_store = behind;
  Pumped pumped(with);
  constexpr int kPast = 2'000;
  std::vector<Event> past;
  for (int i = 0; i < kPast; ++i) past.emplace_back("job", Payload::json(Json(i)));
  for (const PublishResult& one : pumped.bus.publish_batch(past)) ASSERT_TRUE(one.ok());
  std::vector<int> seen;
  std::size_t most = 0;
  const Subscription live = pumped.bus.subscribe(
      "job",
      [&](const Event& event) {
        seen.push_back(event.json().get<int>());
        most = std::max(most, info_of(pumped.bus, pumped.bus.subscriptions()[0].id).queued);
      },
      {.mode = Mode::async,
       .filter = [](const Event&) { return true; },
       .replay = Replay::beginning()});
  EXPECT_LT(info_of(pumped.bus, live.id()).queued, 1'000U);
  EXPECT_FALSE(pumped.bus.idle());
  (void)pumped.bus.publish("job", Json(kPast));
  (void)pumped.bus.publish("job", Json(kPast + 1));
  (void)pumped.bus.poll();
  std::vector<int> all(kPast + 2);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(seen, all);
  EXPECT_LT(most, 1'000U);
  EXPECT_TRUE(pumped.bus.idle());
  EXPECT_EQ(info_of(pumped.bus, live.id()).counters.delivered, all.size());
}

TEST_P(Durable, ALiveReplayMayEndWhileItIsRead) {
  Pumped pumped(options());
  std::vector<Event> past;
  for (int i = 0; i < 2'000; ++i) past.emplace_back("job", Payload::json(Json(i)));
  (void)pumped.bus.publish_batch(past);
  int calls = 0;
  int filtered = 0;
  Subscription live;
  live = pumped.bus.subscribe("job", [&](const Event&) { ++calls; },
                              {.mode = Mode::async,
                               .filter =
                                   [&](const Event&) {
                                     if (++filtered == 1'000) live.reset();
                                     return true;
                                   },
                               .replay = Replay::beginning()});
  (void)pumped.bus.poll();
  EXPECT_LT(calls, 1'000);
  EXPECT_TRUE(pumped.bus.idle());
}

}  // namespace
}  // namespace busway
