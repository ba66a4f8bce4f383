// Events, timers and what a plugin asks of its host meanwhile.
#include <algorithm>
#include <utility>

#include "base/escape.hpp"
#include "bus/bus_core.hpp"
#include "bus/dispatch.hpp"
#include "plugin/event_view.hpp"
#include "plugin/plugin_instance.hpp"
#include "plugin/status.hpp"
#include "plugin/sync_delivery.hpp"

namespace busway::plugin_host_detail {
namespace {

constexpr std::size_t kTimersMax = 65'536;
constexpr std::size_t kStateBytesMax = std::size_t{64} << 20U;

}  // namespace

/// A delivery that is being made; nested ones stand on top of it.
struct PluginInstance::Active {
  std::uint64_t id;
  const Event& event;
  Context* context;
  SyncDelivery* sync;
  std::chrono::nanoseconds retry_delay{0};
};

// -- Deliveries -----------------------------------------------------------------------------------

Outcome PluginInstance::call(std::uint64_t tag, const Event& event, Context* context,
                             SyncDelivery* sync) {
  if (plugin_ == nullptr) return Outcome::fail("the plugin is gone");
  const EventView view(event);
  Active mine{next_delivery_++, event, context, sync};
  busway_delivery delivery{};
  delivery.size = sizeof delivery;
  delivery.attempt = context != nullptr ? context->attempt() : 1;
  delivery.id = mine.id;
  delivery.time_left_ns = -1;
  if (context != nullptr && context->deadline()) {
    const auto now = clock_->steady();
    delivery.time_left_ns =
        std::max<std::int64_t>(0, std::chrono::nanoseconds(*context->deadline() - now).count());
  }
  if (context != nullptr && context->history_was_cut())
    delivery.flags = BUSWAY_DELIVERY_HISTORY_CUT;

  active_.push_back(&mine);
  std::string outer_message = std::exchange(message_, {});
  const busway_status status = image_->api()->on_event(plugin_, tag, &view.raw(), &delivery);
  active_.pop_back();
  std::string reason = take_message();
  message_ = std::move(outer_message);
  if (status == BUSWAY_OK) return Outcome::done();
  if (status == BUSWAY_RETRY) return Outcome::retry(mine.retry_delay);
  if (reason.empty()) reason = std::string("the plugin answered ") + status_name(status);
  if (status == BUSWAY_DEAD_LETTER) return Outcome::dead_letter(std::move(reason));
  if (status == BUSWAY_PAYLOAD_TYPE) throw Error(ErrorCode::payload_type, reason);
  return Outcome::fail(std::move(reason));
}

// -- For the host's table -------------------------------------------------------------------------

void PluginInstance::set_message(std::string_view message) {
  constexpr std::size_t kMessageBytesMax = 4096;
  if (worker_->pumped_by_this_thread()) message_ = message.substr(0, kMessageBytesMax);
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
  message_.clear();
  const busway_status status = api->on_timer(plugin_, tag);
  if (status != BUSWAY_OK) report_error(describe("a timer", status).what());
}

void PluginInstance::set_source(PluginSource source) {
  source_.store(source, std::memory_order_relaxed);
  on_source_();
}

PluginInstance::Active& PluginInstance::active(std::uint64_t delivery_id) {
  if (worker_->pumped_by_this_thread()) {
    for (Active* one : active_) {
      if (one->id == delivery_id) return *one;
    }
  }
  throw Error(ErrorCode::plugin_state,
              "delivery " + std::to_string(delivery_id) +
                  " is over, or this is not the thread on which it was made; answer it within "
                  "on_event()");
}

bool PluginInstance::reply(std::uint64_t delivery_id, Payload payload) {
  const Active& one = active(delivery_id);
  return detail::Dispatch::core_of(bus_).reply(one.event.id(), std::move(payload));
}

void PluginInstance::set_retry_delay(std::uint64_t delivery_id, std::chrono::nanoseconds delay) {
  active(delivery_id).retry_delay = delay;
}

bool PluginInstance::stop_requested(std::uint64_t delivery_id) {
  const Active& one = active(delivery_id);
  if (one.context != nullptr) return one.context->stop_token().stop_requested();
  const std::lock_guard lock(one.sync->mutex);
  return one.sync->left;
}

void PluginInstance::write_state(std::string_view bytes) {
  if (!worker_->pumped_by_this_thread() || state_ == nullptr) {
    throw Error(ErrorCode::plugin_state, "write_state() is for use within save_state() only");
  }
  if (bytes.size() > kStateBytesMax - state_->size()) {
    throw Error(ErrorCode::too_many,
                "the state of a plugin is at most " + std::to_string(kStateBytesMax) + " bytes");
  }
  state_->append(bytes);
}

// -- Waits ----------------------------------------------------------------------------------------

PluginInstance::WaitingScope::WaitingScope(PluginInstance& plugin, SyncDelivery& delivery)
    : plugin_(plugin), delivery_(delivery) {
  const std::lock_guard lock(plugin_.mutex_);
  plugin_.waiting_.push_back(&delivery_);
  if (plugin_.requests_ != 0 && delivery_.in_handler) delivery_.must_return = true;
}

PluginInstance::WaitingScope::~WaitingScope() {
  const std::lock_guard lock(plugin_.mutex_);
  std::erase(plugin_.waiting_, &delivery_);
}

PluginInstance::RequestScope::RequestScope(PluginInstance& plugin)
    : plugin_(plugin.worker_->pumped_by_this_thread() ? &plugin : nullptr) {
  if (plugin_ == nullptr) return;
  const std::lock_guard lock(plugin_->mutex_);
  ++plugin_->requests_;
  for (SyncDelivery* delivery : plugin_->waiting_) {
    if (!delivery->in_handler) continue;
    const std::lock_guard inner(delivery->mutex);
    delivery->must_return = true;
    delivery->changed.notify_all();
  }
}

PluginInstance::RequestScope::~RequestScope() {
  if (plugin_ == nullptr) return;
  const std::lock_guard lock(plugin_->mutex_);
  --plugin_->requests_;
}

}  // namespace busway::plugin_host_detail
