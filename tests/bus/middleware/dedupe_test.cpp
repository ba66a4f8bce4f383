#include "busway/middleware/dedupe.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>

#include "../still_bus.hpp"

namespace busway {
namespace {

using namespace std::chrono_literals;

Event with_id(std::uint64_t number) {
  return Event("a", Payload{}, {.id = EventId{.high = 1, .low = number}});
}

TEST(DedupeMiddleware, CallsTheHandlerOnceForAnIdWithinItsWindow) {
  Still still;
  int calls = 0;
  auto listener = still.bus.subscribe("a", with(Dedupe(5min), [&](const Event&) { ++calls; }));
  EXPECT_TRUE(still.bus.publish(with_id(1)).ok());
  still.clock->advance(5min - 1ns);
  EXPECT_TRUE(still.bus.publish(with_id(1)).ok()) << "one that came already is done";
  EXPECT_EQ(calls, 1);
  still.bus.publish(with_id(2));
  EXPECT_EQ(calls, 2);
  still.clock->advance(1ns);
  still.bus.publish(with_id(1));
  EXPECT_EQ(calls, 3);
}

TEST(DedupeMiddleware, LetsAnEventComeAgainThatDidNotEndWell) {
  Still still;
  int calls = 0;
  auto listener =
      still.bus.subscribe("a",
                          with(Dedupe(5min),
                               [&](const Event&) {
                                 if (++calls == 1) throw std::runtime_error("broken");
                                 return calls == 2 ? Outcome::retry(1s) : Outcome::done();
                               }),
                          {.mode = Mode::async});
  still.bus.publish(with_id(1));
  still.bus.poll();
  still.pass(10s);
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(info_of(still.bus, listener.id()).counters.delivered, 1U);
  still.bus.publish(with_id(1));
  still.bus.poll();
  EXPECT_EQ(calls, 3);
}

TEST(DedupeMiddleware, ACopyRemembersByItself) {
  Still still;
  int calls = 0;
  const auto policy = chain(Dedupe(5min));
  auto one = still.bus.subscribe("a", with(policy, [&](const Event&) { ++calls; }));
  auto two = still.bus.subscribe("a", with(policy, [&](const Event&) { ++calls; }));
  still.bus.publish(with_id(1));
  EXPECT_EQ(calls, 2);
  still.bus.publish(with_id(1));
  EXPECT_EQ(calls, 2);
}

TEST(DedupeMiddleware, RemembersAsManyIdsAsItMay) {
  Still still;
  std::size_t calls = 0;
  auto listener = still.bus.subscribe("a", with(Dedupe(5min), [&](const Event&) { ++calls; }));
  for (std::uint64_t i = 1; i <= limits::kDedupeIdsMax; ++i) still.bus.publish(with_id(i));
  still.bus.publish(with_id(limits::kDedupeIdsMax));
  EXPECT_EQ(calls, limits::kDedupeIdsMax);
  still.bus.publish(with_id(limits::kDedupeIdsMax + 1));
  still.bus.publish(with_id(1));
  EXPECT_EQ(calls, limits::kDedupeIdsMax + 2) << "the oldest was forgotten";
}

TEST(DedupeMiddleware, RefusesAWindowThatIsNone) {
  for (const auto window : {0ns, -1ns}) {
    EXPECT_TRUE(mentions(error_of(ErrorCode::invalid_option, [&] { (void)Dedupe(window); }),
                         "Dedupe: window is " + std::to_string(window.count()) + "ns"));
  }
}

}  // namespace
}  // namespace busway
