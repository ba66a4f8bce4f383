#include "plugin/plugin_instance.hpp"

#include <algorithm>
#include <thread>
#include <utility>

#include "base/escape.hpp"
#include "bus/bus_core.hpp"
#include "bus/dispatch.hpp"
#include "busway/limits.hpp"
#include "plugin/abi_values.hpp"
#include "plugin/event_view.hpp"
#include "plugin/handler_scope.hpp"
#include "plugin/host_api.hpp"
#include "plugin/status.hpp"
#include "plugin/sync_delivery.hpp"

namespace busway::plugin_host_detail {
namespace {

constexpr std::size_t kSubscriptionsMax = 65'536;
constexpr std::size_t kTimersMax = 65'536;
constexpr std::size_t kStateBytesMax = std::size_t{64} << 20U;

[[nodiscard]] std::shared_ptr<Clock> clock_of(const Bus& bus) {
  return bus.options().clock != nullptr ? bus.options().clock : Clock::system();
}

[[nodiscard]] std::string text_of(const busway_view& view) {
  return view.data == nullptr ? std::string() : std::string(view.data, view.size);
}

}  // namespace

/// A delivery that is being made; nested ones stand on top of it.
struct PluginInstance::Active {
  std::uint64_t id;
  const Event& event;
  Context* context;
  SyncDelivery* sync;
  std::chrono::nanoseconds retry_delay{0};
};

PluginInstance::PluginInstance(Bus& bus, std::unique_ptr<PluginImage> image,
                               std::string thread_name, Report on_error,
                               std::function<void()> on_source)
    : bus_(bus),
      image_(std::move(image)),
      on_error_(std::move(on_error)),
      on_source_(std::move(on_source)),
      worker_(PluginWorker::start(thread_name, clock_of(bus))),
      gate_(std::make_shared<std::atomic<Gate>>(Gate::open)) {}

PluginInstance::~PluginInstance() {
  release_all();
  if (hung()) {
    worker_->abandon();
  } else {
    worker_->close();
  }
}

// -- Lifecycle ------------------------------------------------------------------------------------

std::optional<Error> PluginInstance::on_worker(std::string_view what,
                                               std::function<busway_status()> f,
                                               std::chrono::nanoseconds timeout) {
  struct Answer {
    std::optional<Error> error;
  };
  const auto answer = std::make_shared<Answer>();
  const std::string step(what);
  const bool came_back = worker_->run(
      [this, answer, step, f = std::move(f)] {
        message_.clear();
        try {
          const busway_status status = f();
          if (status != BUSWAY_OK) answer->error = describe(step, status);
        } catch (const Error& error) {
          answer->error = error;
        }
      },
      timeout);
  if (came_back) return answer->error;
  hung_.store(true, std::memory_order_relaxed);
  return Error(
      ErrorCode::timed_out,
      "the plugin " + facts_.id + " did not come back from " + step + " within " +
          std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count()) +
          " ms; its thread is left behind");
}

Error PluginInstance::describe(std::string_view what, busway_status status) {
  const std::string message = take_message();
  return Error(ErrorCode::plugin_failed,
               "the plugin " + facts_.id + " failed in " + std::string(what) + ": " +
                   (message.empty() ? std::string(status_name(status)) : message));
}

std::string PluginInstance::take_message() { return escape(std::exchange(message_, {}), 1000); }

std::optional<Error> PluginInstance::open(std::string id, std::chrono::nanoseconds timeout) {
  facts_.id = id;
  return on_worker(
      "loading",
      [this, id = std::move(id)] {
        image_->open();
        read_facts(id);
        return BUSWAY_OK;
      },
      timeout);
}

void PluginInstance::read_facts(std::string id) {
  const busway_plugin_api& api = *image_->api();
  facts_.id = id.empty() ? text_of(api.id) : std::move(id);
  facts_.version = escape(text_of(api.version), 64);
  facts_.description = escape(text_of(api.description), 500);
  for (std::size_t i = 0; i < api.requires_count; ++i) {
    std::string required = text_of(api.requires_ids[i]);
    if (!is_plugin_id(required)) {
      throw Error(ErrorCode::plugin_abi, "the plugin " + facts_.id + " requires " +
                                             quote(required) + ", which cannot be a plugin's id");
    }
    facts_.required.push_back(std::move(required));
  }
}

