#include "busway/request_result.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>

#include "bus_fixture.hpp"

namespace busway {
namespace {

TEST(Request, ReturnsTheFirstReply) {
  Bus bus;
  std::vector<bool> taken;
  const Subscription one = bus.subscribe("add", [&](const Point& point, Context& context) {
    taken.push_back(context.reply(Json(point.x + point.y)));
  });
  const Subscription two = bus.subscribe(
      "add", [&](const Event&, Context& context) { taken.push_back(context.reply(Json(-1))); });
  const RequestResult result = bus.request("add", Point{2, 3}, kLong);
  ASSERT_TRUE(result.ok()) << result.message();
  EXPECT_EQ(result.json(), Json(5));
  EXPECT_EQ(result.reply().topic(), "add");
  EXPECT_EQ(taken, (std::vector{true, false}));
  EXPECT_EQ(bus.stats().late_replies, 1U);
}

TEST(Request, TakesAndGivesEveryKindOfPayload) {
  Bus bus;
  const Subscription echo = bus.subscribe("echo", [](const Event& event, Context& context) {
    if (const Note* note = event.try_as<Note>()) {
      context.reply(Note{note->text + "!", {}});
    } else {
      context.reply(event.json());
    }
  });
  EXPECT_EQ(bus.request("echo", Note{"hi", {}}, kLong).as<Note>().text, "hi!");
  EXPECT_EQ(bus.request("echo", Json{{"a", 1}}, kLong).json(), (Json{{"a", 1}}));
  EXPECT_TRUE(bus.request("echo", Payload{}, kLong).ok());
}

TEST(Request, WithoutASubscriptionHasNoResponderAtOnce) {
  Bus bus;
  const RequestResult result = bus.request("nobody", Payload{}, std::chrono::nanoseconds::max());
  EXPECT_EQ(result.code(), ErrorCode::no_responder);
  EXPECT_TRUE(mentions(result.message(), "nobody"));
  error_of(ErrorCode::no_responder, [&] { (void)result.reply(); });
}

TEST(Request, EndsAtOnceWhenAllHandlersHaveReturnedWithoutAReplyAndSaysWhatTheyThrew) {
  Bus bus(quiet());
  const Subscription mute = bus.subscribe("ask", [](const Event&) {});
  const Subscription broken = bus.subscribe(
      "ask", [](const Event&) { throw std::runtime_error("no database"); }, {.name = "answers"});
  const RequestResult result = bus.request("ask", Payload{}, std::chrono::nanoseconds::max());
  EXPECT_EQ(result.code(), ErrorCode::handler_failed);
  EXPECT_TRUE(mentions(result.message(), "no database"));
  ASSERT_EQ(result.failures().size(), 1U);
  EXPECT_EQ(result.failures().front().name, "answers");
}

TEST(Request, ThatIsAnsweredBySilenceTimesOut) {
  Bus bus(quiet());
  const Subscription mute = bus.subscribe("ask", [](const Event&) {}, {.mode = Mode::async});
  const RequestResult result = bus.request("ask", Payload{}, std::chrono::milliseconds(1));
  EXPECT_EQ(result.code(), ErrorCode::timed_out);
  EXPECT_TRUE(mentions(result.message(), "ask"));
}

TEST(Request, IsAnsweredFromAnAsynchronousHandler) {
  Bus bus(quiet());
  const Subscription one =
      bus.subscribe("ask", [](const Event&, Context& context) { context.reply(Json("here")); },
                    {.mode = Mode::async});
  EXPECT_EQ(bus.request("ask", Payload{}, std::chrono::nanoseconds::max()).json(), Json("here"));
}

TEST(Request, IsAnsweredFromAThreadOfTheHandler) {
  Bus bus;
  const Subscription one = bus.subscribe("ask", [](const Event&, Context& context) {
    std::thread([&] { context.reply(Json(7)); }).join();
  });
  EXPECT_EQ(bus.request("ask", Payload{}, kLong).json(), Json(7));
}

TEST(Request, AnsweredTooLateIsToldToTheHandler) {
  Pumped pumped;
  bool taken = true;
  const Subscription one = pumped.bus.subscribe(
      "ask", [&](const Event&, Context& context) { taken = context.reply(Json(1)); },
      {.mode = Mode::async});
  std::thread asker([&] {
    EXPECT_EQ(pumped.bus.request("ask", Payload{}, std::chrono::nanoseconds(1)).code(),
              ErrorCode::timed_out);
  });
  asker.join();
  pumped.bus.poll();
  EXPECT_FALSE(taken);
  EXPECT_EQ(pumped.bus.stats().late_replies, 1U);
}

TEST(Request, OfAPlainEventIsNobodysToAnswer) {
  Bus bus;
  bool taken = true;
  const Subscription one =
      bus.subscribe("ask", [&](const Event&, Context& context) { taken = context.reply(Json(1)); });
  bus.publish("ask");
  EXPECT_FALSE(taken);
}

TEST(Request, OnThePumpThreadPumps) {
  Pumped pumped;
  const Subscription one = pumped.bus.subscribe(
      "ask", [](const Event&, Context& context) { context.reply(Json(1)); }, {.mode = Mode::async});
  EXPECT_TRUE(pumped.bus.request("ask", Payload{}, kLong).ok());
}

TEST(Request, OnThePumpThreadWouldBlockWhenNothingIsRunnable) {
  Pumped pumped;
  const Subscription mute = pumped.bus.subscribe("ask", [](const Event&) {}, {.mode = Mode::async});
  const RequestResult result = pumped.bus.request("ask", Payload{}, kLong);
  EXPECT_EQ(result.code(), ErrorCode::would_block);
  EXPECT_TRUE(mentions(result.message(), "ask"));
}

TEST(Request, InsideAHandlerWorks) {
  Bus bus(quiet());
  const Subscription inner =
      bus.subscribe("inner", [](const Event&, Context& context) { context.reply(Json(2)); });
  const Subscription outer = bus.subscribe("outer", [&](const Event&, Context& context) {
    context.reply(Json(bus.request("inner", Payload{}, kLong).json().get<int>() + 1));
  });
  EXPECT_EQ(bus.request("outer", Payload{}, kLong).json(), Json(3));
}

TEST(Request, NeedsATimeout) {
  Bus bus;
  error_of(ErrorCode::invalid_argument,
           [&] { (void)bus.request("a", Payload{}, std::chrono::nanoseconds(0)); });
  error_of(ErrorCode::invalid_topic, [&] { (void)bus.request("a b", Payload{}, kLong); });
}

TEST(Request, FromManyThreadsGetsItsOwnReply) {
  Bus bus(quiet());
  const Subscription twice = bus.subscribe(
      "twice", [](const Json& json, Context& context) { context.reply(Json(json.get<int>() * 2)); },
      {.mode = Mode::async, .concurrency = 2});
  std::vector<std::thread> askers;
  for (int t = 0; t < 3; ++t) {
    askers.emplace_back([&, t] {
      for (int i = 0; i < 100; ++i) {
        const RequestResult result = bus.request("twice", Json(t * 1000 + i), kLong);
        ASSERT_TRUE(result.ok()) << result.message();
        ASSERT_EQ(result.json(), Json((t * 1000 + i) * 2));
      }
    });
  }
  for (std::thread& one : askers) one.join();
}

TEST(Request, EndsWhenItsBusIsDestroyed) {
  auto bus = std::make_unique<Bus>(quiet());
  Gate entered;
  bus->subscribe("silence", [&](const Event&) { entered.open(); }, {.mode = Mode::async}).release();
  std::optional<RequestResult> result;
  std::thread asks(
      [&, inside = bus.get()] { result = inside->request("silence", nullptr, kLong); });
  ASSERT_TRUE(entered.wait());
  // Its publish has returned: it waits for the reply.
  ASSERT_TRUE(eventually([&] { return bus->stats().delivered == 1; }));
  bus.reset();
  asks.join();
  EXPECT_EQ(result->code(), ErrorCode::stopped);
  EXPECT_TRUE(mentions(result->message(), "the bus ended before the request \"silence\""));
}

TEST(Request, WithTheIdOfOneThatWaitsIsRefused) {
  Bus bus;
  const EventId id = *EventId::parse("01890a5d-ac96-774b-bcce-b302099a8057");
  std::optional<RequestResult> second;
  const Subscription one = bus.subscribe("ask", [&](const Event&, Context& context) {
    second = bus.request("ask", nullptr, kLong, {.id = id});
    context.reply(Json("first"));
  });
  const RequestResult first = bus.request("ask", nullptr, kLong, {.id = id});
  EXPECT_EQ(second->code(), ErrorCode::already_exists);
  EXPECT_TRUE(mentions(second->message(), "01890a5d-ac96-774b-bcce-b302099a8057"));
  EXPECT_EQ(first.code(), ErrorCode::ok) << first.message();
}

TEST(Request, OfATypedPayloadKnowsItsTopic) {
  Bus bus;
  const Subscription one = bus.subscribe<Point>(
      [](const Point& point, Context& context) { context.reply(Json(point.x + point.y)); });
  const RequestResult result = bus.request(Point{2, 3}, kLong);
  ASSERT_TRUE(result.ok()) << result.message();
  EXPECT_EQ(result.json(), 5);
}

TEST(Request, WaitsForSynchronousHandlersHoweverLongTheyTake) {
  Bus bus;
  bool taken = false;
  const Subscription one = bus.subscribe("slow", [&](const Event&, Context& context) {
    const auto over = std::chrono::steady_clock::now() + std::chrono::milliseconds(2);
    while (std::chrono::steady_clock::now() < over) {
    }
    taken = context.reply(Json("late"));
  });
  EXPECT_TRUE(bus.request("slow", nullptr, std::chrono::nanoseconds(1)).ok());
  EXPECT_TRUE(taken);
}

}  // namespace
}  // namespace busway
