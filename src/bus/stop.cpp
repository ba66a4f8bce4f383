// Draining, stopping and ending a bus.
#include <algorithm>
#include <array>
#include <thread>
#include <utility>

#include "base/deadline.hpp"
#include "base/escape.hpp"
#include "bus/bus_core.hpp"
#include "bus/durable_feed.hpp"
#include "bus/strand.hpp"
#include "busway/manual_executor.hpp"

namespace busway::detail {
namespace {

using Clock = std::chrono::steady_clock;

struct References {
  std::vector<Subscriber*> list;
  ~References() {
    for (Subscriber* one : list) release(one);
  }
};

}  // namespace

bool BusCore::idle() {
  const References all{with_mailbox()};
  {
    const std::lock_guard lock(pool_mutex_);
    if (strand_ != nullptr && !strand_->mailbox().idle()) return false;
  }
  if (!callbacks_.idle()) return false;
  if (StoreLink* const store = link(); store != nullptr && !store->feeds().idle()) return false;
  // Of those that have ended a call may still run.
  return std::all_of(all.list.begin(), all.list.end(),
                     [](const Subscriber* one) { return one->extra->mailbox->idle(); });
}

/// Until no mailbox holds an event and no asynchronous handler runs; false at the deadline, or when
/// what is left could only be run here and cannot be run now.
bool BusCore::wait_drained(Clock::time_point deadline) {
  using delivery_detail::Mailbox;
  constexpr auto kLook = std::chrono::milliseconds(1);  // while this thread may get work
  for (;;) {
    if (idle()) return true;
    if (inside_handler() || Clock::now() >= deadline) return false;
    // The filter of a durable subscription would wait for itself.
    if (StoreLink* const store = link(); store != nullptr && store->feeds().turns_here()) {
      return false;
    }
    if ((gate_.load(std::memory_order_acquire) & kClosed) != 0) return idle();
    const References all{with_mailbox()};
    std::vector<Mailbox*> mailboxes;
    for (Subscriber* one : all.list) mailboxes.push_back(one->extra->mailbox.get());
    {
      const std::lock_guard lock(pool_mutex_);
      if (strand_ != nullptr) mailboxes.push_back(&strand_->mailbox());
    }
    const auto pumped_here = [](const Mailbox* one) {
      return one->executor().pumped_by_this_thread();
    };
    const auto elsewhere = std::stable_partition(mailboxes.begin(), mailboxes.end(), pumped_here);
    Executor& own = executor();
    const bool pumps = own.pumped_by_this_thread() || elsewhere != mailboxes.begin();
    if (pumps && (run_due() != 0 || (own.pumped_by_this_thread() && own.run_one_here()) ||
                  std::any_of(mailboxes.begin(), elsewhere,
                              [](Mailbox* one) { return one->executor().run_one_here(); }))) {
      continue;
    }
    const auto until = pumps ? std::min(deadline, Clock::now() + kLook) : deadline;
    // A handler may publish into another mailbox: each is waited for in turn until one look finds
    // all idle.
    const auto busy =
        std::find_if(elsewhere, mailboxes.end(), [](const Mailbox* one) { return !one->idle(); });
    if (busy != mailboxes.end()) {
      (void)(*busy)->wait_idle(Mailbox::Idle::empty, until);
    } else if (!callbacks_.idle()) {
      (void)callbacks_.wait_idle(until);
    } else if (StoreLink* const store = link(); store != nullptr && !store->feeds().idle()) {
      store->feeds().wait_change(std::min(until, Clock::now() + kLook * 10));
    } else if (pumps) {
      return idle();
    }
  }
}

StopResult BusCore::stop(std::chrono::nanoseconds timeout) {
  const auto deadline = deadline_after(timeout);
  gate_.fetch_or(kStopping, std::memory_order_seq_cst);
  wake_sleepers();
  StopResult result;
  // Within a turn of the feeds, by a filter or a log function, it would wait for itself as well.
  StoreLink* const store = link();
  if (inside_handler() || (store != nullptr && store->feeds().turns_here())) {
    result.kind = StopResult::Kind::begun;
    return result;
  }
  std::unique_lock one_at_a_time(stop_mutex_);
  if ((gate_.load(std::memory_order_relaxed) & kStopped) != 0 && idle()) return result;
  platform_detail::heavy_barrier();  // whoever publishes from now on sees the gate
  if (store != nullptr) store->feeds().hold();
  std::vector<StopResult::Left> elsewhere;
  for (int round = 0;; ++round) {
    const bool drained = wait_drained(deadline);
    elsewhere = running_elsewhere();
    // What could not be drained and has nobody to wait for stays: the time is over, or it would
    // take this very thread.
    if (elsewhere.empty() && (!drained || idle())) break;
    if (Clock::now() >= deadline) break;
    std::this_thread::sleep_for(std::chrono::microseconds(std::min(round + 1, 1000)));
  }
  gate_.fetch_or(kStopped, std::memory_order_seq_cst);
  if (elsewhere.empty() && idle()) return result;
  result.left = std::move(elsewhere);
  const References all{with_mailbox()};
  for (Subscriber* one : all.list) {
    delivery_detail::Mailbox& mailbox = *one->extra->mailbox;
    const std::size_t queued = mailbox.waiting() + mailbox.waiting_again();
    const std::size_t running = mailbox.running();
    if (queued + running == 0) continue;
    result.left.push_back({one->id, subscriber_name(*one), queued, running});
  }
  {
    const std::lock_guard lock(pool_mutex_);
    if (strand_ != nullptr && !strand_->mailbox().idle()) {
      result.left.push_back(
          {0, "publish_async", strand_->mailbox().waiting(), strand_->mailbox().running()});
    }
  }
  add_unsettled(result.left);
  gate_.fetch_or(kOverdue, std::memory_order_seq_cst);
  one_at_a_time.unlock();  // what follows calls functions of the program
  // They had until now. A synchronous handler of another thread is asked as well.
  request_stop();
  if (!callbacks_.idle()) {
    result.left.push_back({0, "receipt callbacks", callbacks_.waiting(), callbacks_.running()});
  }
  // Their time will not come any more.
  for (Subscriber* one : all.list) one->extra->sink->drop_retries();
  if (!result.left.empty()) {
    result.kind = StopResult::Kind::deadline;
    for (const StopResult::Left& left : result.left) {
      const std::string name = escape(left.name);
      const std::string queued = std::to_string(left.queued);
      const std::array fields{LogField{"subscription", name}, LogField{"queued", queued}};
      log(LogLevel::warning, "the bus stopped with events left in a mailbox", fields);
    }
  }
  return result;
}

/// What was handled, or fetched, and is still out for the store: it will be given out again.
void BusCore::add_unsettled(std::vector<StopResult::Left>& left) {
  StoreLink* const store = link();
  if (store == nullptr) return;
  for (const auto& feed : store->feeds().all()) {
    if (feed->closed()) continue;
    const DurableFeed::Out out = feed->out();
    const SubscriptionId id = feed->id();
    const bool is_told = std::any_of(left.begin(), left.end(), [id](const StopResult::Left& one) {
      return one.subscription == id;
    });
    // One that is being handed over is neither in a mailbox nor settled.
    const std::size_t count = is_told ? out.unsettled : std::max(out.unsettled, out.all);
    if (count != 0) left.push_back({id, "settlements of " + feed->name(), count, 0});
  }
}

/// All calls that run, and those that begin from now on.
void BusCore::request_stop() {
  const References all{with_mailbox()};
  for (Subscriber* one : all.list) one->extra->mailbox->request_stop();
  watchdog_.request_stop(nullptr);
}

/// The synchronous handlers that run on other threads now.
std::vector<StopResult::Left> BusCore::running_elsewhere() {
  std::vector<StopResult::Left> left;
  const std::lock_guard lock(mutex_);
  const ThreadLocals::Known& known = thread_locals.known[known_at_];
  for (const auto& thread : threads_) {
    if (known.bus == serial_ && known.state == thread.get()) continue;
    if (left_behind_.contains(thread->thread)) continue;  // nobody waits for it
    thread->for_each_frame([&](const Frame& frame) {
      // The route that the frame stands on keeps its subscribers.
      const Subscriber* one = frame.current.load(std::memory_order_seq_cst);
      if (one != nullptr) left.push_back({one->id, subscriber_name(*one), 0, 1});
    });
  }
  return left;
}

/// The Bus is being destroyed.
void BusCore::close() {
  gate_.fetch_or(kClosed, std::memory_order_seq_cst);
  wake_sleepers();
  platform_detail::heavy_barrier();
  end_requests();
  request_stop();
  // Publishes that were inside when the gate closed.
  for (int round = 0;; ++round) {
    bool inside = false;
    {
      const std::lock_guard lock(mutex_);
      const ThreadLocals::Known& known = thread_locals.known[known_at_];
      for (const auto& thread : threads_) {
        if (known.bus == serial_ && known.state == thread.get()) continue;
        if (left_behind_.contains(thread->thread)) continue;  // may never return
        thread->for_each_frame([&](const Frame& frame) {
          inside = inside || frame.route.load(std::memory_order_seq_cst) != nullptr;
        });
      }
    }
    if (!inside) break;
    std::this_thread::sleep_for(std::chrono::microseconds(std::min(round + 1, 1000)));
  }
  std::vector<Subscriber*> all;
  {
    const std::lock_guard lock(mutex_);
    for (Subscriber* one : slots_) {
      if (one == nullptr) continue;
      detail::retain(one);
      all.push_back(one);
    }
  }
  end(all);
  {
    // Of those that ended earlier a call may be suspended still.
    const References with_calls{with_mailbox()};
    for (Subscriber* one : with_calls.list) one->extra->sink->cancel_suspended();
  }
  Strand* strand = nullptr;
  {
    const std::lock_guard lock(pool_mutex_);
    strand = strand_.get();
  }
  // What it drops settles receipts, and their callbacks go to the pool.
  if (strand != nullptr) strand->mailbox().close();
  std::unique_ptr<delivery_detail::WorkerPool> pool;
  {
    const std::lock_guard lock(pool_mutex_);
    pool = std::move(pool_);
  }
  if (pool != nullptr) pool->shut_down();
  callbacks_.finish();
  if (StoreLink* const store = link()) store->close();
  if (timekeeper_made_.load(std::memory_order_acquire)) timekeeper().shut_down();
  // All routes and topics without a handle go; nobody can be on them any more.
  Garbage garbage;
  const std::lock_guard lock(mutex_);
  topics_.for_each([&](TopicEntry& entry) {
    if (Route* route = entry.route.exchange(nullptr, std::memory_order_acq_rel)) retire(route);
  });
  collect(garbage);
  pool_closed_ = std::move(pool);
}

void Strand::dropped(delivery_detail::Delivery& delivery, delivery_detail::DropReason) noexcept {
  auto* receipt = static_cast<ReceiptState*>(delivery.token);
  if (receipt->is_foreign) core_.stored_begun();
  // The store still refers to it.
  if (receipt->pending != nullptr) {
    (void)receipt->pending->wait(std::chrono::steady_clock::time_point::max());
  }
  part_failed(*receipt, {0, "publish_async", ErrorCode::dropped,
                         "the bus ended before the synchronous subscriptions got the event"});
  close_part(receipt);
}

Strand::Strand(BusCore& core)
    : core_(core),
      mailbox_(*this,
               {.capacity = core.options().queue_capacity,
                .overflow = Overflow::reject,
                .block_timeout = {},
                .concurrency = 1,
                .order_by = OrderBy::none},
               core.options().executor == nullptr ? &core.pool() : nullptr,
               core.options().executor) {}

}  // namespace busway::detail
