#include "bus/coroutine_call.hpp"

#include <cxxabi.h>

#include <exception>
#include <mutex>
#include <utility>

#include "bus/bus_core.hpp"
#include "bus/publish_guards.hpp"

namespace busway::detail {

using delivery_detail::CallSlot;
using delivery_detail::Delivery;
using delivery_detail::Then;

/// What an executor holds of a queue: lets go of it when it runs, is destroyed unrun, or the bus
/// ends, whichever comes first.
class CoroutineCall::Ticket {
 public:
  explicit Ticket(CoroutineCall& call) noexcept : call_(&call) {}
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;
  ~Ticket() {
    if (CoroutineCall* const call = take()) call->discard();
  }
  [[nodiscard]] CoroutineCall* take() noexcept {
    return call_.exchange(nullptr, std::memory_order_acq_rel);
  }

 private:
  std::atomic<CoroutineCall*> call_;
};

CoroutineCall::CoroutineCall(CoroutineSink& sink, Delivery& delivery, CallSlot& slot,
                             const SubscriberSink::Begun& begun)
    : sink_(sink),
      subscriber_(sink.subscriber()),
      event_(delivery.event),
      begun_(begun),
      delivery_(&delivery),
      slot_(&slot),
      dispatch_(*subscriber_.core, event_),
      thread_(std::this_thread::get_id()) {
  detail::retain(&subscriber_);
  dispatch_.subscriber = &subscriber_;
  dispatch_.failure = &failure_;
  dispatch_.asked = &asked_;
  dispatch_.call = &slot;
  if (begun.deadline != SteadyTime::max()) dispatch_.set_deadline(begun.deadline);
  dispatch_.set_attempt(begun.attempt);
  dispatch_.set_history_was_cut(delivery.history_was_cut);
}

CoroutineCall::~CoroutineCall() {
  cancel_.reset();
  detail::release(&subscriber_);
}

Then CoroutineCall::begin() noexcept {
  retain();
  slot_->hand_to(this);
  slot_->begin(begun_.deadline);
  if (begun_.sooner) subscriber_.extra->mailbox->look_by(begun_.deadline);
  call_handler();
  Then then = Then::suspended;
  drain(&then);
  release();
  return then;
}

void CoroutineCall::call_handler() {
  const DispatchGuard guard(dispatch_);
  try {
    subscriber_.call(&subscriber_, event_, dispatch_);
  } catch (const abi::__forced_unwind&) {
    throw;
  } catch (...) {
    dispatch_.record_exception();
    ended_ = true;
  }
}

void CoroutineCall::run_step(CoroutineStep* step, bool discard) {
  const DispatchGuard guard(dispatch_);
  const std::unique_ptr<CoroutineStep> mine(step);
  if (discard) return;
  try {
    mine->run();
  } catch (const abi::__forced_unwind&) {
    throw;
  } catch (...) {
    dispatch_.record_exception();
  }
}

void CoroutineCall::run() noexcept {
  drain(nullptr);
  release();
}

/// Runs steps until there are none, or this thread is given up. at_once: the outcome, for the
/// thread that delivers.
void CoroutineCall::drain(Then* at_once) noexcept {
  const std::thread::id here = std::this_thread::get_id();
  for (;;) {
    if (ended_ && !std::exchange(over_, true)) {
      if (at_once != nullptr && !suspended_) {
        *at_once = finish();
        if (*at_once == Then::left) subscriber_.extra->mailbox->wait_for_keeper();
        release();
      } else {
        complete();
      }
    }
    CoroutineStep* step = nullptr;
    bool cancel = false;
    bool discard = false;
    bool leave = false;
    {
      const std::lock_guard guard(lock_);
      leave = thread_left_;
      if (!leave) {
        cancel = std::exchange(cancel_wanted_, false);
        if (!cancel && first_ != nullptr) {
          step = std::exchange(first_, first_->next);
          if (first_ == nullptr) last_ = nullptr;
        }
        const bool nothing = !cancel && step == nullptr;
        if (nothing && (over_ || suspended_)) {
          active_ = false;
          thread_ = {};
          return;
        }
        thread_ = here;
        discard = discards();
        if (refused_ && !is_on_pool()) cancel = false;  // what it waits for may be gone as well
      }
    }
    if (leave) return give_thread_back();
    if (step != nullptr) {
      run_step(step, discard);
    } else if (cancel) {
      const DispatchGuard guard(dispatch_);
      if (!over_ && cancel_ != nullptr) cancel_->cancel();
    } else if (!over_ && !suspended_) {
      suspend();
    }
  }
}

/// This thread was left behind while it ran a step: another one goes on.
void CoroutineCall::give_thread_back() noexcept {
  for (;;) {
    {
      const std::lock_guard guard(lock_);
      if (!leaving_) {
        thread_left_ = false;
        thread_ = {};
        break;
      }
    }
    std::this_thread::yield();
  }
  subscriber_.core->came_back(std::this_thread::get_id());
  if (!over_ && !suspended_) suspend();
  schedule();
}

void CoroutineCall::suspend() noexcept {
  suspended_ = true;
  SubscriberExtra& extra = *subscriber_.extra;
  extra.suspended.fetch_add(1, std::memory_order_seq_cst);
  if (!sink_.enlist(*this)) {
    const std::lock_guard guard(lock_);
    closed_ = true;
    cancel_wanted_ = true;
  }
  extra.mailbox->suspended(*slot_);
}

Then CoroutineCall::finish() noexcept {
  dispatch_.call = nullptr;
  if (!slot_->finish()) return Then::left;
  return sink_.end_call(*delivery_, begun_, failure_, asked_);
}

void CoroutineCall::complete() noexcept {
  SubscriberExtra& extra = *subscriber_.extra;
  const Then then = finish();
  sink_.delist(*this);
  extra.mailbox->completed(*slot_, then);
  call_elsewhere_ended(subscriber_, extra.suspended);
  release();
}

/// With active_ set by the caller.
void CoroutineCall::schedule() noexcept {
  retain();
  if (is_on_pool()) {
    if (subscriber_.extra->mailbox->pool()->post(*this) == Executor::Posted::accepted) return;
    return discard();
  }
  const auto ticket = std::make_shared<Ticket>(*this);
  bool closed = false;
  {
    const std::lock_guard guard(lock_);
    ticket_ = ticket;
    closed = closed_;
  }
  if (!closed && sink_.executor_->post([ticket] {
        if (CoroutineCall* const mine = ticket->take()) mine->run();
      }) == Executor::Posted::accepted) {
    return;
  }
  if (ticket->take() == nullptr) return;
  if (closed) return run();
  discard();
}

/// The executor will not run the queue.
void CoroutineCall::discard() noexcept {
  {
    const std::lock_guard guard(lock_);
    refused_ = true;
  }
  run();
}

void CoroutineCall::add(std::unique_ptr<CoroutineStep> step) noexcept {
  bool idle = false;
  {
    const std::lock_guard guard(lock_);
    CoroutineStep* const added = step.release();
    if (last_ != nullptr) {
      last_->next = added;
    } else {
      first_ = added;
    }
    last_ = added;
    idle = !std::exchange(active_, true);
  }
  if (idle) schedule();
}

void CoroutineCall::cancel() noexcept {
  bool idle = false;
  {
    const std::lock_guard guard(lock_);
    cancel_wanted_ = true;
    idle = !std::exchange(active_, true);
  }
  if (idle) schedule();
}

void CoroutineCall::close() noexcept {
  if (is_on_pool()) return cancel();
  bool idle = false;
  std::shared_ptr<Ticket> ticket;
  {
    const std::lock_guard guard(lock_);
    closed_ = true;
    cancel_wanted_ = true;
    idle = !std::exchange(active_, true);
    ticket = ticket_.lock();
  }
  // An executor may keep its tasks for ever: this thread goes on where none does.
  if (idle) {
    retain();
    run();
  } else if (ticket != nullptr && ticket->take() != nullptr) {
    run();
  } else {
    wait_for_step();
  }
}

/// Until no thread runs a step of it but this one, or one that was given up.
void CoroutineCall::wait_for_step() noexcept {
  const std::thread::id here = std::this_thread::get_id();
  for (;;) {
    {
      const std::lock_guard guard(lock_);
      if (thread_ == std::thread::id() || thread_ == here || thread_left_) return;
    }
    std::this_thread::yield();
  }
}

std::optional<std::thread::id> CoroutineCall::leave() noexcept {
  const std::lock_guard guard(lock_);
  if (thread_ == std::thread::id()) return std::nullopt;
  thread_left_ = true;
  leaving_ = true;
  return thread_;
}

void CoroutineCall::left() noexcept {
  const std::lock_guard guard(lock_);
  leaving_ = false;
}

void CoroutineCall::set_cancel(std::unique_ptr<CoroutineCancel> cancel) noexcept {
  cancel_ = std::move(cancel);
}

void CoroutineCall::returned(Outcome outcome) { settle(dispatch_, std::move(outcome)); }

void CoroutineCall::ended(const std::exception_ptr& thrown) noexcept {
  ended_ = true;
  if (thrown == nullptr) return;
  try {
    std::rethrow_exception(thrown);
  } catch (...) {
    dispatch_.record_exception();
  }
}

void CoroutineCall::destroyed() noexcept {
  ended_ = true;
  dispatch_.record_failure(
      ErrorCode::handler_failed,
      "the coroutine was destroyed before it had ended: what it waited for, or "
      "its executor, is gone");
}

// -- busway/detail/coroutine_call.hpp -------------------------------------------------------------

CoroutineCall& coroutine_call(Context& context) noexcept {
  return static_cast<CoroutineCall&>(*static_cast<Dispatch&>(context).call->suspended());
}
void retain(CoroutineCall& call) noexcept { call.retain(); }
void release(CoroutineCall& call) noexcept { call.release(); }
void add_step(CoroutineCall& call, std::unique_ptr<CoroutineStep> step) {
  call.add(std::move(step));
}
void set_cancel(CoroutineCall& call, std::unique_ptr<CoroutineCancel> cancel) noexcept {
  call.set_cancel(std::move(cancel));
}
const Executor* executor_of(const CoroutineCall& call) noexcept { return call.executor(); }
void coroutine_returned(CoroutineCall& call, Outcome outcome) { call.returned(std::move(outcome)); }
void coroutine_ended(CoroutineCall& call, const std::exception_ptr& thrown) noexcept {
  call.ended(thrown);
}
void coroutine_destroyed(CoroutineCall& call) noexcept { call.destroyed(); }

}  // namespace busway::detail
