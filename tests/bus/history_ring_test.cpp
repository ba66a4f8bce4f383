// The ring that a thread's events are written into and handled in, at its edges.
#include <cstddef>
#include <string>
#include <vector>

#include "bus_fixture.hpp"

namespace busway {
namespace {

std::vector<int> shown(const Bus& bus) {
  std::vector<int> xs;
  for (const Event& event : bus.history("*")) xs.push_back(event.as<Point>().x);
  return xs;
}

std::vector<int> down_from(int last, std::size_t count) {
  std::vector<int> xs;
  for (std::size_t i = 0; i < count; ++i) xs.push_back(last - static_cast<int>(i));
  return xs;
}

TEST(HistoryRing, AnEventStaysWholeWhileItsHandlerPublishesMoreThanTheRingHolds) {
  for (const std::size_t history : {1U, 2U, 3U, 10U}) {
    Bus bus(quiet({.history = history}));
    int checked = 0;
    const Subscription inner = bus.subscribe("inner", [](const Event&) {});
    const Subscription outer = bus.subscribe("outer", [&](const Event& event) {
      const EventId id = event.id();
      for (int i = 0; i < 40; ++i) (void)bus.publish("inner", Point{i, 0});
      EXPECT_EQ(event.topic(), "outer");
      EXPECT_EQ(event.id(), id);
      EXPECT_EQ(event.as<Point>().x, 7);
      ++checked;
    });
    for (int i = 0; i < 20; ++i) (void)bus.publish("outer", Point{7, i});
    EXPECT_EQ(checked, 20);
    EXPECT_EQ(shown(bus), down_from(39, history));
  }
}

TEST(HistoryRing, EventsOfEachLevelStayWholeWhenTheInnermostOverrunsTheRing) {
  Bus bus(quiet({.history = 4}));
  std::vector<int> seen;
  const Subscription all = bus.subscribe("level", [&](const Event& event) {
    const int depth = event.as<Point>().x;
    if (depth < 5) {
      for (int i = 0; i < 3; ++i) (void)bus.publish("level", Point{depth + 1, i});
    } else {
      for (int i = 0; i < 9; ++i) (void)bus.publish("leaf", Point{i, 0});
    }
    EXPECT_EQ(event.as<Point>().x, depth);
    EXPECT_EQ(event.hops(), depth);
    seen.push_back(depth);
  });
  (void)bus.publish("level", Point{0, 0});
  EXPECT_EQ(seen.size(), 1U + 3U + 9U + 27U + 81U + 243U);
  EXPECT_EQ(bus.stats().published, seen.size() + 243U * 9U);
}

TEST(HistoryRing, JsonMadeFromAnEventInAHandlerLeavesNothingBehind) {
  Bus bus(quiet({.history = 8}));
  std::size_t bytes = 0;
  const Subscription audit =
      bus.subscribe("*", [&](const Event& event) { bytes += event.json().dump().size(); });
  for (int i = 0; i < 100; ++i) {
    (void)bus.publish("point.moved", Point{i, 0});
    if (i % 3 == 0) (void)bus.publish("note", Json{{"number", i}});
    if (i % 5 == 0) (void)bus.publish("note.added", Note{"long enough to need a block", {1, 2}});
  }
  EXPECT_GT(bytes, 1000U);
  const std::vector<Event> last = bus.history("point.moved");
  ASSERT_FALSE(last.empty());
  EXPECT_EQ(last.front().json(), (Json{{"x", 99}, {"y", 0}}));
}

TEST(HistoryRing, ShowsAsManyEventsAsItWasToldNoneAndOneIncluded) {
  for (const std::size_t history : {0U, 1U, 2U, 5U}) {
    Bus bus(quiet({.history = history}));
    for (int i = 0; i < 12; ++i) (void)bus.publish("point.moved", Point{i, 0});
    EXPECT_EQ(shown(bus), down_from(11, history)) << history;
  }
}

TEST(HistoryRing, AReplayIsToldWhenTheRingWasOverrunByOneEventAndNotBefore) {
  for (const int published : {3, 4}) {
    Pumped pumped({.history = 3});
    for (int i = 0; i < published; ++i) (void)pumped.bus.publish("point.moved", Point{i, 0});
    std::vector<bool> cut;
    const Subscription late = pumped.bus.subscribe(
        "point.moved",
        [&](const Event&, Context& context) { cut.push_back(context.history_was_cut()); },
        {.mode = Mode::async, .replay = Replay::beginning()});
    (void)pumped.bus.poll();
    ASSERT_EQ(cut.size(), 3U);
    EXPECT_EQ(cut.front(), published == 4);
  }
}

TEST(HistoryRing, AHandlerMayAskForTheHistoryThatItsOwnEventIsIn) {
  Bus bus(quiet({.history = 5}));
  std::size_t largest = 0;
  const Subscription asks = bus.subscribe("point.moved", [&](const Event& event) {
    const std::vector<Event> past = bus.history("*");
    ASSERT_FALSE(past.empty());
    EXPECT_EQ(past.front().id(), event.id());
    largest = std::max(largest, past.size());
  });
  for (int i = 0; i < 9; ++i) (void)bus.publish("point.moved", Point{i, 0});
  EXPECT_EQ(largest, 5U);
}

TEST(HistoryRing, CountersAreExactWhenTheNumberOfListenersChangesBeforeEachPublish) {
  Bus bus(quiet());
  std::vector<std::uint64_t> calls(300);
  std::vector<Subscription> kept;
  for (std::size_t i = 0; i < calls.size(); ++i) {
    kept.push_back(bus.subscribe("point.moved", [&calls, i](const Event&) { ++calls[i]; }));
    (void)bus.publish("point.moved", Point{});
    if (i % 7 == 3) kept[i / 2].reset();
  }
  for (const SubscriptionInfo& info : bus.subscriptions()) {
    const auto place = std::find_if(kept.begin(), kept.end(),
                                    [&](const Subscription& one) { return one.id() == info.id; });
    ASSERT_NE(place, kept.end());
    EXPECT_EQ(info.counters.delivered, calls[static_cast<std::size_t>(place - kept.begin())]);
  }
}

}  // namespace
}  // namespace busway
