// Events, timers and what a plugin asks of its host meanwhile.
#include <algorithm>
#include <optional>
#include <thread>
#include <utility>

#include "bus/bus_core.hpp"
#include "plugin/event_view.hpp"
#include "plugin/plugin_instance.hpp"
#include "plugin/status.hpp"
#include "plugin/sync_delivery.hpp"

namespace busway::plugin_host_detail {
namespace {

constexpr std::size_t kTimersMax = 65'536;

}  // namespace

// -- Deliveries -----------------------------------------------------------------------------------

namespace {

std::optional<SteadyTime> deadline_of(const Context* context, const SyncDelivery* sync) {
  if (sync != nullptr) return sync->deadline;
  return context != nullptr ? context->deadline() : std::nullopt;
}

}  // namespace

Outcome PluginInstance::call(std::uint64_t tag, const Event& event, Context* context,
                             SyncDelivery* sync) {
  if (plugin_ == nullptr) return Outcome::fail("the plugin is gone");
  const std::optional<SteadyTime> deadline = deadline_of(context, sync);
  // A process of its own is killed at the deadline, and no thread need be left behind for it.
  const bool may_hang = image_->child() == nullptr;
  const PluginWorker::Deadline may_be_left(
      *worker_, may_hang ? deadline.value_or(SteadyTime::max()) : SteadyTime::max());
  // Given up before the worker could be left behind for it: nobody would come back for that.
  if (deadline && core_.call_time() >= *deadline && !core_.driven_by_hand()) {
    return Outcome::fail("the deadline had passed before the plugin was called");
  }
  const EventView view(event);
  busway_delivery delivery{};
  delivery.size = sizeof delivery;
  delivery.attempt = context != nullptr ? context->attempt() : sync->attempt;
  delivery.id = next_delivery_.fetch_add(1, std::memory_order_relaxed);
  delivery.time_left_ns = -1;
  if (deadline) {
    const auto left = std::chrono::nanoseconds(*deadline - core_.steady_now()).count();
    delivery.time_left_ns = std::max<std::int64_t>(0, left);
  }
  if (context != nullptr && context->history_was_cut())
    delivery.flags = BUSWAY_DELIVERY_HISTORY_CUT;

  PluginCall mine(*this);
  mine.id = delivery.id;
  mine.event = &event;
  mine.context = context;
  mine.sync = sync;
  const busway_status status = image_->api()->on_event(plugin_, tag, &view.raw(), &delivery);
  if (status == BUSWAY_OK) return Outcome::done();
  if (status == BUSWAY_RETRY) return Outcome::retry(mine.retry_delay);
  std::string reason = mine.take_message();
  if (reason.empty()) reason = std::string("the plugin answered ") + status_name(status);
  if (status == BUSWAY_DEAD_LETTER) return Outcome::dead_letter(std::move(reason));
  if (status == BUSWAY_PAYLOAD_TYPE) throw Error(ErrorCode::payload_type, reason);
  return Outcome::fail(std::move(reason));
}

bool PluginInstance::coming(std::uint64_t tag,
                            std::span<const delivery_detail::Delivery> deliveries,
                            std::optional<std::chrono::nanoseconds> timeout) const {
  ChildPlugin* const child = image_->child();
  if (child == nullptr || plugin_ == nullptr) return false;
  std::vector<ComingEvent> events;
  for (const delivery_detail::Delivery& one : deliveries) {
    events.push_back(
        {.event = &one.event,
         .attempt = one.attempts == nullptr ? 1 : one.attempts->made + 1,
         .flags = one.history_was_cut ? std::uint32_t{BUSWAY_DELIVERY_HISTORY_CUT} : 0U,
         .time_left_ns = timeout && *timeout != timeout->max() ? timeout->count() : -1});
  }
  return child->coming(tag, events);
}

// -- For the host's table -------------------------------------------------------------------------

void PluginInstance::set_message(std::string_view message) const {
  constexpr std::size_t kMessageBytesMax = 4096;
  if (PluginCall* call = PluginCall::of(*this)) call->message = message.substr(0, kMessageBytesMax);
}

std::uint64_t PluginInstance::schedule(std::chrono::nanoseconds delay, std::uint64_t tag) {
  if (worker_->timer_count() >= kTimersMax) {
    throw Error(ErrorCode::too_many, "the plugin " + facts_.id + " has " +
                                         std::to_string(kTimersMax) +
                                         " timers, which is the limit");
  }
  return worker_->schedule(delay, [this, tag] { run_timer(tag); });
}

void PluginInstance::run_timer(std::uint64_t tag) {
  const busway_plugin_api* api = image_->api();
  if (plugin_ == nullptr || !BUSWAY_HAS(busway_plugin_api, api, on_timer)) return;
  const PluginCall call(*this);
  const busway_status status = api->on_timer(plugin_, tag);
  if (status != BUSWAY_OK) report_error(describe("a timer", status).what());
}

PluginCall& PluginInstance::delivery(std::uint64_t delivery_id) const {
  PluginCall* const one = delivery_id != 0 ? PluginCall::delivery(*this, delivery_id) : nullptr;
  if (one != nullptr) return *one;
  throw Error(ErrorCode::plugin_state,
              "delivery " + std::to_string(delivery_id) +
                  " is over, or this is not the thread on which it was made; answer it within "
                  "on_event()");
}

bool PluginInstance::reply(std::uint64_t delivery_id, Payload payload) {
  return core_.reply(delivery(delivery_id).event->id(), std::move(payload));
}

void PluginInstance::set_retry_delay(std::uint64_t delivery_id, std::chrono::nanoseconds delay) {
  delivery(delivery_id).retry_delay = delay;
}

bool PluginInstance::stop_requested(std::uint64_t delivery_id) {
  const PluginCall& one = delivery(delivery_id);
  if (one.context != nullptr) return one.context->stop_token().stop_requested();
  return one.sync->stop_requested();
}

// -- Waits ----------------------------------------------------------------------------------------

PluginInstance::RequestScope::RequestScope(PluginInstance& plugin)
    : line_(plugin.worker_->pumped_by_this_thread() ? plugin.line_.get() : nullptr) {
  if (line_ != nullptr) line_->begin_request();
}

PluginInstance::RequestScope::~RequestScope() {
  if (line_ != nullptr) line_->end_request();
}

}  // namespace busway::plugin_host_detail
