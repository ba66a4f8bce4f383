// busway/replay_request.hpp -- past events once more: which, and into what.
// Layer: bus
//
// Model      bus.replay({.pattern = "order.*", .into = ReplayInto::prefix("again.")}) takes the
//            events that the store has, or that a bus without one remembers, oldest first, up to
//            the last one there is when it begins: what comes meanwhile is not replayed.
//            Into a prefix each is published as PREFIX + topic, a new event with the time of now,
//            hops + 1, the original as its cause, and all else as it was; one whose topic begins
//            with the prefix is left out, so that a replay never replays itself. Into a
//            subscription the event itself goes to that one alone, where it listens to its topic:
//            of a durable name through its store, as a first attempt and for good, whether anybody
//            has it open or not; of another one through its mailbox, before what is live.
// Threads    Plain values.
// Ownership  Own their texts.
// Errors     What cannot be meant throws at the call: Error(invalid_pattern), Error(invalid_topic)
//            for the prefix, Error(invalid_option), Error(not_found). What became of the events is
//            in the ReplayResult, also where the store failed on the way.
// Cost       Pages of 256 events, however many there are. Into a prefix one append a page, into a
//            durable name one transaction a page and a row an event until it is settled.
// Example    tests/bus/replaying_test.cpp
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "busway/error.hpp"
#include "busway/event_id.hpp"
#include "busway/failure_list.hpp"
#include "busway/wall_time.hpp"

namespace busway {

/// A place in the past, itself included: a time, a sequence of the store, or an event.
struct ReplayPoint {
  enum class At : unsigned char { time, sequence, event };
  At at = At::time;
  WallTime moment{};
  std::uint64_t position = 0;
  EventId id{};

  [[nodiscard]] static ReplayPoint time(WallTime t) { return {.moment = t}; }
  [[nodiscard]] static ReplayPoint sequence(std::uint64_t n) {
    return {.at = At::sequence, .position = n};
  }
  [[nodiscard]] static ReplayPoint event(const EventId& one) {
    return {.at = At::event, .id = one};
  }
};

struct ReplayInto {
  enum class Kind : unsigned char { nothing, prefix, subscription, durable };
  Kind kind = Kind::nothing;
  std::string text{};
  SubscriptionId subscription_id = 0;

  /// Before each topic: "again." makes order.made again.order.made.
  [[nodiscard]] static ReplayInto prefix(std::string_view text) {
    return {.kind = Kind::prefix, .text = std::string(text)};
  }
  /// An asynchronous one of this bus.
  [[nodiscard]] static ReplayInto subscription(SubscriptionId id) {
    return {.kind = Kind::subscription, .subscription_id = id};
  }
  [[nodiscard]] static ReplayInto durable(std::string_view name) {
    return {.kind = Kind::durable, .text = std::string(name)};
  }
};

struct ReplayResult {
  enum class End : unsigned char {
    all,        ///< nothing is left
    limit,      ///< the limit was reached
    cancelled,  ///< the stop token said so
    stopped,    ///< the bus stops, is disabled, or the subscription has ended
    no_room,    ///< a mailbox is full, and waiting here could never end
    failed      ///< the store could not be asked; error says why
  };
  /// Events that were not replayed for one reason.
  struct Refused {
    ErrorCode code = ErrorCode::ok;
    std::uint64_t count = 0;
    std::string reason;  ///< of the first
  };

  End end = End::all;
  std::uint64_t replayed = 0;
  /// Not replayed because there is no need: the topic begins with the prefix, the subscription does
  /// not listen to it, has it still to come, or has seen it within its dedupe window.
  std::uint64_t skipped = 0;
  std::uint64_t corrupt = 0;   ///< left out by the store
  std::uint64_t failures = 0;  ///< deliveries of what was replayed that are known to have failed
  std::vector<Refused> refused{};  ///< what could not be replayed
  /// Of the last event it has dealt with; 0: of none, or of one that no store has.
  std::uint64_t last_sequence = 0;
  EventId last_id{};  ///< of that event
  std::string error{};

  [[nodiscard]] std::uint64_t refused_count() const noexcept {
    std::uint64_t sum = 0;
    for (const Refused& one : refused) sum += one.count;
    return sum;
  }
  /// Nothing is left of what was asked for, and all is well with it.
  [[nodiscard]] bool ok() const noexcept {
    return (end == End::all || end == End::limit) && refused.empty() && failures == 0 &&
           corrupt == 0;
  }
};
[[nodiscard]] std::string_view to_string(ReplayResult::End end) noexcept;

struct ReplayRequest {
  std::string pattern = "*";          ///< of topics, as in subscribe()
  std::optional<ReplayPoint> from{};  ///< unset: from the first one
  std::optional<ReplayPoint> to{};    ///< unset: to the last one there is now
  ReplayInto into{};
  std::uint64_t limit = 0;       ///< at most so many are replayed; 0: all
  double events_per_second = 0;  ///< not faster than this; 0: as fast as it goes
  /// count: only tells what would be replayed, as far as that is known beforehand: what a durable
  /// name has still to settle is not left out, and no filter, queue or dedupe window is asked.
  enum class Act : unsigned char { replay, count };
  Act act = Act::replay;
  std::stop_token stop{};  ///< ends it between two pages, or while it waits
  /// Told how far it is after each page, and after each part of one where a rate or a full queue
  /// cuts it up; on the thread of the call.
  std::function<void(const ReplayResult&)> progress{};
};

}  // namespace busway
