#include "busway/event_record.hpp"

#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/escape.hpp"
#include "busway/error.hpp"
#include "busway/topic_name.hpp"
#include "event/bytes_value.hpp"
#include "event/event_access.hpp"
#include "event/json_guard.hpp"
#include "event/rare_fields.hpp"

namespace busway {
namespace {

Json object_of(std::string_view field, std::string_view text) {
  try {
    Json object = detail::parse_json(text);
    if (object.is_object()) return object;
  } catch (const Error& error) {
    throw Error(ErrorCode::corrupt,
                "a stored event: its " + std::string(field) + ": " + error.what());
  }
  throw Error(ErrorCode::corrupt,
              "a stored event: its " + std::string(field) + " is no JSON object");
}

Payload payload_of(const EventRecord& record) {
  if (!record.has_payload) return {};
  if (record.content_type.empty()) return detail::json_payload_of_text(record.payload);
  return bytes(record.payload, record.content_type);
}

}  // namespace

EventRecord record_of(const Event& event, RecordScratch& scratch) {
  EventRecord record;
  record.id = event.id();
  record.causation_id = event.causation_id();
  record.time_ns = detail::EventAccess::time_ns(event);
  record.topic = event.topic();
  record.source = event.source();
  record.schema_version = event.schema_version();
  record.hops = event.hops();
  record.priority = event.priority();
  record.origin = event.origin();
  if (detail::EventAccess::rare(event) != nullptr) {
    record.key = event.key();
    record.user_id = event.user_id();
    record.session_id = event.session_id();
    record.instance_id = event.instance_id();
    record.schema = event.schema();
    record.entity = event.entity();
    record.operation = event.operation();
    record.correlation_id = event.correlation_id();
    record.traceparent = event.traceparent();
    if (!event.metadata().empty()) {
      scratch.metadata = event.metadata().json().dump();
      record.metadata = scratch.metadata;
    }
    if (const Json& extensions = event.extensions(); !extensions.empty()) {
      scratch.extensions = extensions.dump();
      record.extensions = scratch.extensions;
    }
  }
  record.has_payload = event.has_payload();
  if (record.has_payload) {
    if (event.is_bytes()) record.content_type = event.content_type();
    record.payload = event.bytes();
  }
  return record;
}

Event event_of(const EventRecord& record) {
  try {
    Event event(record.topic, payload_of(record),
                {.source = record.source,
                 .priority = record.priority,
                 .origin = record.origin,
                 .schema_version = record.schema_version,
                 .id = record.id,
                 .time = WallTime(std::chrono::nanoseconds(record.time_ns))});
    detail::EventAccess::set_cause(event, record.causation_id, record.hops);
    detail::RareValues rare{.texts = {record.key, record.user_id, record.session_id,
                                      record.instance_id, record.schema, record.entity,
                                      record.operation, record.correlation_id, record.traceparent}};
    if (!record.metadata.empty()) {
      rare.metadata = Metadata::from_json(object_of("metadata", record.metadata));
    }
    if (!record.extensions.empty()) {
      rare.extensions = std::make_shared<const Json>(object_of("extensions", record.extensions));
    }
    if (detail::RareFields* const made = detail::RareFields::make(std::move(rare))) {
      detail::EventAccess::adopt_rare(event, made);
    }
    return event;
  } catch (const Error& error) {
    if (error.code() == ErrorCode::corrupt) throw;
    if (error.code() == ErrorCode::invalid_topic) {
      throw Error(ErrorCode::corrupt,
                  "a stored event: its topic " + quote(record.topic, 80) + ": " + error.what());
    }
    throw Error(ErrorCode::corrupt, std::string("a stored event: ") + error.what());
  }
}

}  // namespace busway
