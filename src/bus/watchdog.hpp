// bus/watchdog.hpp -- finds synchronous handlers that do not return, and keeps the stop tokens of
// synchronous handlers.
// Layer: bus
//
// Model      Looks at the frames of all threads four times within stuck_after. A frame that stands
//            on the same subscriber of the same publish as at an earlier look holds the same call:
//            a publish is told from the next one of its route by the route's count. A call seen for
//            stuck_after is reported once, by a log line, a count and a system.error event, and its
//            stop token is signalled. Handlers with a timeout and waits for room have deadlines of
//            their own and are left out, as are waits for a next attempt; a plugin's handler is
//            given the time of its own deadline as well.
// Threads    due() on the timekeeper's thread; the rest [any-thread].
// Ownership  Belongs to the bus; holds pointers it only compares.
// Errors     None.
// Cost       A handler that asks for no token pays nothing. A look: one barrier and a walk over the
//            frames. A stop token: one lock; asked for on another thread, the bus's lock as well.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "busway/publish_result.hpp"
#include "busway/wall_time.hpp"
#include "delivery/timekeeper.hpp"

namespace busway::detail {

class BusCore;
struct Frame;
struct Route;
struct Subscriber;

class Watchdog final : public delivery_detail::Timer {
 public:
  explicit Watchdog(BusCore& core) noexcept : core_(core) {}

  /// Begins to look, if it does not already.
  void begin();
  void due() noexcept override;

  /// The token of the call that runs in this frame.
  [[nodiscard]] std::stop_token stop_token(const Frame* frame, const Subscriber* subscriber);
  /// The publish of this frame has ended; for those that asked for tokens.
  void forget(const Frame* frame) noexcept;
  /// Signals the calls of a subscription that has ended, or all calls from now on (null).
  void request_stop(const Subscriber* subscriber);

  [[nodiscard]] std::uint64_t reported() const noexcept {
    return reported_.load(std::memory_order_acquire);
  }

 private:
  struct Call {
    const Frame* frame;
    const Subscriber* subscriber;
    std::uint32_t route;  // its serial
    std::uint64_t count;  // publishes of this thread along the route
    std::uint32_t waits;  // between attempts, in this frame: tells one attempt from the next
    bool operator==(const Call&) const = default;
  };
  struct Seen {
    Call call;
    SteadyTime since;
    bool reported;
  };
  struct Stuck {
    Call call;
    SubscriptionId id;
    std::string name;
    std::string owner;
    std::string topic;
    SteadyTime since;
  };
  struct Stop {
    Call call;
    bool asked;  // by the handler: its publish says when it has ended
    std::stop_source source;
  };
  /// Of a call whose handler asks for it.
  [[nodiscard]] std::stop_source asked_source_of(const Call& call);

  [[nodiscard]] std::vector<Stuck> look();
  void report(const Stuck& stuck);
  [[nodiscard]] std::stop_source source_of(const Call& call);

  BusCore& core_;
  std::atomic<bool> begun_{false};
  std::atomic<std::uint64_t> reported_{0};
  std::atomic<bool> all_stop_{false};
  std::vector<Seen> seen_;  // used by due() alone
  std::mutex mutex_;
  std::vector<Stop> stops_;  // guarded by mutex_
};

}  // namespace busway::detail