std::optional<Error> PluginInstance::create(std::chrono::nanoseconds timeout) {
  return on_worker(
      "create",
      [this]() -> busway_status {
        busway_plugin* made = nullptr;
        const busway_status status = image_->api()->create(&host_api(), this, &made);
        if (status != BUSWAY_OK) return status;
        if (made == nullptr) {
          message_ = "create gave no instance";
          return BUSWAY_FAILED;
        }
        plugin_ = made;
        return BUSWAY_OK;
      },
      timeout);
}

std::optional<Error> PluginInstance::setup(const std::string& config,
                                           std::chrono::nanoseconds timeout) {
  return on_worker(
      "setup",
      [this, config]() -> busway_status {
        const busway_plugin_api* api = image_->api();
        if (!BUSWAY_HAS(busway_plugin_api, api, setup)) return BUSWAY_OK;
        return api->setup(plugin_, to_view(config));
      },
      timeout);
}

std::optional<Error> PluginInstance::start(std::chrono::nanoseconds timeout) {
  return on_worker(
      "start",
      [this]() -> busway_status {
        const busway_plugin_api* api = image_->api();
        if (!BUSWAY_HAS(busway_plugin_api, api, start)) return BUSWAY_OK;
        return api->start(plugin_);
      },
      timeout);
}

std::optional<Error> PluginInstance::stop(std::chrono::nanoseconds timeout) {
  return on_worker(
      "stop",
      [this]() -> busway_status {
        const busway_plugin_api* api = image_->api();
        if (!BUSWAY_HAS(busway_plugin_api, api, stop)) return BUSWAY_OK;
        return api->stop(plugin_);
      },
      timeout);
}

std::optional<Error> PluginInstance::teardown(std::chrono::nanoseconds timeout) {
  return on_worker(
      "teardown",
      [this]() -> busway_status {
        const busway_plugin_api* api = image_->api();
        if (plugin_ == nullptr || !BUSWAY_HAS(busway_plugin_api, api, teardown)) return BUSWAY_OK;
        return api->teardown(plugin_);
      },
      timeout);
}

std::optional<Error> PluginInstance::health(PluginHealthInfo& out,
                                            std::chrono::nanoseconds timeout) {
  const auto answer = std::make_shared<PluginHealthInfo>();
  std::optional<Error> error = on_worker(
      "health",
      [this, answer]() -> busway_status {
        const busway_plugin_api* api = image_->api();
        if (plugin_ == nullptr || !BUSWAY_HAS(busway_plugin_api, api, health)) return BUSWAY_OK;
        std::uint32_t level = BUSWAY_HEALTH_OK;
        const busway_status status = api->health(plugin_, &level);
        if (status != BUSWAY_OK) return status;
        answer->level = level == BUSWAY_HEALTH_OK         ? PluginHealthInfo::Level::ok
                        : level == BUSWAY_HEALTH_DEGRADED ? PluginHealthInfo::Level::degraded
                                                          : PluginHealthInfo::Level::failing;
        answer->message = take_message();
        return BUSWAY_OK;
      },
      timeout);
  if (!error) out = *answer;
  return error;
}

std::size_t PluginInstance::drain(std::chrono::nanoseconds timeout) {
  gate_->store(Gate::closed, std::memory_order_relaxed);
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    const bool idle = worker_->wait_idle(deadline);
    std::size_t left = 0;
    for (const SubscriptionInfo& info : bus_.subscriptions(facts_.id)) left += info.queued;
    if ((left == 0 && idle) || std::chrono::steady_clock::now() >= deadline) return left;
    std::this_thread::yield();
  }
}

