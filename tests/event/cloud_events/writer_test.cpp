#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include <expect_error.hpp>
#include "busway/cloud_events.hpp"
#include "busway/typed_event.hpp"

namespace busway {
namespace {

struct Point {
  static constexpr std::string_view type_name = "point";
  static constexpr int schema_version = 2;
  int x = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Point, x)

struct Local {
  static constexpr std::string_view type_name = "local";
  static constexpr bool in_process = true;
};

const EventId kId{0x01932c07209b7e5aULL, 0x8e2f5b8f6d2f3a11ULL};
constexpr const char* kIdText = "01932c07-209b-7e5a-8e2f-5b8f6d2f3a11";

TEST(CloudEventWriter, LeavesOutWhatIsNotSet) {
  EXPECT_EQ(to_cloud_event(Event("a.b", {}, {.source = "s", .id = kId})),
            Json({{"specversion", "1.0"}, {"id", kIdText}, {"source", "s"}, {"type", "a.b"}}));
}

TEST(CloudEventWriter, WritesEveryFieldUnderItsName) {
  const Event event("order.created", Payload::json({{"total", 3}}),
                    {.source = "shop",
                     .priority = Priority::high,
                     .key = "k",
                     .metadata = {{"n", 1}},
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
                     .time = WallTime(std::chrono::milliseconds(1'700'000'000'500))});
  EXPECT_EQ(to_cloud_event(event, "ignored: the event names its own"),
            Json({{"specversion", "1.0"},
                  {"id", kIdText},
                  {"source", "shop"},
                  {"type", "order.created"},
                  {"time", "2023-11-14T22:13:20.500Z"},
                  {"datacontenttype", "application/json"},
                  {"data", {{"total", 3}}},
                  {"priority", "high"},
                  {"partitionkey", "k"},
                  {"metadata", "{\"n\":1}"},
                  {"origin", "frontend"},
                  {"userid", "42"},
                  {"sessionid", "s1"},
                  {"instanceid", "host-a"},
                  {"schema", "orders"},
                  {"entity", "order"},
                  {"operation", "create"},
                  {"correlationid", "c9"},
                  {"traceparent", "00-ab-cd-01"},
                  {"schemaversion", 5}}));
}

TEST(CloudEventWriter, NamesTheInstanceTheEventLeaves) {
  const Json json = to_cloud_event(Event("a", {}, {.id = kId}), "host-a");
  EXPECT_EQ(json.at("source"), "/busway/host-a");
  EXPECT_EQ(json.at("instanceid"), "host-a");
  EXPECT_EQ(to_cloud_event(Event("a", {}, {.id = kId})).at("source"), "/busway");
}

TEST(CloudEventWriter, WritesATypedPayloadAsJson) {
  const Json json = to_cloud_event(Event("a", typed_payload(Point{7}), {.id = kId}));
  EXPECT_EQ(json.at("data"), Json({{"x", 7}}));
  EXPECT_EQ(json.at("datacontenttype"), "application/json");
  EXPECT_EQ(json.at("schemaversion"), 2);
}

TEST(CloudEventWriter, WritesBytesAsBase64) {
  const Json json = to_cloud_event(Event("a", bytes("\xff\x01", "image/png"), {.id = kId}));
  EXPECT_EQ(json.at("data_base64"), "/wE=");
  EXPECT_EQ(json.at("datacontenttype"), "image/png");
  EXPECT_FALSE(json.contains("data"));
}

TEST(CloudEventWriter, NeedsAnId) {
  EXPECT_TRUE(
      mentions(error_of(ErrorCode::invalid_event, [] { (void)to_cloud_event(Event("a.b")); }),
               "Event(a.b) has no id"));
}

TEST(CloudEventWriter, RefusesAPayloadThatStaysInProcess) {
  (void)error_of(ErrorCode::payload_type, [] {
    (void)to_cloud_event_text(Event("a", typed_payload(Local{}), {.id = kId}));
  });
}

TEST(CloudEventWriter, GivesTheSameAsText) {
  const Event event("a", Payload::json("x\ny"), {.source = "s", .id = kId});
  const std::string text = to_cloud_event_text(event);
  EXPECT_EQ(Json::parse(text), to_cloud_event(event));
  EXPECT_EQ(text.find('\n'), std::string::npos);
}

}  // namespace
}  // namespace busway
