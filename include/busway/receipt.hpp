// busway/receipt.hpp -- follows an event published with publish_async until all its deliveries have
// ended.
// Layer: bus
//
// Model      status() at any time; wait_for(duration) until settled, or on_settled(callback).
//            Outcomes by subscription.
// Threads    [any-thread]
// Ownership  Shares its state with the bus; may outlive it.
// Errors     result().code when the event was refused; wait_for() answers false at its deadline or
//            where the wait could never end (would_block on the thread that pumps the executor with
//            nothing to run). What a callback throws is logged.
// Cost       One allocation a receipt; some more and one post for callbacks.
// Example    tests/bus/receipt_callbacks_test.cpp
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "busway/event_status.hpp"
#include "busway/publish_result.hpp"

namespace busway {

namespace detail {
struct ReceiptState;
struct Dispatch;
}  // namespace detail

/// How one delivery ended.
struct DeliveryOutcome {
  SubscriptionId subscription = 0;
  std::string name;
  enum class Kind : unsigned char {
    delivered,
    failed,
    timed_out,
    dropped,
    dead_lettered
  } kind = Kind::delivered;
  std::string reason;
};
[[nodiscard]] std::string_view to_string(DeliveryOutcome::Kind kind) noexcept;

class Receipt {
 public:
  /// What the receipt can wait for: the event is durable, or all its deliveries have ended.
  /// Without a store an accepted event counts as stored at once: it is in memory.
  enum class Stage : unsigned char { stored, settled };

  [[nodiscard]] EventId id() const noexcept;
  [[nodiscard]] EventStatus status() const;
  /// Waits until the stage is reached; false at the deadline.
  bool wait_for(std::chrono::nanoseconds duration, Stage stage = Stage::settled) const;
  bool wait_for(Stage stage, std::chrono::steady_clock::time_point deadline) const;
  /// Calls back once when all deliveries have ended, also when they have already. On the bus's
  /// executor, after this returned; a receipt's callbacks one after the other, in the order given.
  /// Where the executor refuses the task or has not run it by the time the bus is destroyed, the
  /// callback is not lost: it runs on the thread that found out (the one that ended the last
  /// delivery, called this, or destroys the bus). bus.stop() waits for callbacks too. Inside one
  /// the bus behaves as inside a handler: unsubscribing and stop() do not wait. The receipt may go
  /// before. Throws Error(invalid_argument) when there is nothing to call.
  void on_settled(std::function<void(const Receipt&)> callback) const;
  /// The publish's result as known now; complete once settled.
  [[nodiscard]] PublishResult result() const;
  /// Of the deliveries that have ended.
  [[nodiscard]] std::vector<DeliveryOutcome> outcomes() const;

 private:
  friend struct detail::Dispatch;
  explicit Receipt(std::shared_ptr<detail::ReceiptState> state) noexcept
      : state_(std::move(state)) {}
  std::shared_ptr<detail::ReceiptState> state_;
};

}  // namespace busway
