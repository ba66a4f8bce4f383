#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "busway/cloud_events.hpp"
#include "event/event_access.hpp"

namespace busway {
namespace {

// Random events and envelopes from one seed.
class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed) {}

  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
  bool chance() { return below(2) == 0; }

  std::string text() {
    static const std::vector<std::string> kPieces{"a",
                                                  "Z",
                                                  "7",
                                                  " ",
                                                  "/",
                                                  ":",
                                                  "\"",
                                                  "\\",
                                                  "'",
                                                  "\xc3\xa9",
                                                  "\xe2\x82\xac",
                                                  "\xf0\x9f\x98\x80"};
    std::string text = "x";
    for (std::uint64_t n = below(12); n > 0; --n) text += kPieces[below(kPieces.size())];
    return text;
  }
  std::string maybe_text() { return chance() ? text() : std::string(); }
  std::string topic() {
    return "t" + std::to_string(below(100)) + (chance() ? ".sub" : ":s\xc3\xa9");
  }

  Json json(int depth = 0) {
    switch (below(depth > 3 ? 6 : 8)) {
      case 0: return nullptr;
      case 1: return chance();
      case 2: return static_cast<std::int64_t>(random_());
      case 3: return random_();
      case 4:
        return std::ldexp(static_cast<double>(below(1'000'000)), static_cast<int>(below(80)) - 40);
      case 5: return text() + (chance() ? "\n\t\x01" : "");
      case 6: {
        Json list = Json::array();
        for (std::uint64_t n = below(4); n > 0; --n) list.push_back(json(depth + 1));
        return list;
      }
      default: {
        Json object = Json::object();
        for (std::uint64_t n = below(4); n > 0; --n) object[text()] = json(depth + 1);
        return object;
      }
    }
  }

  Payload payload() {
    switch (below(4)) {
      case 0: return {};
      case 1: return Payload::json(json());
      case 2: return bytes(raw(), "application/x-" + std::to_string(below(9)));
      default: return bytes(raw());
    }
  }

  EventId id() { return {random_() | 1U, random_()}; }

 private:
  std::string raw() {
    std::string data(below(40), '\0');
    for (char& c : data) c = static_cast<char>(random_());
    return data;
  }

  std::mt19937_64 random_;
};

