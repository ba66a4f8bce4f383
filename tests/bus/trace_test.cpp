// The place of an event in a trace: given, taken from its cause, or made anew.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "busway/cloud_events.hpp"
#include "busway/trace_parent.hpp"
#include "still_bus.hpp"

namespace busway {
namespace {

constexpr std::string_view kGiven = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
constexpr std::string_view kUnsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
constexpr std::string_view kOther = "00-11111111111111111111111111111111-2222222222222222-00";
constexpr std::string_view kInvalid = "00-00000000000000000000000000000000-b7ad6b7169203331-01";

bool same_trace(const TraceParent& a, const TraceParent& b) {
  return a.trace_high() == b.trace_high() && a.trace_low() == b.trace_low();
}

/// Whether the text continues the other: its trace and flags, a step of its own.
::testing::AssertionResult continues(std::string_view text, std::string_view before) {
  const auto one = TraceParent::parse(text);
  const auto other = TraceParent::parse(before);
  if (!one) return ::testing::AssertionFailure() << '"' << text << "\" is not valid";
  if (!other) return ::testing::AssertionFailure() << '"' << before << "\" is not valid";
  if (!same_trace(*one, *other)) return ::testing::AssertionFailure() << "another trace: " << text;
  if (one->sampled() != other->sampled()) return ::testing::AssertionFailure() << "another flag";
  if (one->parent() == other->parent()) return ::testing::AssertionFailure() << "the same parent";
  return ::testing::AssertionSuccess();
}

/// Notes the traceparent of each event of a topic.
Subscription note_traces(Bus& bus, std::string_view topic, std::vector<std::string>& into) {
  return bus.subscribe(topic,
                       [&into](const Event& event) { into.emplace_back(event.traceparent()); });
}

TEST(Trace, IsContinuedByWhateverWayAHandlerPublishes) {
  Pumped pumped;
  Bus& bus = pumped.bus;
  const Topic topic = bus.topic("inner");
  const Publisher publisher = bus.publisher("component");
  const EventOptions with_options{.source = "s", .key = "k"};
  const std::vector<std::function<void(Context&)>> ways{
      [&](Context&) { bus.publish("inner"); },
      [&](Context&) {
        bus.publish("inner", Json{{"a", 1}});
      },
      [&](Context&) {
        bus.publish("inner", Point{1, 2});
      },
      [&](Context&) { bus.publish("inner", Note{.text = "long"}); },
      [&](Context&) {
        bus.publish("inner", Point{1, 2}, with_options);
      },
      [&](Context&) { bus.publish("inner", Payload{}, with_options); },
      [&](Context&) { bus.publish(Event("inner", Payload{}, with_options)); },
      [&](Context&) { bus.publish(Event("inner")); },
      [&](Context&) { bus.publish_batch(std::array{Event("inner")}); },
      [&](Context&) { (void)bus.publish_async("inner"); },
      [&](Context&) { (void)bus.publish_async(Event("inner", Payload{}, with_options)); },
      [&](Context&) { topic.publish(); },
      [&](Context&) {
        topic.publish(Point{1, 2});
      },
      [&](Context&) { topic.publish(Payload{}, with_options); },
      [&](Context&) { publisher.publish("inner"); },
      [&](Context& context) { context.publish("inner"); },
      [&](Context& context) { std::thread([&] { context.publish("inner"); }).join(); },
      [&](Context&) { (void)bus.request("inner", Payload{}, kLong); },
  };
  for (const Mode mode : {Mode::sync, Mode::async}) {
    for (std::size_t i = 0; i < ways.size(); ++i) {
      std::vector<std::string> seen;
      auto inner = note_traces(bus, "inner", seen);
      auto outer = bus.subscribe("outer", [&](const Event&, Context& context) { ways[i](context); },
                                 {.mode = mode});
      bus.publish("outer", Payload{}, {.traceparent = kGiven});
      bus.poll();
      ASSERT_EQ(seen.size(), 1U) << "way " << i;
      EXPECT_TRUE(continues(seen.front(), kGiven)) << "way " << i;
    }
  }
}

TEST(Trace, IsContinuedThroughEveryStepOfAChainAndKeepsItsFlag) {
  Pumped pumped;
  std::vector<std::string> seen;
  auto first = pumped.bus.subscribe("a", [&](const Event&) { pumped.bus.publish("b"); });
  auto second = pumped.bus.subscribe("b",
                                     [&](const Event& event) {
                                       seen.emplace_back(event.traceparent());
                                       pumped.bus.publish("c");
                                     },
                                     {.mode = Mode::async});
  auto third = note_traces(pumped.bus, "c", seen);
  pumped.bus.publish("a", Payload{}, {.traceparent = kUnsampled});
  pumped.bus.poll();
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_TRUE(continues(seen[0], kUnsampled));
  EXPECT_TRUE(continues(seen[1], seen[0]));
  EXPECT_TRUE(continues(seen[1], kUnsampled));
}

TEST(Trace, KeepsTheOtherFieldsOfTheEvent) {
  Bus bus;
  std::optional<Event> kept;
  auto inner = bus.subscribe("inner", [&](const Event& event) { kept = event; });
  auto outer = bus.subscribe("outer", [&](const Event&) {
    bus.publish("inner", Json{{"a", 1}},
                {.source = "shop",
                 .priority = Priority::high,
                 .key = "k",
                 .metadata = {{"m", "1"}},
                 .user_id = 7,
                 .correlation_id = "c"});
  });
  bus.publish("outer", Payload{}, {.traceparent = kGiven});
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->source(), "shop");
  EXPECT_EQ(kept->priority(), Priority::high);
  EXPECT_EQ(kept->key(), "k");
  EXPECT_TRUE(kept->metadata().find("m") != nullptr);
  EXPECT_EQ(kept->user_id(), "7");
  EXPECT_EQ(kept->correlation_id(), "c");
  EXPECT_EQ(kept->json(), (Json{{"a", 1}}));
  EXPECT_TRUE(continues(kept->traceparent(), kGiven));
  // What the history keeps is the same.
  EXPECT_EQ(bus.history("inner").front().traceparent(), kept->traceparent());
}

TEST(Trace, EachCausedEventHasAParentOfItsOwn) {
  Bus bus;
  std::vector<std::string> seen;
  auto inner = note_traces(bus, "inner", seen);
  auto outer = bus.subscribe("outer", [&](const Event&) {
    for (int i = 0; i < 100; ++i) bus.publish("inner");
  });
  bus.publish("outer", Payload{}, {.traceparent = kGiven});
  EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), 100U);
}

