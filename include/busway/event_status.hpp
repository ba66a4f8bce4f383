// busway/event_status.hpp -- how far an event has come.
// Layer: event
//
// Model      An event is pending until a delivery of it begins, then processing; completed when all
//            its deliveries were delivered or none matched, failed as soon as one ended otherwise.
//            bus.event_status(id) tells it of the last BusOptions::status_events accepted events,
//            with times, attempts and the first error; of others a store tells what it knows: when
//            a delivery began it does not, and when all had ended only where none matched or all
//            are dead letters. A dead letter that is sent again and then
//            delivered is a failure no more. Replayed deliveries do not count: they are of an event
//            that has passed.
// Threads    A value.
// Ownership  Owns its texts.
// Errors     bus.event_status() gives no value for an event that was refused, is too old or is not
//            known, and for all while status_events is 0, its default.
// Cost       None while status_events is 0: not an instruction on the way of an event. Else each
//            publish leaves the straight way (about ten times a plain one: one allocation and one
//            lock that all threads share), each queued delivery takes that lock twice, and some 270
//            bytes are kept an event.
// Example    tests/bus/event_status_test.cpp
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "busway/event_id.hpp"
#include "busway/wall_time.hpp"

namespace busway {

enum class EventStatus : unsigned char { pending, processing, completed, failed };
[[nodiscard]] std::string_view to_string(EventStatus status) noexcept;

struct EventStatusInfo {
  EventId id{};
  std::string topic;
  EventStatus status = EventStatus::pending;
  WallTime published{};               ///< when the bus accepted it
  std::optional<WallTime> started{};  ///< the first delivery began
  /// All deliveries have ended; may still be unset when the status is failed already.
  std::optional<WallTime> finished{};
  unsigned attempts = 0;  ///< of the delivery that needed most; 0: no handler was called
  std::string error;      ///< the subscription that failed first and why; empty: none
};

}  // namespace busway
