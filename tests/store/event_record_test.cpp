#include "busway/event_record.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "busway/error.hpp"
#include "busway/typed_event.hpp"

namespace busway {
namespace {

struct Order {
  static constexpr std::string_view topic = "order.created";
  static constexpr int schema_version = 4;
  int id = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Order, id)

struct Local {
  static constexpr std::string_view topic = "local";
  static constexpr bool in_process = true;
};

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}
std::string text_of(std::span<const std::byte> data) {
  return {reinterpret_cast<const char*>(data.data()), data.size()};
}

/// Every field is set, and none as another one.
EventRecord whole_record() {
  EventRecord record;
  record.id = {0x0193'2c07'209b'7e5aU, 0x8e2f'5b8f'6d2f'3a11U};
  record.causation_id = {1, 2};
  record.time_ns = -1'234'567'890'123'456'789;
  record.topic = "order.created";
  record.source = "source";
  record.key = "key";
  record.user_id = "user";
  record.session_id = "session";
  record.instance_id = "instance";
  record.schema = "schema";
  record.entity = "entity";
  record.operation = "operation";
  record.correlation_id = "correlation";
  record.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  record.metadata = R"({"a":1,"b":[null,true]})";
  record.extensions = R"({"custom":"x"})";
  record.has_payload = true;
  record.content_type = "text/plain";
  record.payload = bytes_of("payload");
  record.schema_version = 7;
  record.hops = 9;
  record.priority = Priority::high;
  record.origin = Origin::frontend;
  return record;
}

TEST(EventRecord, ComesBackWithEveryFieldAsItWas) {
  const EventRecord record = whole_record();
  const Event event = event_of(record);
  RecordScratch scratch;
  const EventRecord again = record_of(event, scratch);
  EXPECT_EQ(again.id, record.id);
  EXPECT_EQ(again.causation_id, record.causation_id);
  EXPECT_EQ(again.time_ns, record.time_ns);
  EXPECT_EQ(again.topic, record.topic);
  EXPECT_EQ(again.source, record.source);
  EXPECT_EQ(again.key, record.key);
  EXPECT_EQ(again.user_id, record.user_id);
  EXPECT_EQ(again.session_id, record.session_id);
  EXPECT_EQ(again.instance_id, record.instance_id);
  EXPECT_EQ(again.schema, record.schema);
  EXPECT_EQ(again.entity, record.entity);
  EXPECT_EQ(again.operation, record.operation);
  EXPECT_EQ(again.correlation_id, record.correlation_id);
  EXPECT_EQ(again.traceparent, record.traceparent);
  EXPECT_EQ(again.metadata, record.metadata);
  EXPECT_EQ(again.extensions, record.extensions);
  EXPECT_TRUE(again.has_payload);
  EXPECT_EQ(again.content_type, record.content_type);
  EXPECT_EQ(text_of(again.payload), "payload");
  EXPECT_EQ(again.schema_version, record.schema_version);
  EXPECT_EQ(again.hops, record.hops);
  EXPECT_EQ(again.priority, record.priority);
  EXPECT_EQ(again.origin, record.origin);
  EXPECT_EQ(checksum(again, 5), checksum(record, 5));

  EXPECT_EQ(event.user_id(), "user");
  EXPECT_EQ(*event.metadata().find("a"), 1);
  EXPECT_EQ(event.extensions().at("custom"), "x");
}

TEST(EventRecord, OfABareEventHasNothingElse) {
  RecordScratch scratch;
  const EventRecord record = record_of(Event("bare"), scratch);
  EXPECT_EQ(record.topic, "bare");
  EXPECT_FALSE(record.has_payload);
  EXPECT_EQ(record.metadata, "");
  EXPECT_EQ(record.extensions, "");
  EXPECT_EQ(record.content_type, "");
  EXPECT_EQ(record.schema_version, 1U);
  const Event event = event_of(record);
  EXPECT_FALSE(event.has_payload());
  EXPECT_TRUE(event.metadata().empty());
}

TEST(EventRecord, TellsAnEmptyPayloadFromNone) {
  RecordScratch scratch;
  const Event event("empty", bytes(std::string_view(), "text/plain"));
  const EventRecord record = record_of(event, scratch);
  EXPECT_TRUE(record.has_payload);
  EXPECT_EQ(record.payload.size(), 0U);
  EXPECT_TRUE(event_of(record).has_payload());
  EXPECT_EQ(event_of(record).content_type(), "text/plain");
  EventRecord none = record;
  none.has_payload = false;
  none.content_type = "";
  EXPECT_NE(checksum(none, 1), checksum(record, 1));
}

TEST(EventRecord, MakesJsonOfATypedPayload) {
  RecordScratch scratch;
  const Event event("order.created", typed_payload(Order{7}));
  const EventRecord record = record_of(event, scratch);
  EXPECT_EQ(record.content_type, "");
  EXPECT_EQ(text_of(record.payload), R"({"id":7})");
  EXPECT_EQ(record.schema_version, 4U);
  const Event again = event_of(record);
  EXPECT_TRUE(again.is_json());
  EXPECT_EQ(again.as<Order>().id, 7);
  EXPECT_EQ(again.json().at("id"), 7);
}

TEST(EventRecord, TellsJsonFromBytesThatSayTheyAreJson) {
  RecordScratch scratch;
  const Event json = event_of(record_of(Event("a", Payload::json({{"n", 1}})), scratch));
  EXPECT_TRUE(json.is_json());
  EXPECT_FALSE(json.is_bytes());
  EXPECT_FALSE(json.is_typed());
  EXPECT_EQ(json.payload_name(), "json");
  EXPECT_EQ(json.content_type(), "application/json");
  EXPECT_EQ(text_of(json.bytes()), R"({"n":1})");
  EXPECT_EQ(json.json(), (Json{{"n", 1}}));
  const Event said = event_of(record_of(Event("a", bytes("{", "application/json")), scratch));
  EXPECT_TRUE(said.is_bytes());
  EXPECT_EQ(said.content_type(), "application/json");
  EXPECT_EQ(text_of(said.bytes()), "{");
}

TEST(EventRecord, OfJsonThatWasReadFromOneIsTheSame) {
  RecordScratch scratch;
  const Event first("a", Payload::json({{"n", 1}}));
  const Event read = event_of(record_of(first, scratch));
  RecordScratch other;
  EXPECT_EQ(checksum(record_of(read, other), 7), checksum(record_of(first, scratch), 7));
  const Event shared = read.with_topic("b");  // with a payload of its own
  EXPECT_TRUE(shared.is_json());
  EXPECT_EQ(shared.json().at("n"), 1);
}

TEST(EventRecord, OfTextThatIsNoJsonIsAnErrorWhenSomeoneAsks) {
  EventRecord record = whole_record();
  record.content_type = "";
  const Event event = event_of(record);
  try {
    (void)event.json();
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_json);
  }
}

