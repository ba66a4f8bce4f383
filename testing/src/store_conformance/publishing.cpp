// What is appended: every field, every payload, batches, ids that were there before.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "busway/event_record.hpp"
#include "busway/typed_event.hpp"
#include "support.hpp"

namespace busway::testing::conformance {
namespace {

struct Order {
  static constexpr std::string_view topic = "order.created";
  static constexpr int schema_version = 3;
  int id = 0;
  std::string customer;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Order, id, customer)

struct InProcess {
  static constexpr std::string_view topic = "in.process";
  static constexpr bool in_process = true;
  int value = 0;
};

/// An event whose every field is set, some with all that UTF-8 has.
Event whole_event(WallTime time) {
  EventRecord record;
  record.id = new_id();
  record.causation_id = new_id();
  record.time_ns = time.time_since_epoch().count() + 1;  // to the nanosecond
  record.topic = "order.created";
  record.source = "shop \"north\"; DROP TABLE";
  record.key = "key 17";
  record.user_id = "Jürgen 用户";
  record.session_id = "session";
  record.instance_id = "instance";
  record.schema = "https://example.com/order";
  record.entity = "order";
  record.operation = "create";
  record.correlation_id = "correlation";
  record.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  record.metadata = R"({"a":1,"b":[true,null,"x"],"c":{"d":-1.5}})";
  record.extensions = R"({"custom":"value"})";
  record.has_payload = true;
  record.content_type = "text/plain; charset=utf-8";
  record.payload = std::as_bytes(std::span("the payload", 11));
  record.schema_version = 65'535;
  record.hops = 7;
  record.priority = Priority::high;
  record.origin = Origin::websocket;
  return event_of(record);
}

/// Appended, it comes back the same by each way there is.
void check_round_trip(Place& place, StoreConsumer& consumer, const Event& event) {
  const std::uint64_t sequence = place.put(event);
  const Leased leased = take_one(consumer);
  BUSWAY_CHECK_EQ(leased.sequence, sequence);
  check_same(leased.event, event);
  settle(consumer, done(leased.sequence));

  StoreQuery query;
  query.after = sequence - 1;
  const StorePage page = place.store().read(query);
  BUSWAY_CHECK_EQ(page.events.size(), 1U);
  BUSWAY_CHECK_EQ(page.events[0].sequence, sequence);
  BUSWAY_CHECK_EQ(page.events[0].writer, place.store().writer());
  check_same(page.events[0].event, event);

  const std::optional<StoredEvent> found = place.store().find(event.id());
  BUSWAY_CHECK(found.has_value());
  BUSWAY_CHECK_EQ(found->sequence, sequence);
  check_same(found->event, event);
}

void every_field(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("all");
  check_round_trip(place, *consumer, whole_event(place.now()));
  check_round_trip(place, *consumer, Event("bare", {}, {.id = new_id(), .time = place.now()}));
}

void times_and_enums(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("all");
  for (const WallTime time : {WallTime(nanoseconds(-1)), WallTime(nanoseconds(1)),
                              WallTime(std::chrono::sys_days(std::chrono::year(2200) / 1 / 1))}) {
    check_round_trip(place, *consumer, Event("time", {}, {.id = new_id(), .time = time}));
  }
  for (const Origin origin : {Origin::internal, Origin::system, Origin::database, Origin::websocket,
                              Origin::frontend, Origin::plugin}) {
    check_round_trip(place, *consumer,
                     Event("origin", {}, {.origin = origin, .id = new_id(), .time = place.now()}));
  }
  for (const Priority priority : {Priority::low, Priority::normal, Priority::high}) {
    check_round_trip(
        place, *consumer,
        Event("priority", {}, {.priority = priority, .id = new_id(), .time = place.now()}));
  }
}

void ids_of_any_version(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("all");
  const std::uint64_t all = ~std::uint64_t{0};
  for (const EventId id : {EventId{0, 1}, EventId{1, 0}, EventId{all, all},
                           EventId{std::uint64_t{1} << 63U, std::uint64_t{1} << 63U}}) {
    check_round_trip(place, *consumer, Event("id", {}, {.id = id, .time = place.now()}));
  }
}

void hundred_events(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("all");
  std::vector<Event> events;
  for (std::size_t n = 0; n < 100; ++n) {
    Metadata metadata;
    metadata.set("number", static_cast<int>(n));
    events.push_back(Event("test.event", Payload::json(Json{{"n", n}}),
                           {.metadata = metadata, .id = new_id(), .time = place.now()}));
    place.put(events.back());
  }
  const std::vector<Leased> got = finish(*consumer, 100);
  for (std::size_t n = 0; n < 100; ++n) check_same(got[n].event, events[n]);
  check_nothing(*consumer);
}

void payloads_of_any_size(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("all");
  const auto check = [&](std::string_view data) {
    check_round_trip(
        place, *consumer,
        Event("size", bytes(data, "text/plain"), {.id = new_id(), .time = place.now()}));
  };
  check("");
  check("x");
  check(std::string(4'096, 'a'));  // compresses well
  check(std::string(1U << 20U, 'b'));
  std::string noise(1U << 20U, '\0');  // compresses not at all
  std::uint32_t state = 1;
  for (char& c : noise) {
    state = state * 1'664'525U + 1'013'904'223U;
    c = static_cast<char>(state >> 24U);
  }
  check(noise);
}

void binary_payloads(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("all");
  std::string every_byte;
  for (int i = 0; i < 256; ++i) every_byte += static_cast<char>(i);
  for (const std::string& data : {every_byte, std::string(1, '\0'), std::string("a\0b\r\n", 5),
                                  std::string("\xff\xfe\xc0\x80")}) {
    check_round_trip(place, *consumer,
                     Event("binary", bytes(data), {.id = new_id(), .time = place.now()}));
  }
}

void every_character(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("all");
  std::string text;
  for (std::uint32_t c = 1; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;  // halves of pairs are no characters
    const auto put = [&](std::uint32_t byte) { text += static_cast<char>(byte); };
    if (c < 0x80) {
      put(c);
    } else if (c < 0x800) {
      put(0xC0U | (c >> 6U));
    } else if (c < 0x10000) {
      put(0xE0U | (c >> 12U));
      put(0x80U | ((c >> 6U) & 0x3FU));
    } else {
      put(0xF0U | (c >> 18U));
      put(0x80U | ((c >> 12U) & 0x3FU));
      put(0x80U | ((c >> 6U) & 0x3FU));
    }
    if (c >= 0x80) put(0x80U | (c & 0x3FU));
  }
  check_round_trip(place, *consumer,
                   Event("text", bytes(text, "text/plain"), {.id = new_id(), .time = place.now()}));

  Metadata metadata;
  metadata.set("Größe 大小 \xF0\x9F\x98\x80 \"quoted\" \\ \x01", "\xE2\x80\xAE a\tb\nc");
  check_round_trip(
      place, *consumer,
      Event("umlaut.äöü.日本", Payload::json(Json{{"ключ", "значение \xF0\x9F\x9A\x80"}}),
            {.source = "Österreich",
             .key = "\xF0\x9F\x98\x80' OR 1=1 --",
             .metadata = metadata,
             .id = new_id(),
             .time = place.now()}));
}

void json_and_typed_payloads(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("all");
  const Json json{{"list", {1, 2.5, true, nullptr, "x"}}, {"big", 9'007'199'254'740'993LL}};
  check_round_trip(place, *consumer,
                   Event("json", Payload::json(json), {.id = new_id(), .time = place.now()}));

  const Event typed("order.created", typed_payload(Order{7, "Ann"}),
                    {.id = new_id(), .time = place.now()});
  check_round_trip(place, *consumer, typed);
  place.put(place.event());
  const std::optional<StoredEvent> found = place.store().find(typed.id());
  BUSWAY_CHECK(found.has_value());
  BUSWAY_CHECK_EQ(found->event.schema_version(), 3U);
  BUSWAY_CHECK_EQ(found->event.as<Order>().customer, "Ann");
}

void what_cannot_be_kept(StoreHarness& harness) {
  Place place(harness);
  const Event no_json("in.process", typed_payload(InProcess{1}),
                      {.id = new_id(), .time = place.now()});
  const Event no_id("test.event");
  for (const Event& event : {no_json, no_id}) {
    const AppendResult result = place.store().append(event);
    BUSWAY_CHECK_EQ(result.answer, Appended::not_stored);
    BUSWAY_CHECK(!result.ok());
    BUSWAY_CHECK(!result.error.empty());
  }
  BUSWAY_CHECK_EQ(place.store().read({}).events.size(), 0U);
}

void each_of_a_batch(StoreHarness& harness) {
  Place place(harness);
  const std::vector<Event> first = place.events(10);
  const std::vector<std::uint64_t> sequences = place.put(first);
  BUSWAY_CHECK(std::is_sorted(sequences.begin(), sequences.end()));

  // Of a batch only what is really there is a duplicate: 2 before, 1 within.
  std::vector<Event> second = place.events(3);
  second.insert(second.begin() + 1, first[4]);
  second.push_back(first[9]);
  second.push_back(second[0]);
  std::vector<AppendResult> results(second.size());
  place.store().append(second, results);
  const std::vector<Appended> expected{Appended::stored, Appended::duplicate, Appended::stored,
                                       Appended::stored, Appended::duplicate, Appended::duplicate};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    BUSWAY_CHECK_EQ(results[i].answer, expected[i]);
    BUSWAY_CHECK(results[i].ok());
    BUSWAY_CHECK_EQ(results[i].error, "");
  }
  BUSWAY_CHECK_EQ(results[1].sequence, sequences[4]);
  BUSWAY_CHECK_EQ(results[4].sequence, sequences[9]);
  BUSWAY_CHECK_EQ(results[5].sequence, results[0].sequence);
  BUSWAY_CHECK_EQ(place.store().read({}).events.size(), 13U);
  place.store().append(std::span<const Event>(), std::span<AppendResult>());  // of nothing
}

void whole_or_not_at_all(StoreHarness& harness) {
  Place place(harness);
  const std::vector<Event> good = place.events(2);
  const std::vector<Event> batch{good[0], Event("has.no.id"), good[1]};
  std::vector<AppendResult> results(3);
  place.store().append(batch, results);
  for (const AppendResult& result : results) {
    BUSWAY_CHECK_EQ(result.answer, Appended::not_stored);
    BUSWAY_CHECK(!result.error.empty());
  }
  BUSWAY_CHECK_EQ(place.store().read({}).events.size(), 0U);
  BUSWAY_CHECK(!place.store().find(good[0].id()).has_value());
  place.put(good);  // their ids are not taken
}

void a_repeat(StoreHarness& harness) {
  Place place(harness);
  const auto consumer = place.open("all");
  const Event event = place.event();
  const std::uint64_t sequence = place.put(event);
  for (Store* store : {&place.store(), &place.other()}) {
    const AppendResult repeat = store->append(event);
    BUSWAY_CHECK_EQ(repeat.answer, Appended::duplicate);
    BUSWAY_CHECK_EQ(repeat.sequence, sequence);
    BUSWAY_CHECK(repeat.ok());
  }
  // The id decides, whatever else is said.
  const AppendResult other =
      place.store().append(Event("other.topic", {}, {.id = event.id(), .time = place.now()}));
  BUSWAY_CHECK_EQ(other.answer, Appended::duplicate);
  const std::vector<Leased> got = finish(*consumer, 1);
  check_same(got[0].event, event);
  check_nothing(*consumer);
  BUSWAY_CHECK_EQ(place.store().append(event).answer,
                  Appended::duplicate);  // also when it is settled
  check_nothing(*consumer);
  BUSWAY_CHECK(place.store().stats().duplicates >= 3U);
}

void a_repeat_after_reopening(StoreHarness& harness) {
  Place place(harness);
  const std::vector<Event> events = place.events(5);
  const std::vector<std::uint64_t> sequences = place.put(events);
  place.reopen();
  std::vector<AppendResult> results(5);
  place.store().append(events, results);
  for (std::size_t i = 0; i < 5; ++i) {
    BUSWAY_CHECK_EQ(results[i].answer, Appended::duplicate);
    BUSWAY_CHECK_EQ(results[i].sequence, sequences[i]);
  }
}

void known_as_long_as_kept(StoreHarness& harness) {
  Place place(harness);
  const std::vector<Event> events = place.events(4);
  const std::vector<std::uint64_t> sequences = place.put(events);
  place.pass(std::chrono::hours(24 * 400) * (place.is_manual() ? 1 : 0));
  BUSWAY_CHECK_EQ(place.store().append(events[0]).answer, Appended::duplicate);
  if (!place.store().features().trim) return;
  Retention retention;
  retention.max_events = 1;
  BUSWAY_CHECK_EQ(place.store().trim(retention).removed, 3U);
  const AppendResult again = place.store().append(events[0]);
  BUSWAY_CHECK_EQ(again.answer, Appended::stored);
  BUSWAY_CHECK(again.sequence > sequences[3]);
}

void sequences_have_no_gaps(StoreHarness& harness) {
  Place place(harness);
  const std::uint64_t first = place.put(place.event());
  BUSWAY_CHECK_EQ(first, 1U);
  const std::vector<Event> events = place.events(3);
  BUSWAY_CHECK_EQ(place.put(events).back(), 4U);
  BUSWAY_CHECK_EQ(place.store().append(events[0]).sequence, 2U);
  BUSWAY_CHECK_EQ(place.put(place.event()), 5U);
  BUSWAY_CHECK_EQ(place.store().stats().last_sequence, 5U);
}

}  // namespace

Cases publishing_cases() {
  static constexpr ConformanceCase kCases[] = {
      {"EveryFieldComesBackAsItWas", &every_field},
      {"TimesOriginsAndPrioritiesComeBackAsTheyWere", &times_and_enums},
      {"IdsOfAnyVersionComeBackAsTheyWere", &ids_of_any_version},
      {"AHundredEventsArriveWithPayloadAndMetadata", &hundred_events},
      {"PayloadsOfAnySizeComeBackAsTheyWere", &payloads_of_any_size},
      {"BinaryPayloadsComeBackAsTheyWere", &binary_payloads},
      {"EveryCharacterComesBackAsItWas", &every_character},
      {"JsonAndTypedPayloadsComeBackAsJson", &json_and_typed_payloads},
      {"WhatCannotBeKeptIsNotStoredAndSaysWhy", &what_cannot_be_kept},
      {"EachEventOfABatchHasItsOwnAnswer", &each_of_a_batch},
      {"ABatchIsStoredWholeOrNotAtAll", &whole_or_not_at_all, &StoreFeatures::atomic_batch,
       "atomic_batch"},
      {"ARepeatedIdIsADuplicateAndDeliversNothing", &a_repeat},
      {"ARepeatAfterReopeningIsADuplicate", &a_repeat_after_reopening, &StoreFeatures::persistent,
       "persistent"},
      {"AnIdIsKnownAsLongAsItsEventIsKept", &known_as_long_as_kept, &StoreFeatures::dedupe_always,
       "dedupe_always"},
      {"SequencesHaveNoGaps", &sequences_have_no_gaps, &StoreFeatures::ordered_log, "ordered_log"},
  };
  return kCases;
}

}  // namespace busway::testing::conformance
