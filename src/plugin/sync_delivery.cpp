#include "plugin/sync_delivery.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "base/duration_words.hpp"
#include "bus/bus_core.hpp"
#include "bus/dispatch.hpp"
#include "bus/subscriber_extra.hpp"
#include "delivery/later.hpp"
#include "delivery/wait_graph.hpp"
#include "plugin/handler_scope.hpp"
#include "plugin/line/addressee.hpp"
#include "plugin/plugin_instance.hpp"
#include "plugin/plugin_line.hpp"
#include "plugin/worker.hpp"

namespace busway::plugin_host_detail {
namespace {

using State = SyncDelivery::State;

// -- The deadline ---------------------------------------------------------------------------------

/// It has passed. False: the call is not running.
bool give_up(SyncDelivery& delivery) {
  std::thread::id thread;
  std::shared_ptr<PluginWorker> worker;
  {
    const std::lock_guard lock(delivery.mutex);
    if (delivery.state != State::running || delivery.given_up) return false;
    delivery.given_up = true;
    thread = delivery.thread;
    worker = delivery.worker;
    delivery.subscriber.extra->left_behind.fetch_add(1, std::memory_order_seq_cst);
  }
  delivery.subscriber.core->leave_behind(delivery.subscriber, delivery.event, *worker, thread,
                                         nullptr);
  delivery.ended_as(DeliveryOutcome::Kind::timed_out);
  bool returned = false;
  {
    const std::lock_guard lock(delivery.mutex);
    delivery.counted = true;
    returned = delivery.state == State::done;
  }
  if (returned) detail::came_back(delivery.subscriber, thread);
  return true;
}

std::shared_ptr<SyncDelivery> let_go(SyncDelivery& delivery) {
  const std::lock_guard lock(delivery.mutex);
  return std::move(delivery.keeps_itself);
}

/// Nobody waits for the call, which runs: a timer keeps its deadline.
void keep_deadline(const std::shared_ptr<SyncDelivery>& delivery) {
  delivery_detail::Timekeeper& timekeeper = delivery->subscriber.core->timekeeper();
  SteadyTime deadline;
  {
    const std::lock_guard lock(delivery->mutex);
    delivery->keeps_itself = delivery;
    deadline = delivery->deadline;
  }
  bool armed = false;
  try {
    armed = timekeeper.schedule(*delivery, deadline);
  } catch (const std::exception&) {
    // No thread can be had now: as if there were no deadline.
  }
  bool done = false;
  {
    const std::lock_guard lock(delivery->mutex);
    done = delivery->state == State::done;
  }
  if (!armed || (done && timekeeper.cancel(*delivery))) (void)let_go(*delivery);
}

// -- The call, on the worker ----------------------------------------------------------------------

/// False: it is not to be made.
bool begin(PluginInstance& plugin, const std::shared_ptr<SyncDelivery>& delivery) {
  bool alone = false;
  {
    const std::lock_guard lock(delivery->mutex);
    if (delivery->state == State::cancelled) return false;
    if (delivery->addressee->ended()) {
      delivery->state = State::done;
      delivery->changed.notify_all();
      return false;
    }
    delivery->state = State::running;
    delivery->worker = plugin.shared_worker();
    delivery->thread = std::this_thread::get_id();
    alone = delivery->left;
    if (alone) {
      delivery->deadline =
          delivery_detail::later(delivery->subscriber.core->call_time(), delivery->timeout);
    }
  }
  if (alone) keep_deadline(delivery);
  return true;
}

/// Nobody waits for the result any more: makes a failure known all the same.
void report_late(PluginInstance& plugin, const SyncDelivery& delivery) {
  if (delivery.error) return plugin.report_error(delivery.error->what());
  if (delivery.outcome.kind() == Outcome::Kind::done) return;
  plugin.report_error("a delivery of " + std::string(delivery.event.topic()) +
                      " that its publisher did not wait for failed: " + delivery.outcome.reason());
}

void end(PluginInstance& plugin, SyncDelivery& delivery) {
  bool left = false;
  bool armed = false;
  bool mine = false;  // counted: this thread tells that it has come back
  {
    const std::lock_guard lock(delivery.mutex);
    delivery.state = State::done;
    left = delivery.left && !delivery.given_up;
    armed = delivery.keeps_itself != nullptr;
    mine = delivery.counted;
    delivery.changed.notify_all();
  }
  if (armed && delivery.subscriber.core->timekeeper().cancel(delivery)) (void)let_go(delivery);
  const bool well = !delivery.error && delivery.outcome.kind() == Outcome::Kind::done;
  if (left)
    delivery.ended_as(well ? DeliveryOutcome::Kind::delivered : DeliveryOutcome::Kind::failed);
  if (left) report_late(plugin, delivery);
  if (mine) detail::came_back(delivery.subscriber, std::this_thread::get_id());
}

/// [plugin-worker] Unless the store's way has been first.
Outcome call_live(PluginInstance& plugin, const Addressee& addressee, const Event& event,
                  Context* context, SyncDelivery* posted) {
  const auto call = [&] { return plugin.call(addressee.tag(), event, context, posted); };
  HandledEvents* const handled = addressee.handled();
  return handled != nullptr ? handled->call_live(event.id(), call) : call();
}

/// [plugin-worker] Of whichever instance the subscription now stands for.
void run_posted(const std::shared_ptr<SyncDelivery>& delivery) {
  PluginInstance& plugin = delivery->addressee->here();
  if (!begin(plugin, delivery)) return;
  Outcome outcome = Outcome::done();
  std::optional<Error> error;
  try {
    const HandlerScope cause(plugin.core(), delivery->event);
    outcome = call_live(plugin, *delivery->addressee, delivery->event, nullptr, delivery.get());
  } catch (const Error& thrown) {
    error = thrown;
  } catch (const std::exception& thrown) {
    error = Error(ErrorCode::handler_failed, thrown.what());
  }
  {
    const std::lock_guard lock(delivery->mutex);
    delivery->outcome = std::move(outcome);
    delivery->error = std::move(error);
  }
  end(plugin, *delivery);
}

// -- The publisher --------------------------------------------------------------------------------

void report_queued(detail::Dispatch& dispatch) {
  dispatch.adjusted.store(true, std::memory_order_relaxed);
  ++dispatch.queued;
}

/// With the lock held, until the call is done, the deadline, or waiting any longer could close a
/// circle.
void wait(SyncDelivery& delivery, std::unique_lock<std::mutex>& lock) {
  const detail::BusCore& core = *delivery.subscriber.core;
  const auto over = [&] { return delivery.state == State::done || delivery.must_return; };
  if (core.options().clock->is_manual()) {
    delivery.changed.wait(lock, [&] { return over() || core.call_time() >= delivery.deadline; });
    return;
  }
  // The clock may have an epoch of its own, so the wait is a span and no point in time.
  constexpr std::chrono::nanoseconds kLongest = std::chrono::hours(1);
  for (auto left = delivery.deadline - core.call_time(); !over() && left > left.zero();
       left = delivery.deadline - core.call_time()) {
    delivery.changed.wait_for(lock, std::min<std::chrono::nanoseconds>(left, kLongest), over);
  }
}

/// The publisher's clock, where a test moves it.
Clock::Watch watch_clock(SyncDelivery& delivery) {
  const Clock& clock = *delivery.subscriber.core->options().clock;
  if (!clock.is_manual()) return nullptr;
  return const_cast<Clock&>(clock).watch([&delivery] {
    { const std::lock_guard moved(delivery.mutex); }
    delivery.changed.notify_all();
  });
}

void report_too_late(PluginInstance& plugin, const SyncDelivery& delivery,
                     detail::Dispatch& dispatch, bool begun) {
  dispatch.record_failure(ErrorCode::timed_out, "the plugin " + plugin.id() + " has not " +
                                                    (begun ? "finished" : "begun") + " within " +
                                                    duration_words(delivery.timeout) +
                                                    detail::or_total_words(delivery.subscriber));
}

/// Waits for what was posted; the outcome, or none where the publisher goes on without it.
Outcome await(PluginInstance& plugin, const std::shared_ptr<SyncDelivery>& delivery,
              detail::Dispatch& dispatch) {
  const Clock::Watch watch = watch_clock(*delivery);
  bool running = false;
  bool circle = false;
  {
    std::unique_lock lock(delivery->mutex);
    wait(*delivery, lock);
    if (delivery->state == State::done) {
      if (delivery->error) throw Error(*delivery->error);
      return delivery->outcome;
    }
    delivery->left = true;
    running = delivery->state == State::running;
    circle = delivery->must_return;
    if (circle) {
      delivery->subscriber.core->left_to_itself();
      delivery->by_itself = true;
    }
    if (!circle && !running) delivery->state = State::cancelled;
  }
  if (circle) {
    if (running) keep_deadline(delivery);
    report_queued(dispatch);
  } else {
    if (running) (void)give_up(*delivery);
    report_too_late(plugin, *delivery, dispatch, running);
  }
  return Outcome::done();
}

}  // namespace

SyncDelivery::SyncDelivery(const SyncListener& listener, const Event& of,
                           detail::Dispatch& publisher)
    : event(of),
      addressee(listener.addressee),
      subscriber(*publisher.running()),
      attempt(publisher.attempt()),
      timeout(listener.timeout.value_or(kSyncTimeoutDefault)),
      publishers(publisher.stop_token()),
      deadline(std::min(delivery_detail::later(publisher.core().call_time(), timeout),
                        publisher.deadline().value_or(SteadyTime::max()))),
      in_handler(publisher.outer != nullptr || PluginWorker::current() != nullptr) {
  detail::retain(&subscriber);
}

SyncDelivery::~SyncDelivery() {
  ended_as(DeliveryOutcome::Kind::dropped);  // its worker has ended without it
  detail::release(&subscriber);
}

void SyncDelivery::ended_as(DeliveryOutcome::Kind kind) {
  {
    const std::lock_guard lock(mutex);
    if (!std::exchange(by_itself, false)) return;
  }
  subscriber.core->ended_by_itself(subscriber, event.topic(), kind);
}

bool SyncDelivery::stop_requested() {
  if (addressee->ended() || publishers.stop_requested()) return true;
  const std::lock_guard lock(mutex);
  return given_up;
}

/// Kept by itself until here: maybe by nobody else.
void SyncDelivery::due() noexcept {
  const detail::NeverBlock here;
  const std::shared_ptr<SyncDelivery> self = let_go(*this);
  (void)give_up(*this);
}

void SyncDelivery::disarmed() noexcept { (void)let_go(*this); }

namespace {

/// While a publisher waits for a delivery.
struct WaitingScope {
  WaitingScope(PluginInstance& plugin, SyncDelivery& waits) : line(plugin.line()), delivery(waits) {
    line.begin_waiting(plugin, delivery);  // may set must_return
  }
  WaitingScope(const WaitingScope&) = delete;
  WaitingScope& operator=(const WaitingScope&) = delete;
  ~WaitingScope() { line.end_waiting(delivery); }
  PluginLine& line;
  SyncDelivery& delivery;
};

}  // namespace

Outcome deliver_sync(const SyncListener& listener, const Event& event, Context& context) {
  auto& dispatch = static_cast<detail::Dispatch&>(context);
  // A publisher may still be in here when the plugin has been unloaded, or replaced.
  const std::shared_ptr<PluginInstance> plugin = listener.addressee->instance();
  const auto has_stopped = [&] {
    dispatch.record_failure(ErrorCode::stopped, "the plugin " + listener.plugin +
                                                    " has stopped and takes no more events");
    return Outcome::done();
  };
  if (plugin == nullptr) return has_stopped();
  if (plugin->worker().pumped_by_this_thread()) {
    return call_live(*plugin, *listener.addressee, event, &context, nullptr);
  }
  detail::Subscriber& subscriber = *dispatch.running();
  if (subscriber.extra->left_behind.load(std::memory_order_relaxed) != 0 &&
      !dispatch.core().may_leave_behind(1)) {
    dispatch.record_failure(ErrorCode::breaker_open, detail::abandoned_words(subscriber));
    return Outcome::done();
  }
  const auto delivery = std::make_shared<SyncDelivery>(listener, event, dispatch);
  const delivery_detail::WaitEdge edge(
      {delivery_detail::WaitFor::call(plugin->worker().thread_id())});
  delivery->must_return = !edge.entered();
  const WaitingScope waiting(*plugin, *delivery);
  const auto posted = listener.addressee->post([delivery] { run_posted(delivery); });
  if (posted == Executor::Posted::refused) return has_stopped();
  return await(*plugin, delivery, dispatch);
}

}  // namespace busway::plugin_host_detail
