// busway/event_record.hpp -- an event flat, as columns or fields: what stores write and read.
// Layer: store
//
// Model      record_of(event) and event_of(record) lose nothing but this: a typed payload becomes
//            its JSON. JSON comes back as JSON, which is parsed when someone asks. Texts that are
//            empty are unset.
// Threads    Plain values.
// Ownership  Views refer to the event, or to the owned texts beside them (scratch), or to whoever
//            filled the record in.
// Errors     record_of() throws Error(payload_type) for a payload that cannot be JSON. event_of()
//            throws Error(corrupt) for what no event can hold.
// Cost       One pass; JSON is made when the event has not made it yet.
// Example    tests/store/event_record_test.cpp
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "busway/event.hpp"

namespace busway {

struct EventRecord {
  EventId id{};
  EventId causation_id{};
  std::int64_t time_ns = 0;  ///< since the epoch, UTC
  std::string_view topic{};
  std::string_view source{};
  std::string_view key{};
  std::string_view user_id{};
  std::string_view session_id{};
  std::string_view instance_id{};
  std::string_view schema{};
  std::string_view entity{};
  std::string_view operation{};
  std::string_view correlation_id{};
  std::string_view traceparent{};
  std::string_view metadata{};    ///< a JSON object
  std::string_view extensions{};  ///< a JSON object
  bool has_payload = false;
  std::string_view content_type{};  ///< of bytes; empty: the payload is JSON
  std::span<const std::byte> payload{};
  std::uint16_t schema_version = 1;
  std::uint16_t hops = 0;
  Priority priority = Priority::normal;
  Origin origin = Origin::internal;
};

/// What a record refers to that the event does not hold as text.
struct RecordScratch {
  std::string metadata;
  std::string extensions;
};

[[nodiscard]] EventRecord record_of(const Event& event, RecordScratch& scratch);
[[nodiscard]] Event event_of(const EventRecord& record);

/// 64 bits over every field of the record and the sequence it is stored under (0: none): the same
/// on every machine, for ever.
[[nodiscard]] std::uint64_t checksum(const EventRecord& record, std::uint64_t sequence);
/// The same function over any bytes, for what else a store keeps.
[[nodiscard]] std::uint64_t checksum(std::span<const std::byte> bytes, std::uint64_t seed = 0);

}  // namespace busway
