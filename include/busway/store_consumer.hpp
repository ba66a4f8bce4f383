// busway/store_consumer.hpp -- one opening of a durable subscription: fetches events under a lease
// and settles them.
// Layer: store
//
// Model      fetch() leases events to this opening, first those that wait for another attempt and
//            are due, then new ones in the order of the log. Each is settled once: done, retry
//            later, released unhandled, or dead-lettered. What is not settled when its lease lapses
//            (renew() was not called in time, the process died) is given out again, with its
//            attempt counted; a settlement that comes after that is refused as stale. Attempts are
//            counted when an event is given out, so that one that kills its process is counted.
// Threads    Everything is [any-thread]. fetch() of one opening is not called concurrently.
// Ownership  Belongs to the caller; refers to the Store, which must outlive it.
// Errors     Error(store_unavailable) when the server cannot be asked now: the call may be
//            repeated, and a settlement that may have been stored is harmless to repeat.
//            Error(stopped) after close() of this or of the store, Error(not_found) when the name
//            was removed.
// Cost       One transaction a call, durable when it returns; whoever settles by hundreds pays a
//            hundredth each.
// Example    testing/include/busway/testing/store_conformance.hpp
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "busway/error.hpp"
#include "busway/event.hpp"

namespace busway {

/// An event given out to an opening.
struct Leased {
  Event event;
  std::uint64_t sequence = 0;
  unsigned attempt = 1;   ///< this one's number; 1: the first
  bool redriven = false;  ///< was a dead letter and is sent again
};

struct FetchResult {
  std::vector<Leased> deliveries;
  /// Nothing more is to be had before this time, as far as is known now: a retry is due, or the
  /// lease of somebody else lapses. Unset: not before news come.
  std::optional<WallTime> due{};
  /// It looked at, or gave out, as much as one call is for: ask again at once for the rest.
  bool more = false;
  bool active = true;  ///< false: another instance is, and this one stands by
  std::size_t set_aside =
      0;  ///< events found corrupt, never to be delivered; the store has said so
};

/// What becomes of a delivery.
struct Settlement {
  enum class Kind : unsigned char {
    done,        ///< handled, or rejected by a filter
    retry,       ///< failed: once more, not sooner than `after` from now
    release,     ///< not handled: once more after `after`, and the attempt does not count
    dead_letter  ///< failed for good, and kept
  };
  std::uint64_t sequence = 0;
  Kind kind = Kind::done;
  std::chrono::nanoseconds after{};            ///< cut to limits::kRetryDelayMax; below 0: at once
  ErrorCode code = ErrorCode::handler_failed;  ///< of retry and dead_letter
  std::string reason{};                        ///< of retry and dead_letter
};

struct SettleResult {
  std::size_t accepted = 0;
  std::size_t stale = 0;  ///< their lease was somebody else's by then, or they were settled before
};

class StoreConsumer {
 public:
  virtual ~StoreConsumer() = default;

  /// At most max events (at most limits::kFetchMax); does not wait for any to come. Fewer, or none,
  /// need not be all: FetchResult::more.
  virtual FetchResult fetch(std::size_t max) = 0;

  /// Durable when it returns.
  virtual SettleResult settle(std::span<const Settlement> settlements) = 0;

  /// Both in one transaction, where the server can.
  virtual FetchResult settle_and_fetch(std::span<const Settlement> settlements, std::size_t max,
                                       SettleResult& settled) {
    settled = settle(settlements);
    return fetch(max);
  }

  /// Extends the lease on all that is given out and not settled. False: some of it had lapsed.
  virtual bool renew() = 0;

  /// A few bytes kept beside the cursor, for whoever uses the consumer; note() is what was kept
  /// last, by whichever opening of the name. More than limits::kDurableNoteBytesMax are
  /// Error(invalid_argument).
  virtual void keep_note(std::string_view note) = 0;
  [[nodiscard]] virtual std::string note() = 0;

  /// Gives back what is leased, at once and without counting its attempt. The destructor does, too.
  virtual void close() noexcept = 0;
};

}  // namespace busway