void PluginInstance::release_all() {
  std::map<std::uint64_t, Listening> ending;
  {
    const std::lock_guard lock(mutex_);
    ending.swap(subscriptions_);
    // A publisher that waits for the worker would be waited for by the end of its subscription.
    for (SyncDelivery* delivery : waiting_) {
      const std::lock_guard inner(delivery->mutex);
      delivery->must_return = true;
      delivery->changed.notify_all();
    }
  }
  for (auto& [id, listening] : ending) {
    end(std::move(listening), hung() ? MayWait::no : MayWait::yes);
  }
  worker_->cancel_timers();
}

void PluginInstance::end(Listening listening, MayWait may_wait) {
  listening.ended->store(true, std::memory_order_release);
  if (may_wait == MayWait::yes) {
    listening.subscription.reset();
    return;
  }
  const Event none;
  const HandlerScope inside(bus_, none);  // within a handler the bus waits for nobody
  listening.subscription.reset();
}

bool PluginInstance::dismantle(std::chrono::nanoseconds timeout) {
  release_all();
  if (hung()) return false;
  const std::optional<Error> error = on_worker(
      "destroy",
      [this]() -> busway_status {
        if (busway_plugin* plugin = std::exchange(plugin_, nullptr)) {
          image_->api()->destroy(plugin);
        }
        return BUSWAY_OK;
      },
      timeout);
  if (error) return false;
  worker_->close();
  bool unmapped = false;
  // On a thread that ends now: what the library's finalisers register for it goes with it.
  std::thread([&] { unmapped = image_->close(); }).join();
  return unmapped;
}

// -- For the host's table -------------------------------------------------------------------------

std::uint64_t PluginInstance::subscribe(const std::vector<std::string_view>& patterns,
                                        SubscriptionOptions options, std::uint64_t tag) {
  if (patterns.empty()) {
    throw Error(ErrorCode::invalid_pattern, "a subscription needs at least one pattern");
  }
  options.owner = facts_.id;
  // Closed while the plugin drains: what is queued is handled, nothing new comes in.
  options.filter = [gate = gate_](const Event&) {
    return gate->load(std::memory_order_relaxed) == Gate::open;
  };
  const std::vector<std::string> texts(patterns.begin(), patterns.end());
  const auto ended = std::make_shared<std::atomic<bool>>(false);
  Subscription made;
  if (options.mode == Mode::sync) {
    const std::chrono::nanoseconds timeout = options.timeout.value_or(kSyncTimeoutDefault);
    options.timeout.reset();  // the wait for the worker is what it bounds
    made = bus_.subscribe(
        texts,
        [this, tag, timeout, ended](const Event& event, Context& context) {
          return deliver_sync(*this, tag, ended, event, context, timeout);
        },
        options);
  } else {
    options.executor = worker_;
    made = bus_.subscribe(
        texts,
        [this, tag](const Event& event, Context& context) {
          return call(tag, event, &context, nullptr);
        },
        options);
  }
  const std::lock_guard lock(mutex_);
  if (subscriptions_.size() >= kSubscriptionsMax) {
    throw Error(ErrorCode::too_many, "the plugin " + facts_.id + " has " +
                                         std::to_string(kSubscriptionsMax) +
                                         " subscriptions, which is the limit");
  }
  const std::uint64_t id = next_subscription_++;
  subscriptions_.emplace(id, Listening{std::move(made), ended});
  return id;
}

void PluginInstance::unsubscribe(std::uint64_t id) {
  Listening ending;
  {
    const std::lock_guard lock(mutex_);
    const auto found = subscriptions_.find(id);
    if (found == subscriptions_.end()) {
      throw Error(ErrorCode::not_found,
                  "the plugin " + facts_.id + " has no subscription " + std::to_string(id));
    }
    ending = std::move(found->second);
    subscriptions_.erase(found);
  }
  // The worker must not wait for a publisher that waits for the worker.
  end(std::move(ending), worker_->pumped_by_this_thread() ? MayWait::no : MayWait::yes);
}

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
    const auto now = clock_of(bus_)->steady();
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
