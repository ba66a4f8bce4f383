// bus/dispatch.hpp -- one event on its way through handlers on this thread: what a Context is
// underneath.
// Layer: bus
//
// Model      Made on the stack for a publish or an asynchronous delivery, or standing ready in a
//            Frame for the straight way; linked into the chain of those that run on this thread, so
//            that an event published inside a handler knows its cause.
// Threads    Belongs to its thread, except what Context says.
// Ownership  Refers to its event, result and bus.
// Errors     record_failure() keeps them.
// Cost       A dozen stores; four in a Frame.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>

#include "busway/context.hpp"
#include "busway/error.hpp"
#include "busway/publish_result.hpp"
#include "busway/publisher.hpp"
#include "busway/receipt.hpp"
#include "busway/subscription.hpp"
#include "busway/topic.hpp"

namespace busway {
class Bus;
namespace delivery_detail {
class CallSlot;
}
}  // namespace busway

namespace busway::detail {

struct Frame;
struct ReceiptState;
struct TopicEntry;

struct Dispatch final : Context {
  /// Ready for events that are still to come.
  explicit Dispatch(BusCore& core) noexcept : Context(core) {}
  Dispatch(BusCore& core, const Event& event) noexcept : Context(core, event) {}
  ~Dispatch() {
    if (stop_asked.load(std::memory_order_relaxed)) forget_stop();
  }

  void set_event(const Event* event) noexcept { event_ = event; }
  [[nodiscard]] const Event* event_if_any() const noexcept { return event_; }

  [[nodiscard]] BusCore& core() const noexcept { return *core_; }
  void set_history_was_cut(bool cut) noexcept { history_was_cut_ = cut; }
  void set_attempt(unsigned attempt) noexcept { attempt_ = attempt; }
  void set_deadline(std::chrono::steady_clock::time_point deadline) noexcept {
    has_deadline_ = true;
    deadline_ = deadline;
  }

  void forget_deadline() noexcept { has_deadline_ = false; }

  /// The running delivery failed.
  void record_failure(ErrorCode code, std::string reason);
  /// From inside a catch clause.
  void record_exception();

  // For the friends of Subscription, Topic, Receipt and Bus.
  [[nodiscard]] static Subscription make_subscription(Subscriber* subscriber) noexcept {
    return Subscription(subscriber);
  }
  [[nodiscard]] static Topic make_topic(BusCore* core, TopicEntry* entry) noexcept {
    return Topic(core, entry);
  }
  [[nodiscard]] static Publisher make_publisher(BusCore* core, std::string_view source,
                                                Origin origin) {
    return Publisher(core, source, origin);
  }
  [[nodiscard]] static Receipt make_receipt(std::shared_ptr<ReceiptState> state) noexcept {
    return Receipt(std::move(state));
  }
  [[nodiscard]] static BusCore& core_of(const Bus& bus) noexcept;

  Dispatch* outer = nullptr;
  Frame* frame = nullptr;            // of a publish: frame->current is the subscriber
  PublishResult* result = nullptr;   // of a publish; null in a mailbox
  Subscriber* subscriber = nullptr;  // of a mailbox
  // Of a mailbox's delivery, or of one attempt of several: the failure goes there and not into the
  // result, and what the handler asked for beside it.
  std::optional<DeliveryFailure>* failure = nullptr;
  Outcome* asked = nullptr;
  ReceiptState* receipt = nullptr;            // asynchronous outcomes go there
  delivery_detail::CallSlot* call = nullptr;  // of a call outside a publish: its stop token
  std::atomic<bool> stop_asked{false};        // of a publish: the watchdog keeps tokens for it
  std::uint32_t passed_over = 0;
  std::uint32_t queued = 0;
  std::uint32_t failed = 0;
  std::uint32_t timed_out = 0;  // of those
  std::uint32_t refused = 0;    // by a full mailbox: this event was dropped
  std::uint32_t dropped = 0;    // refused ones, and older events that gave way
  // Of a frame: the sequence of its event in the store, from where durable subscriptions get it,
  // and those that replay the past get what is not beyond their beginning. 0: it is not there.
  std::uint64_t kept_as = 0;
  // Any of these is not 0, or a stop token was asked for, by whichever thread.
  std::atomic<bool> adjusted{false};

  /// As new, for the next event of a frame.
  void reset_adjusted() noexcept {
    if (stop_asked.load(std::memory_order_relaxed)) forget_stop();
    passed_over = queued = failed = timed_out = refused = dropped = 0;
    adjusted.store(false, std::memory_order_relaxed);
  }

  void forget_stop() noexcept;
  [[nodiscard]] inline Subscriber* running() const noexcept;  // thread_state.hpp
};

}  // namespace busway::detail
