// bus/coroutine_call.hpp -- one call of a coroutine handler, from its first step to its end.
// Layer: bus
//
// Model      A queue of steps and at most one thread that runs them: the one that delivers, then
//            whichever of the executor the queue was posted to. When the first thread has nothing
//            more to run and the coroutine has not ended, the call is suspended: its mailbox counts
//            it as running and on no thread. Who runs the step in which it ends settles the
//            delivery, once that step has returned and the coroutine's frames are gone. Invariants:
//              1. No two steps run at once.
//              2. A step runs, or is destroyed where the executor takes nothing more or, beside the
//              bus's pool, the bus has been destroyed.
//              3. Cancellation is emitted between steps.
// Threads    What CoroutineSink calls is [any-thread].
// Ownership  Counted: by the call while it has not ended, by the queue while it is posted, and by
//            the executors that Asio keeps. Holds a reference on its subscriber.
// Errors     As busway/detail/coroutine_call.hpp.
// Cost       One allocation.
#pragma once

#include <atomic>
#include <exception>
#include <memory>
#include <optional>
#include <thread>

#include "bus/coroutine_sink.hpp"
#include "bus/dispatch.hpp"
#include "busway/detail/coroutine_call.hpp"
#include "delivery/call_slot.hpp"
#include "delivery/spin_lock.hpp"
#include "delivery/worker_pool.hpp"

namespace busway::detail {

class CoroutineCall final : public delivery_detail::Runnable,
                            public delivery_detail::SuspendedCall {
 public:
  CoroutineCall(CoroutineSink& sink, delivery_detail::Delivery& delivery,
                delivery_detail::CallSlot& slot, const SubscriberSink::Begun& begun);

  void retain() noexcept override { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept override {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  /// Runs what can be run at once; on the thread that delivers, which owns one reference.
  delivery_detail::Then begin() noexcept;
  /// On the executor; drops the reference of the queue.
  void run() noexcept override;

  void add(std::unique_ptr<CoroutineStep> step) noexcept;
  void cancel() noexcept;
  /// The bus is being destroyed.
  void close() noexcept;

  /// Given up: the thread on which a step runs now, if one does, is left behind by the caller, who
  /// then says so.
  [[nodiscard]] std::optional<std::thread::id> leave() noexcept;
  void left() noexcept;

  // In a step:
  void set_cancel(std::unique_ptr<CoroutineCancel> cancel) noexcept;
  [[nodiscard]] const Executor* executor() const noexcept { return sink_.executor_.get(); }
  void returned(Outcome outcome);
  void ended(const std::exception_ptr& thrown) noexcept;
  void destroyed() noexcept;

 private:
  friend class CoroutineSink;
  class Ticket;

  ~CoroutineCall() override;

  [[nodiscard]] bool is_on_pool() const noexcept { return sink_.executor_ == nullptr; }
  [[nodiscard]] bool discards() const noexcept { return refused_ || (closed_ && !is_on_pool()); }
  void call_handler();
  void run_step(CoroutineStep* step, bool discard);
  void drain(delivery_detail::Then* at_once) noexcept;
  void give_thread_back() noexcept;
  void suspend() noexcept;
  void schedule() noexcept;
  void discard() noexcept;
  [[nodiscard]] delivery_detail::Then finish() noexcept;
  void complete() noexcept;
  void wait_for_step() noexcept;

  CoroutineSink& sink_;
  Subscriber& subscriber_;
  const Event event_;
  const SubscriberSink::Begun begun_;
  std::atomic<std::uint32_t> references_{1};

  // Of whoever runs the steps.
  delivery_detail::Delivery* delivery_;  // until the call is over
  delivery_detail::CallSlot* slot_;
  Dispatch dispatch_;
  std::optional<DeliveryFailure> failure_;
  Outcome asked_ = Outcome::done();
  std::unique_ptr<CoroutineCancel> cancel_;
  bool ended_ = false;      // the coroutine has
  bool over_ = false;       // and the delivery is settled
  bool suspended_ = false;  // deliver() has returned, or will return, without an outcome

  delivery_detail::SpinLock lock_;
  // Guarded by lock_.
  CoroutineStep* first_ = nullptr;
  CoroutineStep* last_ = nullptr;
  bool active_ = true;  // someone runs steps, or the queue is posted
  bool cancel_wanted_ = false;
  bool closed_ = false;
  bool refused_ = false;          // the executor takes no more
  std::thread::id thread_;        // that runs steps
  bool thread_left_ = false;      // and was given up
  bool leaving_ = false;          // leave() was called, left() was not
  std::weak_ptr<Ticket> ticket_;  // of the task posted to an executor

  // Guarded by the sink's mutex.
  CoroutineCall* previous_ = nullptr;
  CoroutineCall* next_ = nullptr;
};

}  // namespace busway::detail
