#include "busway/event.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include <expect_error.hpp>
#include "busway/typed_event.hpp"

namespace busway {
namespace {

struct Point {
  static constexpr std::string_view type_name = "point";
  int x = 0;
  int y = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Point, x, y)

struct Third {
  static constexpr std::string_view type_name = "third";
  static constexpr int schema_version = 3;
  static constexpr bool in_process = true;
};

const EventId kId{0x01932c07209b7e5aULL, 0x8e2f5b8f6d2f3a11ULL};

Event make_full_event() {
  return Event("order.created", Payload::json({{"total", 3}}),
               {.source = "shop",
                .priority = Priority::high,
                .key = "customer-7",
                .metadata = {{"attempt", 2}},
                .origin = Origin::frontend,
                .user_id = 42,
                .session_id = "s1",
                .instance_id = "host-a",
                .schema = "orders",
                .entity = "order",
                .operation = "create",
                .correlation_id = "c9",
                .traceparent = "00-ab-cd-01",
                .schema_version = 5,
                .id = kId,
                .time = WallTime(std::chrono::seconds(1'700'000'000))});
}

void expect_full_event(const Event& event) {
  EXPECT_EQ(event.topic(), "order.created");
  EXPECT_EQ(event.source(), "shop");
  EXPECT_EQ(event.priority(), Priority::high);
  EXPECT_EQ(event.key(), "customer-7");
  EXPECT_EQ(event.metadata().json(), Json({{"attempt", 2}}));
  EXPECT_EQ(event.origin(), Origin::frontend);
  EXPECT_EQ(event.user_id(), "42");
  EXPECT_EQ(event.session_id(), "s1");
  EXPECT_EQ(event.instance_id(), "host-a");
  EXPECT_EQ(event.schema(), "orders");
  EXPECT_EQ(event.entity(), "order");
  EXPECT_EQ(event.operation(), "create");
  EXPECT_EQ(event.correlation_id(), "c9");
  EXPECT_EQ(event.traceparent(), "00-ab-cd-01");
  EXPECT_EQ(event.schema_version(), 5);
  EXPECT_EQ(event.id(), kId);
  EXPECT_EQ(event.time(), WallTime(std::chrono::seconds(1'700'000'000)));
  EXPECT_EQ(event.json(), Json({{"total", 3}}));
}

void expect_empty(const Event& event) {
  EXPECT_TRUE(event.id().is_nil());
  EXPECT_EQ(event.topic(), "");
  EXPECT_EQ(event.key(), "");
  EXPECT_FALSE(event.has_payload());
}

TEST(Event, KeepsEveryFieldItWasGiven) { expect_full_event(make_full_event()); }

TEST(Event, HasDefaultsForWhatItWasNotGiven) {
  const Event event("a.b");
  EXPECT_EQ(event.topic(), "a.b");
  EXPECT_EQ(event.source(), "");
  EXPECT_EQ(event.priority(), Priority::normal);
  EXPECT_EQ(event.origin(), Origin::internal);
  EXPECT_EQ(event.schema_version(), 1);
  EXPECT_EQ(event.hops(), 0);
  EXPECT_TRUE(event.id().is_nil());
  EXPECT_TRUE(event.causation_id().is_nil());
  EXPECT_TRUE(event.metadata().empty());
  EXPECT_TRUE(event.extensions().is_object());
  EXPECT_TRUE(event.extensions().empty());
  EXPECT_EQ(event.user_id(), "");
}

TEST(Event, ThatWasNeverMadeIsEmpty) { expect_empty(Event()); }

TEST(Event, KeepsAllInACopyThatOutlivesIt) {
  Event copy;
  {
    const Event event = make_full_event();
    copy = event;
    expect_full_event(event);
  }
  expect_full_event(copy);
}

TEST(Event, LeavesAnEmptyOneBehindWhenMoved) {
  Event event = make_full_event();
  Event moved = std::move(event);
  expect_full_event(moved);
  expect_empty(event);  // NOLINT(bugprone-use-after-move): what it promises
  event = std::move(moved);
  expect_full_event(event);
  expect_empty(moved);  // NOLINT(bugprone-use-after-move)
}

TEST(Event, SurvivesAssignmentToItself) {
  Event event = make_full_event();
  Event& same = event;
  event = same;
  expect_full_event(event);
  event = std::move(same);
  expect_full_event(event);
}

TEST(Event, RefusesAnIllegalTopic) {
  for (const std::string topic : {"", "a..b", "*", "a b", "order.>", "a\nb", "\xff"}) {
    (void)error_of(ErrorCode::invalid_topic, [&] { (void)Event(topic); });
  }
  (void)error_of(ErrorCode::invalid_topic, [] { (void)Event(std::string(256, 'a')); });
}

TEST(Event, NamesTheOptionThatIsRefused) {
  EXPECT_TRUE(mentions(
      error_of(ErrorCode::invalid_option, [] { (void)Event("a", {}, {.source = "a\nb"}); }),
      "source"));
  EXPECT_TRUE(mentions(
      error_of(ErrorCode::invalid_option, [] { (void)Event("a", {}, {.correlation_id = "\xff"}); }),
      "correlation_id"));
}

TEST(Event, TakesTheSchemaVersionOfItsType) {
  EXPECT_EQ(Event("a", typed_payload(Third{})).schema_version(), 3);
  EXPECT_EQ(Event("a", typed_payload(Third{}), {.schema_version = 3}).schema_version(), 3);
  EXPECT_TRUE(
      mentions(error_of(ErrorCode::invalid_option,
                        [] { (void)Event("a", typed_payload(Third{}), {.schema_version = 2}); }),
               "schema_version 2"));
}

TEST(Event, IsShownWithTopicAndSource) {
  EXPECT_EQ(to_string(Event("trivia.started", {}, {.source = "trivia"})),
            "Event(trivia.started from trivia)");
  EXPECT_EQ(to_string(Event("trivia.started")), "Event(trivia.started)");
  EXPECT_EQ(to_string(Event("a", {}, {.source = "\xe2\x80\xae evil"})),
            "Event(a from \\u{202e} evil)");
}

TEST(Event, WithAnotherTopicKeepsTheRest) {
  const Event event = make_full_event();
  const Event renamed = event.with_topic("replay.order.created");
  EXPECT_EQ(renamed.topic(), "replay.order.created");
  expect_full_event(renamed.with_topic("order.created"));
  (void)error_of(ErrorCode::invalid_topic, [&] { (void)event.with_topic("a..b"); });
}

TEST(Event, WithAnotherPayloadKeepsTheRest) {
  const Event event = make_full_event();
  const Event typed = event.with_payload(typed_payload(Point{1, 2}));
  EXPECT_EQ(typed.as<Point>().y, 2);
  EXPECT_EQ(typed.schema_version(), 1);
  EXPECT_EQ(typed.key(), "customer-7");
  EXPECT_EQ(typed.id(), kId);
  const Event none = event.with_payload({});
  EXPECT_FALSE(none.has_payload());
  EXPECT_EQ(none.schema_version(), 5);
  expect_full_event(event);
}

TEST(UserId, IsTextOrAnInteger) {
  EXPECT_EQ(UserId("u").text(), "u");
  EXPECT_EQ(UserId(std::string("u2")).text(), "u2");
  EXPECT_EQ(UserId(-7).text(), "-7");
  EXPECT_EQ(UserId(18'446'744'073'709'551'615ULL).text(), "18446744073709551615");
}

}  // namespace
}  // namespace busway
