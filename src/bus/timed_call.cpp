#include "bus/timed_call.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

#include "bus/bus_core.hpp"
#include "delivery/call_slot.hpp"
#include "delivery/later.hpp"
#include "delivery/wait_graph.hpp"

namespace busway::detail {
namespace {

/// Of a call that begins now: the retries of this publish leave no more time than their total.
SteadyTime deadline_of(const Subscriber& subscriber, const Dispatch& dispatch) {
  const SteadyTime own =
      delivery_detail::later(dispatch.core().steady_now(), *subscriber.extra->timeout);
  return std::min(own, dispatch.deadline().value_or(SteadyTime::max()));
}

class TimedCall final : public delivery_detail::Runnable {
 public:
  TimedCall(Subscriber& subscriber, const Event& event, const Dispatch& dispatch,
            delivery_detail::WorkerPool& pool)
      : subscriber_(subscriber), pool_(pool), deadline_(deadline_of(subscriber, dispatch)) {
    delivery_.event = event;
    attempt_ = dispatch.attempt();
    retain(&subscriber_);
  }
  TimedCall(const TimedCall&) = delete;
  TimedCall& operator=(const TimedCall&) = delete;

  void run() noexcept override;
  /// Posts the call and waits until it has returned, or the deadline.
  enum class Ended : unsigned char { returned, left, refused };
  [[nodiscard]] Ended make();
  /// By those who need not wait for the deadline: the subscription ends, or the bus stops.
  void request_stop() {
    stop_asked_.store(true, std::memory_order_seq_cst);
    (void)slot_.stop_source().request_stop();
  }
  void drop() noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  // Once it has returned.
  std::optional<DeliveryFailure> failure;
  Outcome asked = Outcome::done();

 private:
  ~TimedCall() override { release(&subscriber_); }
  enum class State : unsigned char { queued, running, done, left };

  [[nodiscard]] bool wait();
  void leave();
  void call();

  Subscriber& subscriber_;
  delivery_detail::WorkerPool& pool_;
  const SteadyTime deadline_;
  unsigned attempt_ = 1;
  delivery_detail::Delivery delivery_;
  delivery_detail::CallSlot slot_;
  std::atomic<unsigned> references_{2};
  std::atomic<bool> stop_asked_{false};    // maybe before it began
  std::atomic<std::thread::id> thread_{};  // of the call, once it has begun
  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  State state_ = State::queued;
  bool counted_ = false;   // as left behind
  bool returned_ = false;  // before it was counted
};

void TimedCall::run() noexcept {
  bool begin = false;  // false: its time was over before a thread came to it
  {
    const std::lock_guard lock(mutex_);
    begin = state_ == State::queued;
    if (begin) {
      state_ = State::running;
      thread_.store(std::this_thread::get_id(), std::memory_order_release);
    }
  }
  if (begin) call();
  drop();
}

void TimedCall::call() {
  std::optional<DeliveryFailure> failed;
  Outcome outcome = Outcome::done();
  if (state_of(subscriber_) == SubscriberState::ended) {
    failed = {subscriber_.id, subscriber_name(subscriber_), ErrorCode::dropped,
              "the subscription ended before its handler was called"};
  } else {
    BusCore& core = *subscriber_.core;
    slot_.begin(deadline_);
    if (stop_asked_.load(std::memory_order_seq_cst)) (void)slot_.stop_source().request_stop();
    core.run_queued(subscriber_, delivery_, {&slot_, deadline_, attempt_}, failed, outcome);
    (void)slot_.finish();
  }
  bool mine = false;  // left behind and counted: this thread tells that it has returned
  {
    const std::lock_guard lock(mutex_);
    if (state_ != State::left) {
      failure = std::move(failed);
      asked = std::move(outcome);
      state_ = State::done;
      changed_.notify_all();
    } else {
      returned_ = true;
      mine = counted_;
    }
  }
  if (mine) came_back(subscriber_, std::this_thread::get_id());
}

TimedCall::Ended TimedCall::make() {
  {
    // Nothing leads anywhere before a thread has come to the call, so this wait is always entered;
    // what its handler waits for sees it.
    const delivery_detail::WaitEdge edge({delivery_detail::WaitFor::call(thread_)});
    if (pool_.post_at_once(*this) == Executor::Posted::refused) return Ended::refused;
    if (wait()) return Ended::returned;
  }
  leave();
  return Ended::left;
}

bool TimedCall::wait() {
  const BusCore& core = *subscriber_.core;
  const bool manual = core.options().clock->is_manual();
  Clock::Watch watch;
  if (manual) {
    watch = core.options().clock->watch([this] {
      { const std::lock_guard moved(mutex_); }
      changed_.notify_all();
    });
  }
  std::unique_lock lock(mutex_);
  const auto returned = [this] { return state_ == State::done; };
  if (manual) {
    changed_.wait(lock, [&] { return returned() || core.steady_now() >= deadline_; });
  } else {
    // The clock may have an epoch of its own, so the wait is a span and no point in time.
    constexpr std::chrono::nanoseconds kLongest = std::chrono::hours(1);
    for (auto left = deadline_ - core.steady_now(); !returned() && left > left.zero();
         left = deadline_ - core.steady_now()) {
      changed_.wait_for(lock, std::min<std::chrono::nanoseconds>(left, kLongest), returned);
    }
  }
  return returned();
}

/// The deadline has passed.
void TimedCall::leave() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(state_, State::left) != State::running) return;
    subscriber_.extra->left_behind.fetch_add(1, std::memory_order_seq_cst);
  }
  const std::thread::id thread = thread_.load(std::memory_order_relaxed);
  subscriber_.core->leave_behind(subscriber_, delivery_.event, pool_, thread, this);
  bool returned = false;
  {
    const std::lock_guard lock(mutex_);
    counted_ = true;
    returned = returned_;
  }
  if (returned) {
    came_back(subscriber_, thread);
  } else {
    request_stop();
  }
}

