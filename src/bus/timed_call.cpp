#include "bus/timed_call.hpp"

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "base/duration_words.hpp"
#include "bus/bus_core.hpp"
#include "delivery/call_slot.hpp"
#include "delivery/later.hpp"
#include "delivery/wait_graph.hpp"

namespace busway::detail {
namespace {

class TimedCall final : public delivery_detail::Runnable {
 public:
  TimedCall(Subscriber& subscriber, const Event& event, const Dispatch& dispatch,
            delivery_detail::WorkerPool& pool)
      : subscriber_(subscriber),
        pool_(pool),
        deadline_(
            delivery_detail::later(dispatch.core().steady_now(), *subscriber.extra->timeout)) {
    delivery_.event = event;
    attempt_ = dispatch.attempt();
    retain(&subscriber_);
  }
  TimedCall(const TimedCall&) = delete;
  TimedCall& operator=(const TimedCall&) = delete;

  void run() noexcept override;
  /// Waits until the call has returned, or the deadline. False: it was left behind, or did not
  /// begin; then nothing here is the publisher's any more.
  [[nodiscard]] bool wait();
  void drop() noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  std::optional<DeliveryFailure> failure;
  Outcome asked = Outcome::done();

 private:
  ~TimedCall() override { release(&subscriber_); }
  enum class State : unsigned char { queued, running, done, left };

  Subscriber& subscriber_;
  delivery_detail::WorkerPool& pool_;
  const SteadyTime deadline_;
  unsigned attempt_ = 1;
  delivery_detail::Delivery delivery_;
  delivery_detail::CallSlot call_;
  std::atomic<unsigned> references_{2};
  std::mutex mutex_;
  std::condition_variable changed_;
  State state_ = State::queued;            // guarded by mutex_
  std::atomic<std::thread::id> thread_{};  // of the call, once it has begun
};

void TimedCall::run() noexcept {
  BusCore& core = *subscriber_.core;
  bool begin = false;  // false: its time was over before a thread came to it
  {
    const std::lock_guard lock(mutex_);
    begin = state_ == State::queued;
    if (begin) {
      state_ = State::running;
      thread_.store(std::this_thread::get_id(), std::memory_order_release);
    }
  }
  if (begin) {
    call_.begin(core.steady_now());
    std::optional<DeliveryFailure> failed;
    Outcome outcome = Outcome::done();
    core.run_queued(subscriber_, delivery_, {&call_, deadline_, attempt_}, failed, outcome);
    (void)call_.finish();
    bool left = false;
    {
      const std::lock_guard lock(mutex_);
      left = state_ == State::left;
      if (!left) {
        failure = std::move(failed);
        asked = std::move(outcome);
        state_ = State::done;
        changed_.notify_all();
      }
    }
    if (left) came_back(subscriber_);
  }
  drop();
}

bool TimedCall::wait() {
  BusCore& core = *subscriber_.core;
  const bool manual = core.options().clock->is_manual();
  Clock::Watch watch;
  if (manual) {
    watch = core.options().clock->watch([this] {
      { const std::lock_guard moved(mutex_); }
      changed_.notify_all();
    });
  }
  const delivery_detail::WaitEdge edge({delivery_detail::WaitFor::call(thread_)});
  std::unique_lock lock(mutex_);
  const auto returned = [this] { return state_ == State::done; };
  if (manual) {
    changed_.wait(lock, [&] { return returned() || core.steady_now() >= deadline_; });
  } else {
    changed_.wait_until(lock, deadline_, returned);
  }
  if (returned()) return true;
  const bool ran = std::exchange(state_, State::left) == State::running;
  if (!ran) return false;
  const std::thread::id thread = thread_.load(std::memory_order_relaxed);
  subscriber_.extra->left_behind.fetch_add(1, std::memory_order_seq_cst);
  std::stop_source stop = call_.stop_source();
  lock.unlock();
  (void)stop.request_stop();
  core.leave_behind(subscriber_, delivery_.event, pool_, thread);
  return false;
}

std::string too_late(const Subscriber& subscriber) {
  return "the handler did not return within " + duration_words(*subscriber.extra->timeout);
}

/// Where there is no other thread: afterwards is when the deadline is looked at.
void call_here(Subscriber& subscriber, const Event& event, Dispatch& dispatch) {
  BusCore& core = dispatch.core();
  const SteadyTime deadline = delivery_detail::later(core.steady_now(), *subscriber.extra->timeout);
  std::optional<DeliveryFailure> failure;
  Outcome asked = Outcome::done();
  delivery_detail::CallSlot call;
  delivery_detail::Delivery delivery;
  delivery.event = event;
  call.begin(core.steady_now());
  core.run_queued(subscriber, delivery, {&call, deadline, dispatch.attempt()}, failure, asked);
  (void)call.finish();
  if (core.steady_now() >= deadline)
    return dispatch.record_failure(ErrorCode::timed_out, too_late(subscriber));
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
  delivery_detail::WorkerPool& pool = core.pool();
  auto* call = new TimedCall(subscriber, event, dispatch, pool);
  if (pool.post_at_once(*call) == Executor::Posted::refused) {
    call->drop();
    call->drop();
    return dispatch.record_failure(ErrorCode::stopped,
                                   "the bus has no thread left to run the handler with a timeout");
  }
  if (call->wait()) {
    std::optional<DeliveryFailure> failure = std::move(call->failure);
    Outcome asked = std::move(call->asked);
    call->drop();
    if (!failure) return;
    if (dispatch.asked != nullptr) *dispatch.asked = std::move(asked);
    return dispatch.record_failure(failure->code, std::move(failure->reason));
  }
  call->drop();
  dispatch.record_failure(ErrorCode::timed_out, too_late(subscriber));
}

}  // namespace busway::detail
