// busway/cloud_events.hpp -- events as CloudEvents 1.0 JSON, both ways.
// Layer: event
//
// Model      type = topic; data for JSON and typed payloads, data_base64 for bytes; busway's fields
//            are extension attributes (docs/formats/cloudevents.md lists them). Fields at their
//            default are left out. Attributes busway does not know are kept in event.extensions()
//            with their JSON type and written again.
// Threads    [any-thread]
// Ownership  Results own all they hold.
// Errors     Reading: Error(invalid_event) names the attribute, Error(invalid_topic) for its type,
//            Error(invalid_json, too_deep) for what is not JSON that busway accepts. Writing:
//            Error(invalid_event) for an event without an id (it gets one when it is published),
//            and what event.json() throws.
// Cost       O(size).
// Example    tests/event/cloud_events/round_trip_test.cpp
#pragma once

#include <concepts>
#include <string>
#include <string_view>

#include "busway/event.hpp"
#include "busway/json.hpp"

namespace busway {

namespace detail {
[[nodiscard]] Event event_from_envelope(const Json& envelope);
}

/// The event as one JSON object. instance_id is that of the bus the event leaves; it stands in for
/// what the event does not say: attribute instanceid, and source as "/busway/<instance_id>".
[[nodiscard]] Json to_cloud_event(const Event& event, std::string_view instance_id = {});

/// The same as text without line breaks.
[[nodiscard]] std::string to_cloud_event_text(const Event& event,
                                              std::string_view instance_id = {});

/// Reads a CloudEvent in the structured JSON format.
[[nodiscard]] Event from_cloud_event(std::string_view text);

/// The same from JSON that a program holds.
template <std::same_as<Json> J>
[[nodiscard]] Event from_cloud_event(const J& envelope) {
  return detail::event_from_envelope(envelope);
}

}  // namespace busway