/// Where there is no other thread: afterwards is when the deadline is looked at.
void call_here(Subscriber& subscriber, const Event& event, Dispatch& dispatch) {
  BusCore& core = dispatch.core();
  const SteadyTime deadline = deadline_of(subscriber, dispatch);
  std::optional<DeliveryFailure> failure;
  Outcome asked = Outcome::done();
  delivery_detail::CallSlot call;
  delivery_detail::Delivery delivery;
  delivery.event = event;
  call.begin(deadline);
  const std::stop_callback with_publisher(dispatch.stop_token(),
                                          [&] { (void)call.stop_source().request_stop(); });
  core.run_queued(subscriber, delivery, {&call, deadline, dispatch.attempt()}, failure, asked);
  (void)call.finish();
  if (core.steady_now() >= deadline)
    return dispatch.record_failure(ErrorCode::timed_out, late_words(subscriber));
  if (!failure) return;
  if (dispatch.asked != nullptr) *dispatch.asked = std::move(asked);
  dispatch.record_failure(failure->code, std::move(failure->reason));
}

}  // namespace

void call_timed(Subscriber& subscriber, const Event& event, Dispatch& dispatch) {
  BusCore& core = dispatch.core();
  if (core.driven_by_hand()) return call_here(subscriber, event, dispatch);
  SubscriberExtra& extra = *subscriber.extra;
  if (extra.left_behind.load(std::memory_order_relaxed) != 0 && !core.may_leave_behind(1)) {
    return dispatch.record_failure(ErrorCode::breaker_open, abandoned_words(subscriber));
  }
  auto* call = new TimedCall(subscriber, event, dispatch, core.pool());
  const TimedCall::Ended ended = [&] {
    const std::stop_callback with_publisher(dispatch.stop_token(), [&] { call->request_stop(); });
    return call->make();
  }();
  std::optional<DeliveryFailure> failure;
  Outcome asked = Outcome::done();
  switch (ended) {
    case TimedCall::Ended::returned:
      failure = std::move(call->failure);
      asked = std::move(call->asked);
      break;
    case TimedCall::Ended::left:
      failure = {subscriber.id, subscriber_name(subscriber), ErrorCode::timed_out,
                 late_words(subscriber)};
      break;
    case TimedCall::Ended::refused:
      call->drop();  // the worker's reference
      failure = {subscriber.id, subscriber_name(subscriber), ErrorCode::stopped,
                 "the bus has no thread left to run the handler with a timeout"};
      break;
  }
  call->drop();
  if (!failure) return;
  if (dispatch.asked != nullptr) *dispatch.asked = std::move(asked);
  dispatch.record_failure(failure->code, std::move(failure->reason));
}

}  // namespace busway::detail
