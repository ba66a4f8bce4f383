// What a plugin listens to: data that the host keeps, and ends.
#include <algorithm>
#include <thread>
#include <utility>

#include "base/deadline.hpp"
#include "bus/bus_core.hpp"
#include "plugin/handler_scope.hpp"
#include "plugin/plugin_instance.hpp"
#include "plugin/sync_delivery.hpp"

namespace busway::plugin_host_detail {
namespace {

constexpr std::size_t kSubscriptionsMax = 65'536;

}  // namespace

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
  std::uint64_t id = 0;
  const bool open = unless_retired([&] {
    id = keep({options.mode == Mode::sync ? listen_sync(texts, std::move(options), tag, ended)
                                          : listen_async(texts, std::move(options), tag),
               ended});
  });
  if (open) return id;
  throw Error(ErrorCode::plugin_state, "the plugin " + facts_.id + " has been unloaded");
}

std::uint64_t PluginInstance::keep(Listening made) {
  const std::lock_guard lock(mutex_);
  if (subscriptions_.size() >= kSubscriptionsMax) {
    throw Error(ErrorCode::too_many, "the plugin " + facts_.id + " has " +
                                         std::to_string(kSubscriptionsMax) +
                                         " subscriptions, which is the limit");
  }
  const std::uint64_t id = next_subscription_++;
  subscriptions_.emplace(id, std::move(made));
  return id;
}

Subscription PluginInstance::listen_sync(const std::vector<std::string>& patterns,
                                         SubscriptionOptions options, std::uint64_t tag,
                                         std::shared_ptr<const std::atomic<bool>> ended) {
  // The wait for the worker is what it bounds, and no attempt has longer than all of them.
  std::optional<std::chrono::nanoseconds> timeout = std::exchange(options.timeout, std::nullopt);
  if (options.retry && options.retry->total) {
    timeout = std::min(timeout.value_or(kSyncTimeoutDefault), *options.retry->total);
  }
  const SyncListener listener{tag, std::move(ended), timeout};
  Subscription made = bus_.subscribe(
      patterns,
      // A publisher may still be in here when the plugin has been unloaded.
      [self = shared_from_this(), listener](const Event& event, Context& context) {
        return deliver_sync(*self, listener, event, context);
      },
      options);
  if (timeout && *timeout != timeout->max()) core_.set_own_timeout(made.id(), *timeout);
  return made;
}

Subscription PluginInstance::listen_async(const std::vector<std::string>& patterns,
                                          SubscriptionOptions options, std::uint64_t tag) {
  options.executor = worker_;
  return bus_.subscribe(
      patterns,
      [this, tag](const Event& event, Context& context) {
        return call(tag, event, &context, nullptr);
      },
      options);
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

std::size_t PluginInstance::drain(std::chrono::nanoseconds timeout) {
  gate_->store(Gate::closed, std::memory_order_relaxed);
  const auto deadline = deadline_after(timeout);
  for (;;) {
    const bool idle = worker_->wait_idle(deadline);
    std::size_t left = 0;
    for (const SubscriptionInfo& info : bus_.subscriptions(facts_.id)) left += info.queued;
    if ((left == 0 && idle) || std::chrono::steady_clock::now() >= deadline) return left;
    std::this_thread::yield();
  }
}

void PluginInstance::release_all(MayWait may_wait) {
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
    end(std::move(listening), hung() ? MayWait::no : may_wait);
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
  const HandlerScope inside(core_, none);  // within a handler the bus waits for nobody
  listening.subscription.reset();
}

}  // namespace busway::plugin_host_detail
