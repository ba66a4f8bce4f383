// Deliveries that were given up: kept, looked at, sent again, forgotten.
#include <stdexcept>
#include <string>
#include <vector>

#include "bus_fixture.hpp"

namespace busway {
namespace {

SubscriptionOptions no_retry(std::string name) {
  SubscriptionOptions options;
  options.name = std::move(name);
  options.mode = Mode::async;
  options.retry = RetryPolicy{.max_retries = 0};
  return options;
}

TEST(DeadLetters, ARedriveGoesToTheSubscriptionThatFailedAndToNoOther) {
  Pumped pumped;
  bool broken = true;
  int other_calls = 0;
  std::vector<EventId> done;
  const Subscription fails = pumped.bus.subscribe(
      "job",
      [&](const Event& event) {
        if (broken) throw std::runtime_error("broken");
        done.push_back(event.id());
      },
      no_retry("worker"));
  const Subscription other = pumped.bus.subscribe(
      "job", [&](const Event&) { ++other_calls; }, no_retry("other"));
  const EventId id = pumped.bus.publish("job").id;
  (void)pumped.bus.poll();
  DeadLetters letters = pumped.bus.dead_letters();
  ASSERT_EQ(letters.size(), 1U);
  broken = false;
  EXPECT_EQ(letters.redrive_all().sent, 1U);
  EXPECT_EQ(letters.size(), 1U) << "it stays until the new delivery has ended";
  EXPECT_TRUE(letters.list().front().redriving);
  (void)pumped.bus.poll();
  EXPECT_EQ(letters.size(), 0U);
  EXPECT_EQ(done, std::vector<EventId>{id});
  EXPECT_EQ(other_calls, 1);
}

TEST(DeadLetters, ARedriveThatFailsAgainIsTheSameLetterWithOneMoreDeath) {
  Pumped pumped;
  int calls = 0;
  const Subscription fails = pumped.bus.subscribe(
      "job", [&](const Event&) { throw std::runtime_error("death " + std::to_string(++calls)); },
      no_retry("worker"));
  (void)pumped.bus.publish("job");
  (void)pumped.bus.poll();
  DeadLetters letters = pumped.bus.dead_letters();
  const DeadLetterId id = letters.list().front().id;
  for (int i = 0; i < 30; ++i) {
    EXPECT_TRUE(letters.redrive(id).ok());
    (void)pumped.bus.poll();
  }
  ASSERT_EQ(letters.size(), 1U);
  const DeadLetter letter = letters.get(id).value();
  EXPECT_FALSE(letter.redriving);
  EXPECT_EQ(letter.history.size(), 16U);
  EXPECT_EQ(letter.last().reason, "death 31");
  const Stats stats = pumped.bus.stats();
  EXPECT_EQ(stats.matched, 31U);
  EXPECT_EQ(stats.dead_lettered, 31U);
}

TEST(DeadLetters, ALetterOnItsWayIsNotSentTwice) {
  Pumped pumped;
  const Subscription fails = pumped.bus.subscribe(
      "job", [&](const Event&) { throw 42; }, no_retry("worker"));
  (void)pumped.bus.publish("job");
  (void)pumped.bus.poll();
  DeadLetters letters = pumped.bus.dead_letters();
  EXPECT_EQ(letters.redrive_all().sent, 1U);
  const RedriveResult second = letters.redrive_all();
  EXPECT_EQ(second.sent, 0U);
  EXPECT_EQ(second.on_their_way, 1U);
  EXPECT_EQ(letters.purge_all(), 0U) << "what is on its way is not forgotten";
  EXPECT_EQ(letters.redrive(12345).not_found, 1U);
}

TEST(DeadLetters, ASubscriptionMadeAnewUnderTheSameNameTakesThemOver) {
  Pumped pumped;
  Subscription fails = pumped.bus.subscribe(
      "job", [&](const Event&) { throw 42; }, no_retry("worker"));
  (void)pumped.bus.publish("job");
  (void)pumped.bus.poll();
  fails.reset();
  DeadLetters letters = pumped.bus.dead_letters();
  EXPECT_EQ(letters.redrive_all().no_subscription, 1U);
  EXPECT_EQ(letters.size(), 1U);
  int calls = 0;
  const Subscription again = pumped.bus.subscribe(
      "job", [&](const Event&) { ++calls; }, no_retry("worker"));
  EXPECT_EQ(letters.redrive_all().sent, 1U);
  (void)pumped.bus.poll();
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(letters.size(), 0U);
}

TEST(DeadLetters, ARedriveLeavesTheLetterWhenTheSubscriptionEndsBeforeIt) {
  Pumped pumped;
  Subscription fails = pumped.bus.subscribe(
      "job", [&](const Event&) { throw 42; }, no_retry("worker"));
  (void)pumped.bus.publish("job");
  (void)pumped.bus.poll();
  DeadLetters letters = pumped.bus.dead_letters();
  EXPECT_EQ(letters.redrive_all().sent, 1U);
  fails.reset();
  (void)pumped.bus.poll();
  ASSERT_EQ(letters.size(), 1U);
  EXPECT_FALSE(letters.list().front().redriving);
}

TEST(DeadLetters, QueriesTakePatternNameOwnerAndLimit) {
  Pumped pumped;
  SubscriptionOptions options = no_retry("worker");
  options.owner = "shop";
  const Subscription fails = pumped.bus.subscribe(
      "order.*", [&](const Event&) { throw 42; }, options);
  for (const char* topic : {"order.a", "order.b", "order.c"}) (void)pumped.bus.publish(topic);
  (void)pumped.bus.poll();
  DeadLetters letters = pumped.bus.dead_letters();
  EXPECT_EQ(letters.list({.pattern = "order.b"}).size(), 1U);
  EXPECT_EQ(letters.list({.pattern = "*.c", .name = "worker", .owner = "shop"}).size(), 1U);
  EXPECT_EQ(letters.list({.name = "nobody"}).size(), 0U);
  ASSERT_EQ(letters.list({.limit = 2}).size(), 2U);
  EXPECT_EQ(letters.list({.limit = 2})[1].event.topic(), "order.b");
  EXPECT_EQ(letters.purge({.pattern = "order.a"}), 1U);
  EXPECT_EQ(letters.purge(letters.list().back().id), 1U);
  EXPECT_EQ(letters.list().front().event.topic(), "order.b");
  EXPECT_THROW((void)letters.list({.pattern = "re:("}), Error);
}

TEST(DeadLetters, TheOldestFallOutOfAFullBoxAndAreCounted) {
  Pumped pumped({.dead_letters = 3});
  const Subscription fails = pumped.bus.subscribe(
      "*", [&](const Event&) { throw 42; }, no_retry("worker"));
  for (int i = 0; i < 5; ++i) (void)pumped.bus.publish("job." + std::to_string(i));
  (void)pumped.bus.poll();
  DeadLetters letters = pumped.bus.dead_letters();
  ASSERT_EQ(letters.size(), 3U);
  EXPECT_EQ(letters.fallen_out(), 2U);
  EXPECT_EQ(letters.list().front().event.topic(), "job.2");
  EXPECT_EQ(pumped.bus.stats().dead_lettered, 5U);
}

TEST(DeadLetters, ARedrivenEventKeepsItsIdItsHopsAndItsTime) {
  Pumped pumped;
  std::vector<Event> seen;
  const Subscription fails = pumped.bus.subscribe(
      "job",
      [&](const Event& event) {
        seen.push_back(event);
        throw 42;
      },
      no_retry("worker"));
  (void)pumped.bus.publish("job", Json(1), {.key = "k"});
  (void)pumped.bus.poll();
  (void)pumped.bus.dead_letters().redrive_all();
  (void)pumped.bus.poll();
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(seen[0].id(), seen[1].id());
  EXPECT_EQ(seen[0].hops(), seen[1].hops());
  EXPECT_EQ(seen[0].time(), seen[1].time());
  EXPECT_EQ(seen[1].key(), "k");
}

}  // namespace
}  // namespace busway
