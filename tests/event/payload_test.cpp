#include "busway/payload.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include <allocation_count.hpp>
#include <expect_error.hpp>
#include "busway/event.hpp"
#include "event/bytes_value.hpp"

namespace busway {
namespace {

std::string text_of(const Event& event) {
  const auto bytes = event.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(Payload, IsEmptyAtFirst) {
  const Event event("a", Payload());
  EXPECT_TRUE(Payload().empty());
  EXPECT_FALSE(event.has_payload());
  EXPECT_TRUE(event.json().is_null());
  EXPECT_TRUE(event.bytes().empty());
  EXPECT_EQ(event.content_type(), "");
  EXPECT_EQ(event.payload_name(), "");
}

TEST(Payload, OfJsonIsThatJson) {
  const Event event("a", Payload::json({{"n", 1}}));
  EXPECT_TRUE(event.is_json());
  EXPECT_FALSE(event.is_typed());
  EXPECT_EQ(event.json(), Json({{"n", 1}}));
  EXPECT_EQ(text_of(event), R"({"n":1})");
  EXPECT_EQ(event.content_type(), "application/json");
  EXPECT_EQ(event.payload_name(), "json");
}

TEST(Payload, OfJsonNullIsAPayload) {
  const Event event("a", Payload::json(nullptr));
  EXPECT_TRUE(event.has_payload());
  EXPECT_EQ(text_of(event), "null");
}

TEST(Payload, OfBytesKeepsThemWithTheirContentType) {
  const std::string data("\0\xff ok", 5);
  const Event event("a", bytes(data, "image/png"));
  EXPECT_TRUE(event.is_bytes());
  EXPECT_EQ(text_of(event), data);
  EXPECT_EQ(event.content_type(), "image/png");
  EXPECT_EQ(event.payload_name(), "bytes");
  EXPECT_EQ(Event("a", bytes("x")).content_type(), "application/octet-stream");
  EXPECT_EQ(text_of(Event("a", bytes(""))), "");
}

TEST(Payload, OfBytesTakesOneAllocation) {
  const std::size_t before = allocation_count();
  const Payload payload = bytes("0123456789012345678901234567890123456789", "text/plain");
  EXPECT_EQ(allocation_count() - before, 1U);
}

TEST(Payload, OfJsonBytesIsReadAsJsonOnce) {
  const Event event("a", bytes(R"({"n":1})", "Application/JSON; charset=utf-8"));
  const Json* const first = &event.json();
  EXPECT_EQ(*first, Json({{"n", 1}}));
  EXPECT_EQ(&event.json(), first);
  EXPECT_EQ(&Event(event).json(), first);
}

TEST(Payload, OfJsonBytesIsGuarded) {
  (void)error_of(ErrorCode::invalid_json,
                 [] { (void)Event("a", bytes(R"({"a":1,"a":2})", "application/json")).json(); });
  (void)error_of(ErrorCode::too_deep,
                 [] { (void)Event("a", bytes(std::string(100'000, '['), "text/json")).json(); });
}

TEST(Payload, OfOtherBytesHasNoJson) {
  EXPECT_TRUE(mentions(
      error_of(ErrorCode::payload_type, [] { (void)Event("a", bytes("{}", "text/plain")).json(); }),
      "\"text/plain\""));
}

TEST(Payload, RefusesAContentTypeThatIsNone) {
  for (const std::string wrong : {"", "text", "/plain", "text/", "text/plain\n", "t\xc3\xa9/x"}) {
    EXPECT_TRUE(mentions(error_of(ErrorCode::invalid_argument, [&] { (void)bytes("x", wrong); }),
                         "content type"))
        << wrong;
  }
}

TEST(Payload, KnowsJsonByItsMediaType) {
  for (const char* const json : {"application/json", "APPLICATION/JSON", "application/json ;x=y",
                                 "text/json", "application/vnd.shop+json", "a/b+JSON;c"}) {
    EXPECT_TRUE(detail::is_json_content_type(json)) << json;
  }
  for (const char* const other : {"", "text/plain", "application/jsonl", "+json", "application/xml",
                                  "text/plain;x=application/json"}) {
    EXPECT_FALSE(detail::is_json_content_type(other)) << other;
  }
}

TEST(Payload, IsSharedByItsCopies) {
  const Payload payload = Payload::json({1, 2, 3});
  const Payload copy = payload;
  const Event a("a", payload);
  const Event b("b", copy);
  EXPECT_EQ(&a.json(), &b.json());
}

TEST(Payload, RefusesJsonThatCouldNotBeWritten) {
  (void)error_of(ErrorCode::invalid_json, [] { (void)Payload::json("\xff"); });
  Json deep = 1;
  for (int i = 0; i < 100'000; ++i) {
    Json outer = Json::array();
    outer.push_back(std::move(deep));
    deep = std::move(outer);
  }
  (void)error_of(ErrorCode::too_deep, [&] { (void)Payload::json(std::move(deep)); });
}

}  // namespace
}  // namespace busway
