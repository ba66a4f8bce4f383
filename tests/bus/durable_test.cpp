// Durable subscriptions: a name gets all that was published, also while nobody had it open.
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "durable_fixture.hpp"

namespace busway {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

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

}  // namespace
}  // namespace busway