TEST(EventRecord, OfAPayloadThatCannotBeJsonIsRefused) {
  RecordScratch scratch;
  try {
    static_cast<void>(record_of(Event("local", typed_payload(Local{})), scratch));
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::payload_type);
  }
}

TEST(EventRecord, ThatNoEventCanHoldIsCorrupt) {
  const std::string long_text(limits::kTextBytesMax + 1, 'x');
  const std::vector<std::function<void(EventRecord&)>> damages{
      [](EventRecord& record) { record.topic = ""; },
      [](EventRecord& record) { record.topic = "two words\n"; },
      [](EventRecord& record) { record.topic = "\xff"; },
      [](EventRecord& record) { record.metadata = "{"; },
      [](EventRecord& record) { record.metadata = "[1]"; },
      [](EventRecord& record) { record.metadata = R"({"a":1,"a":2})"; },
      [](EventRecord& record) { record.extensions = "null"; },
      [](EventRecord& record) { record.extensions = "\xff"; },
      [](EventRecord& record) { record.content_type = "\n"; },
      [&](EventRecord& record) { record.source = long_text; },
  };
  for (std::size_t i = 0; i < damages.size(); ++i) {
    EventRecord record = whole_record();
    damages[i](record);
    try {
      static_cast<void>(event_of(record));
      ADD_FAILURE() << "damage " << i << " was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::corrupt) << "damage " << i << ": " << error.what();
      EXPECT_TRUE(std::string_view(error.what()).starts_with("a stored event: ")) << error.what();
    }
  }
}

TEST(Checksum, IsTheSameOnEveryMachineForEver) {
  EXPECT_EQ(checksum(whole_record(), 42), 15426193348710803555U);
  EXPECT_EQ(checksum(EventRecord{}, 0), 17766251200629905318U);
  // XXH64 as its specification has it.
  EXPECT_EQ(checksum(bytes_of("")), 0xEF46DB3751D8E999U);
  EXPECT_EQ(checksum(bytes_of("abc")), 0x44BC2CF5AD770999U);
  EXPECT_NE(checksum(bytes_of("abc"), 1), checksum(bytes_of("abc")));
}

TEST(Checksum, ChangesWithEveryFieldAndTheSequence) {
  const std::vector<std::function<void(EventRecord&)>> changes{
      [](EventRecord& record) { record.id.high ^= 1U; },
      [](EventRecord& record) { record.id.low ^= 1U; },
      [](EventRecord& record) { record.causation_id.low ^= 1U; },
      [](EventRecord& record) { record.time_ns += 1; },
      [](EventRecord& record) { record.topic = "order.createe"; },
      [](EventRecord& record) { record.source = "sourcf"; },
      [](EventRecord& record) { record.key = ""; },
      [](EventRecord& record) { record.user_id = "x"; },
      [](EventRecord& record) { record.session_id = "x"; },
      [](EventRecord& record) { record.instance_id = "x"; },
      [](EventRecord& record) { record.schema = "x"; },
      [](EventRecord& record) { record.entity = "x"; },
      [](EventRecord& record) { record.operation = "x"; },
      [](EventRecord& record) { record.correlation_id = "x"; },
      [](EventRecord& record) { record.traceparent = "x"; },
      [](EventRecord& record) { record.metadata = "{}"; },
      [](EventRecord& record) { record.extensions = "{}"; },
      [](EventRecord& record) { record.has_payload = false; },
      [](EventRecord& record) { record.content_type = "x"; },
      [](EventRecord& record) { record.payload = bytes_of("payloae"); },
      [](EventRecord& record) { record.schema_version += 1; },
      [](EventRecord& record) { record.hops += 1; },
      [](EventRecord& record) { record.priority = Priority::low; },
      [](EventRecord& record) { record.origin = Origin::plugin; },
      // What one field loses and its neighbour gains.
      [](EventRecord& record) {
        record.source = "sourcek";
        record.key = "ey";
      },
      [](EventRecord& record) {
        record.user_id = "session";
        record.session_id = "user";
      },
  };
  std::set<std::uint64_t> sums{checksum(whole_record(), 1), checksum(whole_record(), 2)};
  for (const auto& change : changes) {
    EventRecord record = whole_record();
    change(record);
    sums.insert(checksum(record, 1));
  }
  EXPECT_EQ(sums.size(), changes.size() + 2);
}

}  // namespace
}  // namespace busway
