// busway/dead_letters.hpp -- deliveries that were given up, kept to be looked at and sent again.
// Layer: bus
//
// Model      bus.dead_letters() is a view of the bus's box. A delivery of an asynchronous
//            subscription comes here when its attempts are used up, when its failure is not worth a
//            retry, or when its handler said so. redrive() sends a letter to the subscription that
//            failed, and to no other: the one of that id, else the one of the same name. The letter
//            stays until that delivery has ended well; when it fails again, it is the same letter
//            with one more line of history.
// Threads    Everything is [any-thread], also inside handlers.
// Ownership  The view refers to the bus and must not outlive it. Letters are copies.
// Errors     redrive() says how many letters it did not send and why; a bad pattern throws
//            Error(invalid_pattern).
// Cost       At most BusOptions::dead_letters are kept; then the oldest falls out, and is counted.
//            list() and the calls that take a query look at all of them.
// Example    examples/03_retry_dead_letter
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "busway/error.hpp"
#include "busway/event.hpp"
#include "busway/failure_list.hpp"

namespace busway {

namespace detail {
class BusCore;
}

/// Names one letter of a bus; never used again.
using DeadLetterId = std::uint64_t;

struct DeadLetter {
  /// One time the delivery was given up.
  struct Death {
    WallTime time{};
    ErrorCode code = ErrorCode::handler_failed;
    std::string reason;
    unsigned attempts = 0;
  };

  DeadLetterId id = 0;
  Event event;
  SubscriptionId subscription = 0;
  std::string name;   ///< the subscription's name, or its pattern
  std::string owner;  ///< of the subscription
  /// Oldest first, never empty: a redrive that failed adds one. At most the last 16.
  std::vector<Death> history;
  bool redriving = false;  ///< on its way to the subscription again
  bool stored = false;     ///< of a durable subscription: the store has it, and keeps it

  [[nodiscard]] const Death& last() const { return history.back(); }
};

/// Which letters: those that fit all fields given; none given: all.
struct DeadLetterQuery {
  std::string_view pattern{};  ///< of topics
  std::string_view name{};     ///< of the subscription
  std::string_view owner{};
  std::size_t limit = 0;  ///< at most so many, oldest first; 0: all
};

struct RedriveResult {
  std::size_t sent = 0;
  std::size_t on_their_way = 0;     ///< were being redriven already
  std::size_t no_subscription = 0;  ///< the subscription has ended and no other has its name
  std::size_t not_found = 0;        ///< there is no letter of that id

  [[nodiscard]] bool ok() const noexcept {
    return on_their_way == 0 && no_subscription == 0 && not_found == 0;
  }
};

class DeadLetters {
 public:
  /// Oldest first.
  [[nodiscard]] std::vector<DeadLetter> list(const DeadLetterQuery& query = {}) const;
  [[nodiscard]] std::optional<DeadLetter> get(DeadLetterId id) const;
  [[nodiscard]] std::size_t size() const;
  /// Letters that were lost because the box was full.
  [[nodiscard]] std::uint64_t fallen_out() const;

  RedriveResult redrive(DeadLetterId id);
  RedriveResult redrive(const DeadLetterQuery& query);
  RedriveResult redrive_all() { return redrive(DeadLetterQuery{}); }

  /// Forgets letters; those being redriven stay. Returns how many went.
  std::size_t purge(DeadLetterId id);
  std::size_t purge(const DeadLetterQuery& query);
  std::size_t purge_all() { return purge(DeadLetterQuery{}); }

 private:
  friend class Bus;
  explicit DeadLetters(detail::BusCore& core) noexcept : core_(&core) {}
  detail::BusCore* core_;
};

}  // namespace busway