TEST(Trace, ThatThePublisherGivesIsNotTouched) {
  for (const bool trace : {false, true}) {
    Bus bus(quiet({.trace = trace}));
    std::vector<std::string> seen;
    auto inner = note_traces(bus, "inner", seen);
    auto outer = bus.subscribe("outer", [&](const Event&) {
      bus.publish("inner", Payload{}, {.traceparent = kOther});
      bus.publish(Event("inner", Payload{}, {.traceparent = kOther}));
      bus.publish_async(Event("inner", Payload{}, {.traceparent = kOther})).wait_for(kLong);
    });
    bus.publish("outer", Payload{}, {.traceparent = kGiven});
    ASSERT_TRUE(eventually([&] { return bus.idle(); }));
    EXPECT_EQ(seen, (std::vector<std::string>(3, std::string(kOther))));
  }
}

TEST(Trace, AnInvalidOneCountsAsNone) {
  Bus bus;
  std::vector<std::string> seen;
  auto inner = note_traces(bus, "inner", seen);
  std::string_view given;
  auto outer = bus.subscribe(
      "outer", [&](const Event&) { bus.publish("inner", Payload{}, {.traceparent = given}); });
  // The cause's is continued in its place.
  given = kInvalid;
  bus.publish("outer", Payload{}, {.traceparent = kGiven});
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_TRUE(continues(seen[0], kGiven));
  // An invalid one of the cause is not continued.
  given = {};
  bus.publish("outer", Payload{}, {.traceparent = kInvalid});
  bus.publish("outer", Payload{}, {.traceparent = "x"});
  ASSERT_EQ(seen.size(), 3U);
  EXPECT_EQ(seen[1], "");
  EXPECT_EQ(seen[2], "");
  // Where there is no trace to put in its place it is handed on, unread.
  bus.publish("inner", Payload{}, {.traceparent = kInvalid});
  EXPECT_EQ(seen[3], kInvalid);

  Bus tracing(quiet({.trace = true}));
  std::vector<std::string> made;
  auto listener = note_traces(tracing, "inner", made);
  tracing.publish("inner", Payload{}, {.traceparent = kInvalid});
  EXPECT_TRUE(TraceParent::parse(made.front()));
}

TEST(Trace, ThatNobodyAskedForIsNotMade) {
  Bus bus;
  std::vector<std::string> seen;
  auto inner = note_traces(bus, "inner", seen);
  auto outer = bus.subscribe("outer", [&](const Event&) { bus.publish("inner"); });
  bus.publish("outer");
  bus.publish("outer", Payload{}, {.key = "k"});
  bus.publish("inner", Point{});
  EXPECT_EQ(seen, (std::vector<std::string>(3)));
}

