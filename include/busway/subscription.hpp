// busway/subscription.hpp -- ends one listener's registration.
// Layer: bus
//
// Model      A move-only receipt: destroying it unsubscribes.
// Threads    reset() [any-thread]; all else [not-concurrent]. Outside a handler, waits for this
//            subscription's running calls and nothing else; inside one, never. Do not reset while
//            holding a lock that the handler takes.
// Ownership  Keeps no bus alive; may outlive the Bus and then does nothing.
// Errors     Nothing here fails.
// Cost       reset(): O(1) in the listeners of a topic; a barrier of some microseconds when other
//            threads publish.
// Example    examples/08_owned_by_a_program
#pragma once

#include <chrono>
#include <cstdint>
#include <utility>

#include "busway/publish_result.hpp"

namespace busway {

namespace detail {
struct Subscriber;
struct Dispatch;
}  // namespace detail

class [[nodiscard]] Subscription {
 public:
  Subscription() noexcept = default;
  Subscription(Subscription&& other) noexcept
      : subscriber_(std::exchange(other.subscriber_, nullptr)) {}
  Subscription& operator=(Subscription&& other) noexcept {
    if (this != &other) {
      reset();
      subscriber_ = std::exchange(other.subscriber_, nullptr);
    }
    return *this;
  }
  ~Subscription() { reset(); }

  /// Unsubscribes: from now on no handler of it starts. Calls running on other threads are waited
  /// for unless this is called inside a handler.
  void reset() noexcept;

  /// Waits until no call of this subscription runs; for use after reset() inside a handler, or
  /// before it. Returns false at the deadline, and at once when the caller is inside a call of it.
  bool wait_idle(std::chrono::steady_clock::time_point deadline) const;

  /// Leaves the subscription to its owner: it lasts until unsubscribed by id, owner or pattern, or
  /// the bus ends.
  SubscriptionId release() noexcept;

  /// Holds deliveries back: synchronous ones are passed over (counted as skipped), asynchronous
  /// ones stay queued.
  void pause() noexcept;
  void resume() noexcept;

  /// 0 when empty.
  [[nodiscard]] SubscriptionId id() const noexcept;
  /// Whether it still listens.
  [[nodiscard]] bool active() const noexcept;
  [[nodiscard]] explicit operator bool() const noexcept { return subscriber_ != nullptr; }

 private:
  friend struct detail::Dispatch;
  explicit Subscription(detail::Subscriber* subscriber) noexcept : subscriber_(subscriber) {}

  detail::Subscriber* subscriber_ = nullptr;  // one reference
};

}  // namespace busway
