#include "plugin/sync_delivery.hpp"

#include <string>

#include "base/deadline.hpp"
#include "bus/dispatch.hpp"
#include "delivery/wait_graph.hpp"
#include "plugin/handler_scope.hpp"
#include "plugin/plugin_instance.hpp"
#include "plugin/worker.hpp"

namespace busway::plugin_host_detail {
namespace {

void run_posted(PluginInstance& plugin, SyncDelivery& delivery) {
  {
    const std::lock_guard lock(delivery.mutex);
    if (delivery.state == SyncDelivery::State::cancelled) return;
    delivery.state = SyncDelivery::State::running;
    if (delivery.ended->load(std::memory_order_acquire)) {
      delivery.state = SyncDelivery::State::done;
      delivery.changed.notify_all();
      return;
    }
  }
  Outcome outcome = Outcome::done();
  std::optional<Error> error;
  try {
    const HandlerScope cause(plugin.bus(), delivery.event);
    outcome = plugin.call(delivery.tag, delivery.event, nullptr, &delivery);
  } catch (const Error& thrown) {
    error = thrown;
  } catch (const std::exception& thrown) {
    error = Error(ErrorCode::handler_failed, thrown.what());
  }
  bool left = false;
  {
    const std::lock_guard lock(delivery.mutex);
    delivery.state = SyncDelivery::State::done;
    delivery.outcome = outcome;
    delivery.error = error;
    left = delivery.left;
    delivery.changed.notify_all();
  }
  // Nobody waits for the result any more: make a failure known all the same.
  if (left && error) plugin.report_error(error->what());
  if (left && !error && outcome.kind() != Outcome::Kind::done) {
    plugin.report_error("a delivery of " + std::string(delivery.event.topic()) +
                        " that its publisher did not wait for failed: " + outcome.reason());
  }
}

void report_queued(Context& context) {
  auto& dispatch = static_cast<detail::Dispatch&>(context);
  dispatch.adjusted.store(true, std::memory_order_relaxed);
  ++dispatch.queued;
}

void report_failure(Context& context, ErrorCode code, const std::string& reason) {
  static_cast<detail::Dispatch&>(context).record_failure(code, reason);
}

}  // namespace

Outcome deliver_sync(PluginInstance& plugin, std::uint64_t tag,
                     const std::shared_ptr<const std::atomic<bool>>& ended, const Event& event,
                     Context& context, std::chrono::nanoseconds timeout) {
  if (plugin.worker().pumped_by_this_thread()) return plugin.call(tag, event, &context, nullptr);

  const auto delivery = std::make_shared<SyncDelivery>(event, tag, ended);
  delivery->in_handler = static_cast<detail::Dispatch&>(context).outer != nullptr ||
                         PluginWorker::current() != nullptr;
  const delivery_detail::WaitEdge edge(
      {delivery_detail::WaitFor::thread(plugin.worker().thread_id())});
  delivery->must_return = !edge.entered();
  const PluginInstance::WaitingScope waiting(plugin, *delivery);  // may set must_return
  const auto posted = plugin.worker().post([&plugin, delivery] { run_posted(plugin, *delivery); });
  if (posted == Executor::Posted::refused) {
    report_failure(context, ErrorCode::stopped,
                   "the plugin " + plugin.id() + " has stopped and takes no more events");
    return Outcome::done();
  }

  using State = SyncDelivery::State;
  std::unique_lock lock(delivery->mutex);
  const bool in_time = delivery->changed.wait_until(lock, deadline_after(timeout), [&] {
    return delivery->state == State::done || delivery->must_return;
  });
  if (delivery->state == State::done) {
    if (delivery->error) throw Error(*delivery->error);
    return delivery->outcome;
  }
  delivery->left = true;
  if (in_time) {
    lock.unlock();
    report_queued(context);
    return Outcome::done();
  }
  const bool begun = delivery->state == State::running;
  if (!begun) delivery->state = State::cancelled;
  lock.unlock();
  report_failure(
      context, ErrorCode::timed_out,
      "the plugin " + plugin.id() + " has not " + (begun ? "finished" : "begun") + " within " +
          std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count()) +
          " ms");
  return Outcome::done();
}

}  // namespace busway::plugin_host_detail
