#include "busway/middleware/trace_calls.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>
#include <string>

#include "../still_bus.hpp"

namespace busway {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kGiven = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A tracer that writes what it is told.
TraceCalls spans_into(Names& spans) {
  return {[&spans](const TracedCall& call) {
            spans.push_back("begin " + std::string(call.event.topic()) + " " +
                            std::string(call.subscription) + " " + std::to_string(call.attempt) +
                            " " + to_string(call.parent));
          },
          [&spans](const TracedCall& call, const Outcome& outcome, std::chrono::nanoseconds took) {
            spans.push_back("end " + std::string(call.event.topic()) + " " +
                            (outcome.kind() == Outcome::Kind::done ? "done" : outcome.reason()) +
                            " " + std::to_string(took.count()));
          }};
}

TEST(TraceCalls, TellsWhereACallBeginsAndEnds) {
  Still still;
  Names spans;
  auto listener = still.bus.subscribe("a",
                                      with(spans_into(spans),
                                           [&](const Event&) {
                                             EXPECT_EQ(spans.size(), 1U);
                                             still.clock->advance(2ms);
                                           }),
                                      {.name = "shop"});
  still.bus.publish("a", Payload{}, {.traceparent = kGiven});
  EXPECT_EQ(spans, (Names{"begin a shop 1 " + std::string(kGiven), "end a done 2000000"}));
}

TEST(TraceCalls, NestsTheCallsThatACallCauses) {
  Still still;
  Names spans;
  auto outer = still.bus.subscribe(
      "a", with(spans_into(spans), [&](const Event&) { still.bus.publish("b"); }));
  auto inner = still.bus.subscribe("b", with(spans_into(spans), [](const Event&) {}));
  still.bus.publish("a", Payload{}, {.traceparent = kGiven});
  ASSERT_EQ(spans.size(), 4U);
  EXPECT_TRUE(spans[0].starts_with("begin a"));
  EXPECT_TRUE(spans[1].starts_with("begin b b 1 00-0af7651916cd43dd8448eb211c80319c-"));
  EXPECT_TRUE(spans[2].starts_with("end b"));
  EXPECT_TRUE(spans[3].starts_with("end a"));
}

TEST(TraceCalls, SaysWhatWentWrong) {
  Still still;
  Names spans;
  int calls = 0;
  auto listener = still.bus.subscribe("a", with(spans_into(spans), [&](const Event&) -> Outcome {
                                        if (++calls == 1) return Outcome::fail("no stock");
                                        throw std::runtime_error("broken");
                                      }));
  for (int i = 0; i < 2; ++i) still.bus.publish("a", Payload{}, {.traceparent = kGiven});
  ASSERT_EQ(spans.size(), 4U);
  EXPECT_EQ(spans[1], "end a no stock 0");
  EXPECT_EQ(spans[3], "end a broken 0");
}

TEST(TraceCalls, LeavesEventsAloneThatBelongToNoTrace) {
  Names spans;
  int calls = 0;
  const auto handler = [&](const Event&) { ++calls; };
  Bus bus;
  auto listener = bus.subscribe("a", with(spans_into(spans), handler));
  bus.publish("a");
  bus.publish("a", Payload{}, {.traceparent = "no trace"});
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(spans, Names{});

  Bus tracing(quiet({.trace = true}));
  auto traced = tracing.subscribe("a", with(spans_into(spans), handler));
  tracing.publish("a");
  EXPECT_EQ(spans.size(), 2U);
}

TEST(TraceCalls, NeedsNeitherHookAndNoneHarmsADelivery) {
  Bus bus(quiet({.trace = true}));
  int calls = 0;
  const auto handler = [&](const Event&) { ++calls; };
  const auto begin = [](const TracedCall&) { throw std::runtime_error("broken"); };
  const auto end = [](const TracedCall&, const Outcome&, std::chrono::nanoseconds) { throw 7; };
  auto none = bus.subscribe("a", with(TraceCalls({}, {}), handler));
  auto both = bus.subscribe("a", with(TraceCalls(begin, end), handler));
  EXPECT_TRUE(bus.publish("a").ok());
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace busway
