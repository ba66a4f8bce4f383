// Calls that were given up at their deadline, and synchronous calls that nobody can give up.
#include <array>
#include <limits>
#include <memory>
#include <string>

#include "base/duration_words.hpp"
#include "base/escape.hpp"
#include "bus/bus_core.hpp"

namespace busway::detail {

std::string abandoned_words(const Subscriber& subscriber) {
  return "calls of " + quote(subscriber_name(subscriber)) +
         " that were given up have not returned, and no more may be left behind "
         "(BusOptions::max_abandoned); the handler was not called";
}

std::string or_total_words(const Subscriber& subscriber) {
  const std::optional<RetryPolicy>& retry = subscriber.extra->retry;
  if (!retry || !retry->total) return {};
  return ", or before retry.total (" + duration_words(*retry->total) + ") was over";
}

std::string late_words(const Subscriber& subscriber) {
  return "the handler did not return within " + duration_words(*subscriber.extra->timeout) +
         or_total_words(subscriber);
}

void BusCore::leave_behind(Subscriber& subscriber, const Event& event, Executor& where,
                           std::thread::id thread, const delivery_detail::Runnable* task) {
  const std::size_t now_left = abandoned_.fetch_add(1, std::memory_order_relaxed) + 1;
  const std::string name = subscriber_name(subscriber);
  const std::string count = std::to_string(now_left);
  const std::array fields{LogField{"subscription", name}, LogField{"owner", owner_of(subscriber)},
                          LogField{"abandoned", count}};
  log(LogLevel::warning, "a handler passed its deadline and was left behind", fields);
  if (now_left <= options_.max_abandoned) {
    auto* const pool = dynamic_cast<delivery_detail::WorkerPool*>(&where);
    if (pool != nullptr ? pool->leave_worker(thread, task) : where.leave_behind(thread)) {
      const std::lock_guard lock(mutex_);
      left_behind_.insert(thread);
    }
  }
  if (now_left < options_.max_abandoned) return;
  SubscriberExtra& extra = *subscriber.extra;
  delivery_detail::Breaker* breaker = extra.breaker.load(std::memory_order_acquire);
  if (breaker == nullptr) {
    // One that failures alone do not open.
    auto made = std::make_unique<delivery_detail::Breaker>(
        BreakerPolicy{.failures = std::numeric_limits<unsigned>::max()});
    if (extra.breaker.compare_exchange_strong(breaker, made.get(), std::memory_order_acq_rel)) {
      breaker = made.release();
    }
  }
  if (breaker->open_now(steady_now())) {
    breaker_changed(subscriber, event, delivery_detail::Breaker::State::open,
                    "as many calls as may be are left behind", Tell::later);
  }
}

void end_callable(Subscriber& subscriber) noexcept {
  if (!subscriber.callable_gone.exchange(true, std::memory_order_acq_rel)) {
    subscriber.destroy_callable(&subscriber);
  }
}

bool has_calls_elsewhere(const Subscriber& subscriber) noexcept {
  const SubscriberExtra& extra = *subscriber.extra;
  return extra.left_behind.load(std::memory_order_seq_cst) != 0 ||
         extra.suspended.load(std::memory_order_seq_cst) != 0;
}

void call_elsewhere_ended(Subscriber& subscriber, std::atomic<std::uint32_t>& count) noexcept {
  if (count.fetch_sub(1, std::memory_order_seq_cst) == 1 &&
      subscriber.extra->orphaned.load(std::memory_order_seq_cst) &&
      !has_calls_elsewhere(subscriber)) {
    end_callable(subscriber);
  }
}

void came_back(Subscriber& subscriber, std::thread::id thread) noexcept {
  subscriber.core->came_back(thread);
  call_elsewhere_ended(subscriber, subscriber.extra->left_behind);
}

void BusCore::came_back(std::thread::id thread) noexcept {
  // Who sees it sees also what the call did.
  abandoned_.fetch_sub(1, std::memory_order_release);
  Garbage garbage;
  const std::lock_guard lock(mutex_);
  left_behind_.erase(thread);
  collect(garbage);  // what only its frames still held, maybe of a bus that is gone
}

void Dispatch::forget_stop() noexcept {
  stop_asked.store(false, std::memory_order_relaxed);
  core_->watchdog().forget(frame);
}

void BusCore::for_each_call(const std::function<void(const Frame&, const Subscriber&, const Route&,
                                                     std::uint64_t)>& visit) {
  platform_detail::heavy_barrier();
  const std::lock_guard lock(mutex_);
  for (const auto& thread : threads_) {
    thread->for_each_frame([&](const Frame& frame) {
      const Subscriber* one = frame.current.load(std::memory_order_seq_cst);
      const Route* route = frame.route.load(std::memory_order_seq_cst);
      if (one == nullptr || route == nullptr || route == kSearching) return;
      visit(frame, *one, *route, thread->publishes_along(route->index));
    });
  }
}

std::uint64_t BusCore::publishes_along_route_of(const Frame& frame) {
  const std::uint32_t index = frame.route.load(std::memory_order_acquire)->index;
  const ThreadLocals::Known& known = thread_locals.known[known_at_];
  if (known.bus == serial_ && known.state->owns(&frame)) return known.state->publishes_along(index);
  const std::lock_guard lock(mutex_);
  for (const auto& thread : threads_) {
    if (thread->owns(&frame)) return thread->publishes_along(index);
  }
  return 0;
}

}  // namespace busway::detail
