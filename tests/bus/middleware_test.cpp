#include "busway/middleware.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "bus_fixture.hpp"

namespace busway {
namespace {

/// Notes when it is entered and left.
auto note(Names& into, std::string name) {
  return [&into, name](const Event&, Context&, Next next) {
    into.push_back(name + " in");
    Outcome outcome = next();
    into.push_back(name + " out");
    return outcome;
  };
}

auto pass() {
  return [](const Event&, Context&, const Next& next) { return next(); };
}

int free_calls = 0;
void free_handler(const Event&) { ++free_calls; }
Outcome free_middleware(const Event&, Context&, Next next) { return next(); }

TEST(Middleware, TheFirstIsOutermost) {
  Bus bus;
  Names steps;
  auto listener = bus.subscribe("a", with(note(steps, "1"), note(steps, "2"), note(steps, "3"),
                                          [&](const Event&) { steps.emplace_back("handler"); }));
  bus.publish("a");
  EXPECT_EQ(steps, (Names{"1 in", "2 in", "3 in", "handler", "3 out", "2 out", "1 out"}));
}

TEST(Middleware, AChainIsAMiddlewareLikeAnyOther) {
  Bus bus;
  Names steps;
  const auto inner = chain(note(steps, "2"), note(steps, "3"));
  const auto outer = chain(note(steps, "1"), inner);
  auto listener = bus.subscribe(
      "a", with(outer, note(steps, "4"), [&](const Event&) { steps.emplace_back("handler"); }));
  bus.publish("a");
  EXPECT_EQ(steps,
            (Names{"1 in", "2 in", "3 in", "4 in", "handler", "4 out", "3 out", "2 out", "1 out"}));
}

TEST(Middleware, StandsAroundEveryShapeOfHandler) {
  Bus bus;
  Names calls;
  Names steps;
  const auto around = note(steps, "m");
  const auto say = [&](std::string what) { calls.push_back(std::move(what)); };
  std::vector<Subscription> all;
  const std::string_view topic = Point::topic;
  all.push_back(
      bus.subscribe(topic, with(around, [&](const Event& e) { say(std::string(e.topic())); })));
  all.push_back(bus.subscribe(topic, with(around, [&](const Event&, Context& c) {
                                say("attempt " + std::to_string(c.attempt()));
                                return Outcome::done();
                              })));
  all.push_back(
      bus.subscribe(topic, with(around, [&](const Point& p) { say(std::to_string(p.x)); })));
  all.push_back(bus.subscribe(topic, with(around, [&](const Point& p, Context& c) {
                                say(std::to_string(p.y + static_cast<int>(c.attempt())));
                              })));
  all.push_back(bus.subscribe(topic, with(around, [&](const Json& j) { say(j.dump()); })));
  all.push_back(bus.subscribe(topic, with(around, [&](const Json& j, Context&) {
                                say(std::to_string(j.size()));
                                return Outcome::done();
                              })));
  all.push_back(
      bus.subscribe<Point>(with(around, [&](const Point& p) { say("t" + std::to_string(p.x)); })));
  all.push_back(bus.subscribe<Point>(
      "point.*", with(around, [&](const auto& p) { say("g" + std::to_string(p.y)); })));
  all.push_back(bus.subscribe(
      topic, with(around, [&, owned = std::make_unique<int>(9)](const Event&) mutable {
        say("owned " + std::to_string((*owned)++));
      })));
  all.push_back(bus.subscribe(
      topic, with(around, std::function<void(const Event&)>([&](const Event&) { say("f"); }))));
  all.push_back(bus.subscribe(topic, with(&free_middleware, around, &free_handler)));
  all.push_back(bus.subscribe<Point>(
      with(around, with(pass(), [&](const auto& p) { say("n" + std::to_string(p.x)); }))));

  const PublishResult result = bus.publish(Point{1, 2});
  EXPECT_TRUE(result.ok()) << result.message();
  EXPECT_EQ(result.delivered, 12U);
  EXPECT_EQ(calls, (Names{"point.moved", "attempt 1", "1", "3", R"({"x":1,"y":2})", "2", "t1", "g2",
                          "owned 9", "f", "n1"}));
  EXPECT_EQ(free_calls, 1);
  EXPECT_EQ(steps.size(), 24U);
}

TEST(Middleware, SeesTheEventAndTheContextOfTheHandler) {
  Bus bus;
  std::string seen;
  auto listener = bus.subscribe("a",
                                with(
                                    [&](const Event& event, Context& context, const Next& next) {
                                      seen = std::string(event.topic()) + " for " +
                                             std::string(context.subscription());
                                      EXPECT_EQ(&event, &context.event());
                                      return next();
                                    },
                                    [](const Event&) {}),
                                {.name = "shop"});
  bus.publish("a");
  EXPECT_EQ(seen, "a for shop");
}

TEST(Middleware, MayAnswerInPlaceOfTheHandler) {
  Pumped pumped;
  int calls = 0;
  Outcome answer = Outcome::done();
  const auto gate = [&](const Event&, Context&, const Next&) { return answer; };
  auto sync = pumped.bus.subscribe("a", with(gate, [&](const Event&) { ++calls; }));
  auto async =
      pumped.bus.subscribe("a", with(gate, [&](const Event&) { ++calls; }), {.mode = Mode::async});
  EXPECT_TRUE(pumped.bus.publish("a").ok());
  pumped.bus.poll();
  answer = Outcome::dead_letter("closed");
  const PublishResult result = pumped.bus.publish("a");
  pumped.bus.poll();
  EXPECT_EQ(calls, 0);
  ASSERT_EQ(result.failures.size(), 1U);
  EXPECT_EQ(result.failures.front().reason, "closed");
  ASSERT_EQ(pumped.bus.dead_letters().size(), 1U);
  EXPECT_EQ(pumped.bus.dead_letters().list().front().last().reason, "closed");
}

TEST(Middleware, MayCallAgainAndChangeTheOutcome) {
  Bus bus;
  int calls = 0;
  const auto three_times = [](const Event&, Context&, const Next& next) {
    Outcome outcome = next();
    for (int i = 0; i < 2 && outcome.kind() != Outcome::Kind::done; ++i) outcome = next();
    return outcome;
  };
  auto listener = bus.subscribe("a", with(three_times, [&](const Event&) {
                                  return ++calls < 3 ? Outcome::fail("not yet") : Outcome::done();
                                }));
  EXPECT_TRUE(bus.publish("a").ok());
  EXPECT_EQ(calls, 3);
}

TEST(Middleware, LetsThroughWhatIsThrown) {
  Bus bus;
  Names caught;
  const auto watch = [&](const Event&, Context&, const Next& next) {
    try {
      return next();
    } catch (const std::runtime_error& error) {
      caught.emplace_back(error.what());
      throw;
    }
  };
  auto standard = bus.subscribe(
      "a", with(watch, pass(), [](const Event&) { throw std::runtime_error("broken"); }));
  auto number = bus.subscribe("a", with(watch, pass(), [](const Event&) { throw 7; }));
  const PublishResult result = bus.publish("a");
  ASSERT_EQ(result.failures.size(), 2U);
  EXPECT_EQ(result.failures[0].reason, "broken");
  EXPECT_EQ(result.failures[1].reason, "the handler threw a value of type int");
  EXPECT_EQ(caught, (Names{"broken"}));
}

TEST(Middleware, SeesAnEventWhosePayloadCannotBeRead) {
  Bus bus;
  int seen = 0;
  const auto count = [&](const Event&, Context&, const Next& next) { return ++seen, next(); };
  auto named = bus.subscribe("a", with(count, [](const Point&) { ADD_FAILURE(); }));
  auto typed = bus.subscribe<Point>("a", with(count, [](const auto&) { ADD_FAILURE(); }));
  auto nested =
      bus.subscribe<Point>("a", with(count, with(count, [](const auto&) { ADD_FAILURE(); })));
  const PublishResult result = bus.publish("a", Json("no point"));
  ASSERT_EQ(result.failures.size(), 3U);
  for (const DeliveryFailure& failure : result.failures) {
    EXPECT_EQ(failure.code, ErrorCode::payload_type);
  }
  EXPECT_EQ(seen, 4);
}

TEST(Middleware, WhatItPublishesIsCausedByTheEvent) {
  Bus bus;
  std::optional<EventId> cause;
  auto inner = bus.subscribe("b", [&](const Event& event) { cause = event.causation_id(); });
  auto outer = bus.subscribe("a", with(
                                      [&](const Event&, Context&, const Next& next) {
                                        bus.publish("b");
                                        return next();
                                      },
                                      [](const Event&) {}));
  EXPECT_EQ(bus.publish("a").id, cause);
}

TEST(Middleware, ThatHoldsNothingToCallIsRefused) {
  using Any = std::function<Outcome(const Event&, Context&, Next)>;
  const std::string middleware =
      error_of(ErrorCode::invalid_argument, [] { (void)with(pass(), Any{}, [](const Event&) {}); });
  EXPECT_EQ(middleware, "with, chain: a middleware holds nothing to call");
  (void)error_of(ErrorCode::invalid_argument, [] { (void)chain(Any{}); });
  (void)error_of(ErrorCode::invalid_argument,
                 [] { (void)with(pass(), std::function<void(const Event&)>{}); });
}

TEST(Middleware, IsCalledFromSeveralThreadsAtOnce) {
  Bus bus;
  std::atomic<int> inside{0};
  Gate all_in;
  const auto meet = [&](const Event&, Context&, const Next& next) {
    if (++inside == 4) all_in.open();
    EXPECT_TRUE(all_in.wait());
    return next();
  };
  std::atomic<int> calls{0};
  auto listener = bus.subscribe("a", with(meet, pass(), [&](const Event&) { ++calls; }));
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { bus.publish("a"); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(calls, 4);
}

TEST(Middleware, EndsWithTheSubscription) {
  Bus bus;
  auto owned = std::make_shared<int>(0);
  const std::weak_ptr<int> watch = owned;
  auto listener = bus.subscribe(
      "a",
      with([owned = std::move(owned)](const Event&, Context&, const Next& next) { return next(); },
           [](const Event&) {}));
  EXPECT_FALSE(watch.expired());
  listener.reset();
  EXPECT_TRUE(watch.expired());
}

}  // namespace
}  // namespace busway
