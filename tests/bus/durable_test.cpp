// Durable subscriptions: what is not settled is given out again, to whoever opens the name.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
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

}  // namespace
}  // namespace busway
