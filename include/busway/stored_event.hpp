// busway/stored_event.hpp -- an event as a store holds it, and the questions one may ask for some.
// Layer: store
//
// Model      A query names ranges and fields; an event is in the answer when it fits all that are
//            given. Long answers come in pages: ask again with after = page.next.
// Threads    Plain structs.
// Ownership  A query refers to the caller's texts, for the call.
// Errors     None of their own.
// Cost       A query that is bounded by sequence or time reads that part of the log; other fields
//            are compared event by event.
// Example    testing/include/busway/testing/store_conformance.hpp
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "busway/event.hpp"
#include "busway/event_status.hpp"
#include "busway/pattern.hpp"

namespace busway {

struct StoredEvent {
  Event event;
  std::uint64_t sequence = 0;
  std::uint64_t writer = 0;  ///< the opening that appended it; Store::writer()
};

struct StoreQuery {
  enum class Direction : unsigned char { oldest_first, newest_first };
  Direction direction = Direction::oldest_first;
  std::span<const Pattern> patterns{};   ///< of topics; none: all
  std::uint64_t after = 0;               ///< sequences beyond this; newest first: before it
  std::optional<std::uint64_t> up_to{};  ///< and not beyond this; newest first: not below it
  std::optional<WallTime> since{};       ///< events not older
  std::optional<WallTime> until{};       ///< events older than this
  /// At most so many; 0: the store's page. Large events make a page end before it: page.more says
  /// whether there may be others.
  std::size_t limit = 0;
  std::optional<std::uint64_t> not_by{};  ///< not those of this writer
  std::optional<Origin> origin{};
  std::optional<std::string_view> source{};
  std::optional<std::string_view> user_id{};
  std::optional<std::string_view> session_id{};
  std::optional<std::string_view> instance_id{};
  std::optional<std::string_view> schema{};
  std::optional<std::string_view> entity{};
  std::optional<std::string_view> operation{};
  std::optional<std::string_view> correlation_id{};
  std::optional<EventStatus> status{};
};

struct StorePage {
  std::vector<StoredEvent> events;
  std::uint64_t next = 0;     ///< where the next page begins: `after` of it
  bool more = false;          ///< there may be more
  std::size_t set_aside = 0;  ///< events left out because they are corrupt
};

/// How far a stored event has come with one durable subscription.
struct StoredDelivery {
  std::string durable{};
  enum class State : unsigned char { pending, processing, retrying, completed, dead_lettered };
  State state = State::pending;
  unsigned attempts = 0;              ///< so far, as far as is known; 0 of completed ones: unknown
  std::optional<WallTime> changed{};  ///< of retrying and dead-lettered ones: the last failure
  std::optional<WallTime> due{};      ///< of retrying ones
  /// Of those given out: when the lease ends, unless it is renewed.
  std::optional<WallTime> lease_until{};
  std::string error{};  ///< of the last failure
};

struct StoredStatus {
  StoredEvent stored{};
  /// Of all deliveries together: failed while one is a dead letter, also one that is sent again;
  /// else completed when all are, or there is none; else pending when none has begun; else
  /// processing.
  EventStatus status = EventStatus::pending;
  std::vector<StoredDelivery> deliveries{};  ///< of the durable subscriptions that match
  WallTime appended{};                       ///< when the store took it, by the appender's clock
};

}  // namespace busway
