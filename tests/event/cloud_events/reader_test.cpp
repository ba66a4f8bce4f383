#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include <expect_error.hpp>
#include "busway/cloud_events.hpp"

namespace busway {
namespace {

constexpr const char* kIdText = "01932c07-209b-7e5a-8e2f-5b8f6d2f3a11";

// The least there is, with some attributes set, replaced or (null) removed.
Json envelope(const Json& changes = Json::object()) {
  Json json{
      {"specversion", "1.0"}, {"id", kIdText}, {"source", "/shop"}, {"type", "order.created"}};
  json.merge_patch(changes);
  return json;
}

std::string text_of(const Event& event) {
  const auto bytes = event.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The message of the refusal; it must name the attribute.
void expect_refused(const Json& changes, const std::string& attribute, const std::string& why,
                    ErrorCode code = ErrorCode::invalid_event) {
  const std::string message =
      error_of(code, [&] { (void)from_cloud_event(envelope(changes).dump()); });
  EXPECT_TRUE(mentions(message, "attribute \"" + attribute + "\"")) << changes;
  EXPECT_TRUE(mentions(message, why)) << changes;
}

TEST(CloudEventReader, ReadsTheLeastThereIs) {
  const Event event = from_cloud_event(envelope());
  EXPECT_EQ(to_string(event.id()), kIdText);
  EXPECT_EQ(event.source(), "/shop");
  EXPECT_EQ(event.topic(), "order.created");
  EXPECT_EQ(event.time(), WallTime{});
  EXPECT_FALSE(event.has_payload());
  EXPECT_EQ(event.schema_version(), 1);
  EXPECT_EQ(event.priority(), Priority::normal);
  EXPECT_EQ(event.origin(), Origin::internal);
  EXPECT_TRUE(event.extensions().empty());
}

TEST(CloudEventReader, ReadsTheExampleOfTheSpecification) {
  const Event event = from_cloud_event(R"({
    "specversion" : "1.0",
    "type" : "com.example.someevent",
    "source" : "/mycontext",
    "subject": null,
    "id" : "C234-1234-1234",
    "time" : "2018-04-05T17:31:00Z",
    "comexampleextension1" : "value",
    "comexampleothervalue" : 5,
    "datacontenttype" : "application/json",
    "data" : { "appinfoA" : "abc", "appinfoB" : 123, "appinfoC" : true }
  })");
  EXPECT_EQ(event.topic(), "com.example.someevent");
  EXPECT_EQ(event.time(), WallTime(std::chrono::seconds(1'522'949'460)));
  EXPECT_EQ(event.extensions().at("comexampleextension1"), "value");
  EXPECT_EQ(event.extensions().at("comexampleothervalue"), 5);
  EXPECT_FALSE(event.extensions().contains("subject"));
  EXPECT_EQ(event.json().at("appinfoB"), 123);
  EXPECT_FALSE(event.id().is_nil());
}

TEST(CloudEventReader, ReadsEveryField) {
  const Event event = from_cloud_event(envelope({{"time", "2023-11-14T23:13:20.000000001+01:00"},
                                                 {"priority", "low"},
                                                 {"origin", "plugin"},
                                                 {"partitionkey", "k"},
                                                 {"userid", "u"},
                                                 {"sessionid", "s"},
                                                 {"instanceid", "i"},
                                                 {"schema", "sc"},
                                                 {"entity", "e"},
                                                 {"operation", "o"},
                                                 {"correlationid", "c"},
                                                 {"causationid", kIdText},
                                                 {"traceparent", "t"},
                                                 {"hops", 3},
                                                 {"schemaversion", 4},
                                                 {"metadata", R"({"a":[1]})"}}));
  EXPECT_EQ(event.time().time_since_epoch().count(), 1'700'000'000'000'000'001);
  EXPECT_EQ(event.priority(), Priority::low);
  EXPECT_EQ(event.origin(), Origin::plugin);
  EXPECT_EQ(event.key(), "k");
  EXPECT_EQ(event.user_id(), "u");
  EXPECT_EQ(event.session_id(), "s");
  EXPECT_EQ(event.instance_id(), "i");
  EXPECT_EQ(event.schema(), "sc");
  EXPECT_EQ(event.entity(), "e");
  EXPECT_EQ(event.operation(), "o");
  EXPECT_EQ(event.correlation_id(), "c");
  EXPECT_EQ(to_string(event.causation_id()), kIdText);
  EXPECT_EQ(event.traceparent(), "t");
  EXPECT_EQ(event.hops(), 3);
  EXPECT_EQ(event.schema_version(), 4);
  EXPECT_EQ(event.metadata().json(), Json({{"a", {1}}}));
  EXPECT_TRUE(event.extensions().empty());
}

TEST(CloudEventReader, AcceptsIntegersAsTextAndAsUserIds) {
  const Event event =
      from_cloud_event(envelope({{"hops", "7"}, {"schemaversion", "2"}, {"userid", 42}}));
  EXPECT_EQ(event.hops(), 7);
  EXPECT_EQ(event.schema_version(), 2);
  EXPECT_EQ(event.user_id(), "42");
}

TEST(CloudEventReader, KeepsUnknownExtensionsWithTheirType) {
  const Event event = from_cloud_event(
      envelope({{"text", "x"}, {"count", -5}, {"flag", true}, {"subject", "s"}, {"empty", ""}}));
  EXPECT_EQ(event.extensions(),
            Json({{"text", "x"}, {"count", -5}, {"flag", true}, {"subject", "s"}, {"empty", ""}}));
}

TEST(CloudEventReader, NamesTheAttributeThatIsMissingOrEmpty) {
  for (const char* const name : {"id", "source", "type", "specversion"}) {
    expect_refused({{name, nullptr}}, name, "missing");
    expect_refused({{name, ""}}, name, "empty");
    expect_refused({{name, 1}}, name, "is a string, not number");
  }
}

TEST(CloudEventReader, ReadsVersion10Only) {
  for (const char* const version : {"2.0", "1.1", "0.3", "1"}) {
    expect_refused({{"specversion", version}}, "specversion", version);
  }
}

TEST(CloudEventReader, RefusesATypeThatIsNoTopic) {
  for (const char* const topic :
       {"a..b", "*", ">", "a b", "$JS.API.x", "a\n[error] FAKE\x1b[31m"}) {
    expect_refused({{"type", topic}}, "type", "",
                   std::string(topic).find('\n') == std::string::npos ? ErrorCode::invalid_topic
                                                                      : ErrorCode::invalid_event);
  }
  const std::string message = error_of(ErrorCode::invalid_event, [] {
    (void)from_cloud_event(envelope({{"type", "a\n[error] FAKE\x1b[31m"}}));
  });
  EXPECT_EQ(message.find('\n'), std::string::npos);
  EXPECT_EQ(message.find('\x1b'), std::string::npos);
}

TEST(CloudEventReader, RefusesFieldsOfTheWrongForm) {
  expect_refused({{"time", "yesterday"}}, "time", "RFC 3339");
  expect_refused({{"time", 12}}, "time", "is a string");
  expect_refused({{"priority", "urgent"}}, "priority", "low, normal or high");
  expect_refused({{"origin", "mars"}}, "origin", "frontend");
  expect_refused({{"hops", -1}}, "hops", "-1");
  expect_refused({{"hops", 65536}}, "hops", "65535");
  expect_refused({{"hops", 1.5}}, "hops", "1.5");
  expect_refused({{"hops", "3x"}}, "hops", "3x");
  expect_refused({{"schemaversion", 0}}, "schemaversion", "1 to 65535");
  expect_refused({{"userid", 1.5}}, "userid", "is a string");
  expect_refused({{"sessionid", Json::array()}}, "sessionid", "array");
  expect_refused({{"sessionid", "a\u0001"}}, "sessionid", "control");
  expect_refused({{"metadata", Json::object({{"a", 1}})}}, "metadata", "one string");
  expect_refused({{"metadata", "[1]"}}, "metadata", "array");
  expect_refused({{"metadata", "{"}}, "metadata", "not JSON");
  expect_refused({{"metadata", R"({"a":1,"a":2})"}}, "metadata", "\"a\" twice");
  expect_refused({{"subject", ""}}, "subject", "empty");
  expect_refused({{"dataschema", ""}}, "dataschema", "empty");
}

TEST(CloudEventReader, RefusesExtensionsThatCloudEventsForbids) {
  expect_refused({{"FooBar", "x"}}, "FooBar", "lower-case");
  expect_refused({{"foo-bar", "x"}}, "foo-bar", "lower-case");
  expect_refused({{"foo_bar", "x"}}, "foo_bar", "lower-case");
  expect_refused({{"", "x"}}, "", "lower-case");
  expect_refused({{"foo", {{"a", 1}}}}, "foo", "not object");
  expect_refused({{"foo", {1}}}, "foo", "not array");
  expect_refused({{"foo", 1.5}}, "foo", "1.5");
  expect_refused({{"foo", 2147483648}}, "foo", "32 bits");
  expect_refused({{"foo", -2147483649}}, "foo", "32 bits");
  expect_refused({{"foo", "a\tb"}}, "foo", "control");
  Json many = Json::object();
  for (int i = 0; i < 129; ++i) many["x" + std::to_string(i)] = i;
  (void)error_of(ErrorCode::invalid_event, [&] { (void)from_cloud_event(envelope(many)); });
}

TEST(CloudEventReader, ReadsDataByItsContentType) {
  EXPECT_EQ(from_cloud_event(envelope({{"data", "text"}})).json(), "text");
  EXPECT_EQ(from_cloud_event(envelope({{"data", {1}}, {"datacontenttype", "text/json"}})).json(),
            Json({1}));
  Json null_data = envelope();
  null_data["data"] = nullptr;
  EXPECT_TRUE(from_cloud_event(null_data).has_payload());

  const Event plain =
      from_cloud_event(envelope({{"data", "<x/>"}, {"datacontenttype", "text/xml"}}));
  EXPECT_TRUE(plain.is_bytes());
  EXPECT_EQ(text_of(plain), "<x/>");
  EXPECT_EQ(plain.content_type(), "text/xml");

  const Event binary = from_cloud_event(envelope({{"data_base64", "/wE="}}));
  EXPECT_EQ(text_of(binary), "\xff\x01");
  EXPECT_EQ(binary.content_type(), "application/octet-stream");
  EXPECT_EQ(from_cloud_event(envelope({{"data_base64", "eyJhIjoxfQ=="},
                                       {"datacontenttype", "application/json"}}))
                .json(),
            Json({{"a", 1}}));
}

TEST(CloudEventReader, RefusesDataItCannotTake) {
  expect_refused({{"data", 1}, {"data_base64", "AA=="}}, "data_base64", "beside data");
  expect_refused({{"data_base64", "A"}}, "data_base64", "base64");
  expect_refused({{"data_base64", "AA==\n"}}, "data_base64", "base64");
  expect_refused({{"data_base64", 5}}, "data_base64", "is a string");
  expect_refused({{"data", 1}, {"datacontenttype", "text/xml"}}, "data", "is a string when");
  expect_refused({{"data", 1}, {"datacontenttype", "json"}}, "datacontenttype", "slash");
  expect_refused({{"datacontenttype", ""}}, "datacontenttype", "slash");
}

TEST(CloudEventReader, RefusesTextThatIsNoEvent) {
  (void)error_of(ErrorCode::invalid_json, [] { (void)from_cloud_event("{"); });
  (void)error_of(ErrorCode::invalid_event, [] { (void)from_cloud_event("[]"); });
  (void)error_of(ErrorCode::invalid_event, [] { (void)from_cloud_event("null"); });
  EXPECT_TRUE(mentions(
      error_of(ErrorCode::invalid_json, [] { (void)from_cloud_event(R"({"id":"1","id":"2"})"); }),
      "\"id\""));
  (void)error_of(ErrorCode::invalid_json, [] { (void)from_cloud_event("{\"id\":\"\\ud800\"}"); });
  (void)error_of(ErrorCode::too_deep, [] { (void)from_cloud_event(std::string(100'000, '[')); });
  Json deep = 1;
  for (int i = 0; i < 65; ++i) deep = Json::array({std::move(deep)});
  (void)error_of(ErrorCode::too_deep, [&] { (void)from_cloud_event(envelope({{"data", deep}})); });
  EXPECT_NO_THROW((void)from_cloud_event(envelope({{"data", deep.at(0)}}).dump()));
}

TEST(CloudEventReader, GivesEveryReaderTheSameIdForAForeignOne) {
  const Event a = from_cloud_event(envelope({{"id", "A234"}}));
  const Event b = from_cloud_event(envelope({{"id", "A234"}}));
  EXPECT_FALSE(a.id().is_nil());
  EXPECT_EQ(a.id(), b.id());
  EXPECT_NE(a.id(), from_cloud_event(envelope({{"id", "A235"}})).id());
  EXPECT_NE(a.id(), from_cloud_event(envelope({{"id", "A234"}, {"source", "/other"}})).id());
}

// Whatever the bytes are: an event, or an Error. Never a crash, never another exception.
TEST(CloudEventReader, SurvivesRandomDamage) {
  const std::string good = envelope({{"time", "2023-11-14T23:13:20Z"},
                                     {"data", {{"a", {1, 2}}}},
                                     {"metadata", R"({"a":1})"},
                                     {"hops", 3},
                                     {"ext", true}})
                               .dump();
  std::mt19937_64 random(11);
  int accepted = 0;
  for (int round = 0; round < 5'000; ++round) {
    std::string text = good;
    for (std::size_t hits = 1 + random() % 3; hits > 0; --hits) {
      text[random() % text.size()] =
          static_cast<char>(random() % 2 == 0 ? random() : ' ' + random() % 95);
    }
    try {
      const Event event = from_cloud_event(text);
      EXPECT_FALSE(to_cloud_event_text(event).empty());
      ++accepted;
    } catch (const Error& error) {
      EXPECT_FALSE(std::string(error.what()).empty());
    }
  }
  EXPECT_GT(accepted, 0);
}

}  // namespace
}  // namespace busway