Event random_event(Generator& generator) {
  Metadata metadata;
  for (std::uint64_t n = generator.below(3); n > 0; --n) {
    metadata.set(generator.text(), generator.json());
  }
  const std::string texts[] = {generator.text(),       generator.maybe_text(),
                               generator.maybe_text(), generator.maybe_text(),
                               generator.maybe_text(), generator.maybe_text(),
                               generator.maybe_text(), generator.maybe_text(),
                               generator.maybe_text(), generator.maybe_text()};
  Event event(generator.topic(), generator.payload(),
              {.source = texts[0],
               .priority = static_cast<Priority>(generator.below(3)),
               .key = texts[1],
               .metadata = metadata,
               .origin = static_cast<Origin>(generator.below(6)),
               .user_id = texts[2],
               .session_id = texts[3],
               .instance_id = texts[4],
               .schema = texts[5],
               .entity = texts[6],
               .operation = texts[7],
               .correlation_id = texts[8],
               .traceparent = texts[9],
               .schema_version = static_cast<std::uint16_t>(generator.below(65'536)),
               .id = generator.id(),
               .time = WallTime(std::chrono::nanoseconds(generator.below(1ULL << 62U)))});
  if (generator.chance()) {
    detail::EventAccess::set_cause(event, generator.id(),
                                   static_cast<std::uint16_t>(generator.below(65'536)));
  }
  return event;
}

std::string data_of(const Event& event) {
  const auto bytes = event.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void expect_same(const Event& a, const Event& b) {
  EXPECT_EQ(a.id(), b.id());
  EXPECT_EQ(a.topic(), b.topic());
  EXPECT_EQ(a.source(), b.source());
  EXPECT_EQ(a.origin(), b.origin());
  EXPECT_EQ(a.priority(), b.priority());
  EXPECT_EQ(a.time(), b.time());
  EXPECT_EQ(a.schema_version(), b.schema_version());
  EXPECT_EQ(a.hops(), b.hops());
  EXPECT_EQ(a.causation_id(), b.causation_id());
  EXPECT_EQ(a.metadata().json(), b.metadata().json());
  EXPECT_EQ(a.key(), b.key());
  EXPECT_EQ(a.user_id(), b.user_id());
  EXPECT_EQ(a.session_id(), b.session_id());
  EXPECT_EQ(a.instance_id(), b.instance_id());
  EXPECT_EQ(a.schema(), b.schema());
  EXPECT_EQ(a.entity(), b.entity());
  EXPECT_EQ(a.operation(), b.operation());
  EXPECT_EQ(a.correlation_id(), b.correlation_id());
  EXPECT_EQ(a.traceparent(), b.traceparent());
  EXPECT_EQ(a.extensions(), b.extensions());
  EXPECT_EQ(a.payload_name(), b.payload_name());
  EXPECT_EQ(a.content_type(), b.content_type());
  EXPECT_EQ(data_of(a), data_of(b));
}

TEST(CloudEventRoundTrip, RestoresEveryFieldOfAnyEvent) {
  Generator generator(20260131);
  for (int i = 0; i < 1000; ++i) {
    const Event event = random_event(generator);
    expect_same(event, from_cloud_event(to_cloud_event_text(event)));
    expect_same(event, from_cloud_event(to_cloud_event(event)));
    if (HasFailure()) FAIL() << "event " << i << ": " << to_cloud_event_text(event);
  }
}

TEST(CloudEventRoundTrip, RestoresForeignEnvelopes) {
  const Json base{{"specversion", "1.0"}, {"source", "/s"}, {"type", "t"}};
  for (const Json& more : {
           Json{{"id", "A234-1234"}},
           Json{{"id", "01932C07-209B-7E5A-8E2F-5B8F6D2F3A11"}},
           Json{{"id", "00000000-0000-0000-0000-000000000000"}},
           Json{{"id", "1"}, {"causationid", "cause"}, {"hops", 2}},
           Json{{"id", "1"}, {"causationid", "01932C07-209B-7E5A-8E2F-5B8F6D2F3A11"}},
           Json{{"id", "1"},
                {"subject", "s"},
                {"dataschema", "http://x/y"},
                {"n", -1},
                {"b", false}},
           Json{{"id", "1"}, {"data", {1, 2}}, {"datacontenttype", "application/vnd.x+json"}},
           Json{{"id", "1"}, {"data", "s"}, {"datacontenttype", "application/json; charset=utf-8"}},
           Json{{"id", "1"}, {"data_base64", "AAE="}, {"datacontenttype", "a/b"}},
       }) {
    Json envelope = base;
    envelope.update(more);
    EXPECT_EQ(to_cloud_event(from_cloud_event(envelope)), envelope);
  }
}

TEST(CloudEventRoundTrip, GivesUpTheForeignIdWithTheIdentity) {
  Event event =
      from_cloud_event(Json{{"specversion", "1.0"}, {"source", "/s"}, {"type", "t"}, {"id", "A"}});
  detail::EventAccess::set_id(event, EventId{1, 2});
  EXPECT_EQ(to_cloud_event(event).at("id"), "00000000-0000-0001-0000-000000000002");
}

TEST(CloudEventRoundTrip, ForgetsTheContentTypeWithTheData) {
  const Event event = from_cloud_event(Json{{"specversion", "1.0"},
                                            {"source", "/s"},
                                            {"type", "t"},
                                            {"id", "A"},
                                            {"data", {1}},
                                            {"datacontenttype", "text/json"}});
  EXPECT_FALSE(to_cloud_event(event.with_payload({})).contains("datacontenttype"));
  EXPECT_EQ(to_cloud_event(event.with_payload(bytes("x", "a/b"))).at("datacontenttype"), "a/b");
}

}  // namespace
}  // namespace busway