TEST(Trace, IsMadeForEachEventWithoutOneWhenAskedFor) {
  Pumped pumped({.trace = true});
  Bus& bus = pumped.bus;
  std::vector<std::string> seen;
  auto listener = note_traces(bus, "a", seen);
  bus.publish("a");
  bus.publish("a", Point{});
  bus.publish("a", Note{});
  bus.publish("a", Payload{}, {.key = "k"});
  bus.publish(Event("a"));
  bus.topic("a").publish(Point{});
  (void)bus.publish_async("a");
  bus.poll();
  ASSERT_EQ(seen.size(), 7U);
  std::set<std::pair<std::uint64_t, std::uint64_t>> traces;
  for (const std::string& text : seen) {
    const auto parent = TraceParent::parse(text);
    ASSERT_TRUE(parent) << text;
    EXPECT_EQ(parent->sampled(), TraceParent::Sampled::yes);
    traces.emplace(parent->trace_high(), parent->trace_low());
  }
  EXPECT_EQ(traces.size(), seen.size()) << "each begins a trace of its own";
}

TEST(Trace, ThatWasMadeIsContinued) {
  Bus bus(quiet({.trace = true}));
  std::vector<std::string> seen;
  auto both = note_traces(bus, "*", seen);
  auto outer = bus.subscribe("outer", [&](const Event&) { bus.publish("inner"); });
  bus.publish("outer");
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_TRUE(continues(seen[0], seen[1]));
}

TEST(Trace, GoesFromBusToBus) {
  Bus outer;
  Bus inner;
  std::vector<std::string> seen;
  auto listener = note_traces(inner, "b", seen);
  auto bridge = outer.subscribe("a", [&](const Event&) { inner.publish("b"); });
  outer.publish("a", Payload{}, {.traceparent = kGiven});
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_TRUE(continues(seen.front(), kGiven));
}

TEST(Trace, IsSeenByTheFiltersOfTheBus) {
  Bus bus(quiet({.trace = true}));
  std::string seen;
  bus.add_filter("look", [&](const Event& event) {
    seen = event.traceparent();
    return true;
  });
  bus.publish("a");
  EXPECT_TRUE(TraceParent::parse(seen)) << seen;
}

TEST(Trace, IsKeptByRetriesAndRedrives) {
  Still still;
  std::vector<std::string> seen;
  bool broken = true;
  auto listener =
      still.bus.subscribe("inner",
                          [&](const Event& event) {
                            seen.emplace_back(event.traceparent());
                            return broken ? Outcome::fail("broken") : Outcome::done();
                          },
                          {.mode = Mode::async, .retry = RetryPolicy{.max_retries = 1}});
  auto outer = still.bus.subscribe("outer", [&](const Event&) { still.bus.publish("inner"); });
  still.bus.publish("outer", Payload{}, {.traceparent = kGiven});
  still.bus.poll();
  still.pass(std::chrono::minutes(1));
  broken = false;
  (void)still.bus.dead_letters().redrive({.pattern = "inner"});
  still.bus.poll();
  ASSERT_EQ(seen.size(), 3U);
  EXPECT_TRUE(continues(seen[0], kGiven));
  EXPECT_EQ(seen[1], seen[0]);
  EXPECT_EQ(seen[2], seen[0]);
}

TEST(Trace, TravelsInCloudEvents) {
  Bus bus(quiet({.trace = true}));
  std::string seen;
  std::string wire;
  auto listener = bus.subscribe("a", [&](const Event& event) {
    seen = event.traceparent();
    wire = to_cloud_event_text(event);
  });
  bus.publish("a");
  EXPECT_TRUE(mentions(wire, "\"traceparent\":\"" + seen + "\""));
}

TEST(Trace, IsRepeatableUnderAManualClock) {
  const auto run = [] {
    Still still({.trace = true});
    std::vector<std::string> seen;
    auto both = note_traces(still.bus, "*", seen);
    auto outer = still.bus.subscribe("outer", [&](const Event&) { still.bus.publish("inner"); });
    still.bus.publish("outer");
    return seen;
  };
  EXPECT_EQ(run(), run());
}

TEST(Trace, IsAnotherOneInAForkedChild) {
  const auto make = [] {
    Bus bus(quiet({.trace = true}));
    std::string seen;
    auto listener = bus.subscribe("a", [&](const Event& event) { seen = event.traceparent(); });
    bus.publish("a");
    return seen;
  };
  (void)make();
  std::array<int, 2> pipe_ends{};
  ASSERT_EQ(pipe(pipe_ends.data()), 0);
  const pid_t child = fork();
  if (child == 0) {
    const std::string mine = make();
    const bool written = write(pipe_ends[1], mine.data(), mine.size()) == 55;
    _exit(written ? 0 : 1);
  }
  std::string theirs(55, ' ');
  EXPECT_EQ(read(pipe_ends[0], theirs.data(), theirs.size()), 55);
  int status = 0;
  waitpid(child, &status, 0);
  close(pipe_ends[0]);
  close(pipe_ends[1]);
  EXPECT_TRUE(TraceParent::parse(theirs));
  EXPECT_NE(theirs, make());
}

}  // namespace
}  // namespace busway
