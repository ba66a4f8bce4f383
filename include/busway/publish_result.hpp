// busway/publish_result.hpp -- what became of one publish, as far as it is known when publish
// returns.
// Layer: delivery
//
// Model      Counters of this event's deliveries and a list of what went wrong. Synchronous
//            deliveries have ended, asynchronous ones are queued.
// Threads    A value.
// Ownership  Owns its texts.
// Errors     This is where they are: code says whether the event was accepted, failures what
//            happened to single deliveries.
// Cost       48 bytes; allocates only when something went wrong.
// Example    examples/01_hello
#pragma once

#include <cstdint>
#include <string>

#include "busway/error.hpp"
#include "busway/event_id.hpp"
#include "busway/failure_list.hpp"

namespace busway {

struct PublishResult {
  EventId id{};
  std::uint32_t matched = 0;       ///< subscriptions the event goes to
  std::uint32_t delivered = 0;     ///< synchronous handlers that were done
  std::uint32_t queued = 0;        ///< put into mailboxes
  std::uint32_t dropped = 0;       ///< given up by overflow: of this event, or of one it displaced
  ErrorCode code = ErrorCode::ok;  ///< other than ok: refused as a whole, and no handler ran
  bool duplicate = false;  ///< the store has an event of this id: nothing was delivered again
  FailureList failures;

  /// Accepted, and nothing is known to have gone wrong.
  [[nodiscard]] bool ok() const noexcept { return code == ErrorCode::ok && failures.empty(); }
  /// One sentence for people: "ok", or the first failure and how many more.
  [[nodiscard]] std::string message() const;
};

}  // namespace busway
