// bus/subscriber_sink.hpp -- makes handler calls of a mailbox's deliveries, and retries and dead
// letters of those that fail.
// Layer: bus
//
// Model      A delivery that fails waits as a RetryTimer at the bus's timekeeper until its delay is
//            over, then goes back into the mailbox. With no attempt left it is a dead letter.
//            Invariant: each delivery the mailbox accepted ends in one outcome, delivered,
//            dead_lettered or dropped; until then it is in the mailbox, in a call, or in retries_.
// Threads    As Mailbox; due() on the timekeeper's thread.
// Ownership  Belongs to its subscriber; each waiting retry holds a reference on it.
// Errors     None.
// Cost       Of a delivery that goes well: one addition. A waiting retry: about 250 bytes, its
//            event included, and no thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>

#include "busway/outcome.hpp"
#include "busway/publish_result.hpp"
#include "busway/store_consumer.hpp"
#include "busway/subscription_info.hpp"
#include "delivery/breaker.hpp"
#include "delivery/mailbox.hpp"
#include "delivery/timekeeper.hpp"

namespace busway::detail {

struct Subscriber;
class SubscriberSink;

/// A failed delivery that waits for its next attempt.
struct RetryTimer final : delivery_detail::Timer {
  RetryTimer(SubscriberSink& whose, const Event& of) : sink(whose), event(of) {}
  void due() noexcept override;

  SubscriberSink& sink;
  Event event;
  void* token = nullptr;
  delivery_detail::Attempts* attempts = nullptr;
  RetryTimer* previous = nullptr;
  RetryTimer* next = nullptr;
};

class SubscriberSink : public delivery_detail::MailboxSink {
 public:
  /// What is known of a call when it begins and wanted when it has ended.
  struct Begun {
    SteadyTime began{};
    SteadyTime deadline = SteadyTime::max();
    unsigned attempt = 1;
    bool sooner = false;  // the deadline comes before that of others
    delivery_detail::Breaker* breaker = nullptr;
    delivery_detail::Breaker::Verdict verdict = delivery_detail::Breaker::Verdict::pass;
    std::int64_t sample_from = 0;  // its time is taken; 0: it is not
  };

  explicit SubscriberSink(Subscriber& subscriber) noexcept : subscriber_(subscriber) {}
  SubscriberSink(const SubscriberSink&) = delete;
  SubscriberSink& operator=(const SubscriberSink&) = delete;
  virtual ~SubscriberSink() = default;
  delivery_detail::Then deliver(delivery_detail::Delivery& delivery,
                                delivery_detail::CallSlot& call) noexcept override;
  delivery_detail::Then timed_out(delivery_detail::Delivery& delivery, std::thread::id thread,
                                  const delivery_detail::Runnable& task,
                                  SteadyTime deadline) noexcept override;
  void read_past() noexcept override;
  [[nodiscard]] bool coming(
      std::span<const delivery_detail::Delivery> deliveries) noexcept override;
  void came_back(std::thread::id thread) noexcept override;
  delivery_detail::Timekeeper& timekeeper() override;
  [[nodiscard]] SteadyTime now() const noexcept override;
  void delivered_some(std::uint32_t count) noexcept override;
  void dropped(delivery_detail::Delivery& delivery,
               delivery_detail::DropReason reason) noexcept override;
  void retain() noexcept override;
  void release() noexcept override;

  /// From now on what would be dropped because the subscription ends is a dead letter, and so is
  /// what is given up; for this reason.
  void bury(std::string reason);
  /// Those that wait are dropped; the mailbox has closed, or takes no more.
  void drop_retries();
  void retry_due(RetryTimer& timer) noexcept;

  /// The bus is being destroyed: calls that are suspended are given up and cancelled.
  virtual void cancel_suspended() noexcept {}

  [[nodiscard]] DeliveryCounters counters(const delivery_detail::Mailbox& mailbox) const;

  std::atomic<std::uint64_t> refused{0};   // did not get into the full mailbox
  std::atomic<std::uint64_t> replayed{0};  // put into the mailbox by a replay
  // Calls that have returned, well or not; failed are those that were not well.
  std::atomic<std::uint64_t> handled{0};
  std::atomic<std::uint64_t> failed{0};
  std::atomic<std::uint64_t> retried{0};
  std::atomic<std::uint64_t> dead_lettered{0};
  std::atomic<std::uint64_t> dropped_count{0};
  std::atomic<std::uint64_t> given_back{0};  // to the store, which will give them out again
  std::atomic<std::uint64_t> filtered{0};    // by the filter of a durable subscription

 protected:
  /// Before a call; false when it is not to be made: the delivery is settled then. kept: calls that
  /// would stay behind if all of them hung.
  [[nodiscard]] bool begin_call(delivery_detail::Delivery& delivery, std::size_t kept,
                                Begun& begun);
  /// Settles a delivery that is not to be made.
  [[gnu::noinline]] delivery_detail::Then refuse(delivery_detail::Delivery& delivery,
                                                 ErrorCode code, std::string why);
  /// Settles the delivery of a call that has ended and was not given up.
  delivery_detail::Then end_call(delivery_detail::Delivery& delivery, const Begun& begun,
                                 std::optional<DeliveryFailure>& failure, const Outcome& asked);
  /// Settles the delivery of a call that was given up at its deadline.
  delivery_detail::Then end_late(delivery_detail::Delivery& delivery, SteadyTime deadline);
  [[nodiscard]] Subscriber& subscriber() const noexcept { return subscriber_; }

 private:
  [[gnu::always_inline]] inline bool begin(delivery_detail::Delivery& delivery, Begun& begun);
  [[gnu::always_inline]] inline delivery_detail::Then end(delivery_detail::Delivery& delivery,
                                                          const Begun& begun,
                                                          std::optional<DeliveryFailure>& failure,
                                                          const Outcome& asked);
  [[gnu::noinline]] delivery_detail::Then after_failure(delivery_detail::Delivery& delivery,
                                                        DeliveryFailure failure,
                                                        const Outcome& asked, SteadyTime began);
  [[gnu::noinline]] bool begin_within_total(delivery_detail::Delivery& delivery, Begun& begun);
  [[nodiscard]] DeliveryFailure late() const;
  void settle_redriven(delivery_detail::Delivery& delivery) noexcept;
  void give_up(delivery_detail::Delivery& delivery, DeliveryFailure failure);
  void settle_stored(delivery_detail::Delivery& delivery, Settlement settlement);
  void give_back(delivery_detail::Delivery& delivery, std::chrono::nanoseconds after) noexcept;
  void drop(RetryTimer& timer) noexcept;
  void unlink(RetryTimer& timer) noexcept;
  void end_once() noexcept;
  delivery_detail::Then refuse_buried(delivery_detail::Delivery& delivery);

  Subscriber& subscriber_;
  std::atomic<bool> buried_{false};
  std::string buried_because_;  // constant once buried_ is set
  std::mutex retries_mutex_;
  RetryTimer* retries_ = nullptr;  // those that wait; guarded by retries_mutex_
};

}  // namespace busway::detail
