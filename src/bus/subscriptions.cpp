// Subscriptions listed, with their counters, and looked for by what they name.
#include <algorithm>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "bus/bus_core.hpp"
#include "bus/durable_feed.hpp"
#include "bus/publish_guards.hpp"

namespace busway::detail {

void BusCore::sample(Subscriber& subscriber, std::uint64_t ns) {
  SubscriberExtra* extra = subscriber.extra;
  LatencyHistogram* histogram = extra != nullptr
                                    ? extra->latency.load(std::memory_order_acquire)
                                    : subscriber.plain_latency.load(std::memory_order_acquire);
  if (histogram == nullptr) {
    auto made = std::make_unique<LatencyHistogram>();
    auto& place = extra != nullptr ? extra->latency : subscriber.plain_latency;
    if (place.compare_exchange_strong(histogram, made.get(), std::memory_order_acq_rel)) {
      histogram = made.release();
    }
  }
  histogram->record(ns);
}

bool takes_by_name(const Subscriber& subscriber, std::string_view topic) noexcept {
  if (state_of(subscriber) != SubscriberState::active) return false;
  if (subscriber.topic != nullptr) return true;  // it is on the topic's route, so that is its name
  const std::vector<Pattern>& patterns = subscriber.extra->patterns;
  return std::any_of(patterns.begin(), patterns.end(), [&](const Pattern& pattern) {
    return pattern.kind() == PatternKind::exact && pattern.text() == topic;
  });
}

bool BusCore::is_subscribed_by_name(std::string_view topic) {
  const FrameGuard guard(*this, thread_state());  // nothing that is seen here is freed meanwhile
  TopicEntry* entry = topics_.find(topic, hash_text(topic));
  if (entry == nullptr) entry = find_or_add_now(topic);
  Route& route = *route_of(entry);
  std::atomic<Subscriber*>* const listed = route.subscribers();
  return std::any_of(listed, listed + route.size(), [&](const std::atomic<Subscriber*>& one) {
    return takes_by_name(*one.load(std::memory_order_acquire), topic);
  });
}

std::vector<SubscriptionInfo> BusCore::subscriptions(std::string_view owner) {
  std::vector<SubscriptionInfo> out;
  const std::lock_guard lock(mutex_);
  // What live routes have counted and not folded yet.
  std::unordered_map<const Subscriber*, std::uint64_t> counted;
  const auto add_route = [&](Route& route) {
    settle_credit(route);
    for_each_count(route, [&](std::uint64_t count, std::uint32_t size) {
      for (std::uint32_t i = 0; i < size; ++i) {
        counted[route.subscribers()[i].load(std::memory_order_relaxed)] += count;
      }
    });
  };
  topics_.for_each([&](TopicEntry& entry) {
    if (Route* route = entry.route.load(std::memory_order_relaxed)) add_route(*route);
  });
  for (const Retired& one : retired_) {
    if (one.kind == Retired::Kind::route) add_route(*static_cast<Route*>(one.what));
  }
  for (const Subscriber* one : slots_) {
    if (one == nullptr || (!owner.empty() && owner_of(*one) != owner)) continue;
    SubscriptionInfo info;
    info.id = one->id;
    info.patterns = pattern_texts(*one);
    info.owner = std::string(owner_of(*one));
    info.priority = one->priority;
    const SubscriberExtra* extra = one->extra;
    info.name = extra != nullptr ? extra->name : std::string();
    switch (state_of(*one)) {
      case SubscriberState::active: info.state = SubscriptionInfo::State::active; break;
      case SubscriberState::paused: info.state = SubscriptionInfo::State::paused; break;
      case SubscriberState::replaying: info.state = SubscriptionInfo::State::replaying; break;
      case SubscriberState::ended: info.state = SubscriptionInfo::State::ended; break;
    }
    const delivery_detail::Breaker* const breaker =
        extra != nullptr ? extra->breaker.load(std::memory_order_acquire) : nullptr;
    if (breaker != nullptr) {
      using State = delivery_detail::Breaker::State;
      const State state = breaker->state();
      info.breaker = state == State::closed ? BreakerState::closed
                     : state == State::open ? BreakerState::open
                                            : BreakerState::half_open;
      info.breaker_opened = breaker->times_opened();
      info.breaker_refused = breaker->refused();
    }
    if (extra != nullptr) info.abandoned = extra->left_behind.load(std::memory_order_acquire);
    const LatencyHistogram* latency = extra != nullptr
                                          ? extra->latency.load(std::memory_order_acquire)
                                          : one->plain_latency.load(std::memory_order_acquire);
    if (latency != nullptr) info.latency = latency->quantiles();
    if (extra != nullptr && extra->mailbox != nullptr) {
      info.mode = Mode::async;
      info.queue_capacity = extra->mailbox->options().capacity;
      info.counters = extra->sink->counters(*extra->mailbox);
      // Its filter threw: nothing was queued.
      const std::uint32_t not_queued = one->not_delivered.load(std::memory_order_relaxed);
      info.counters.matched += not_queued;
      info.counters.failed += not_queued;
      info.queued = extra->mailbox->waiting();
      info.retries_waiting = extra->mailbox->waiting_again();
      if (extra->feed != nullptr) info.durable = extra->feed->name();
      info.filtered = extra->sink->filtered.load(std::memory_order_relaxed);
    } else {
      const auto live = counted.find(one);
      const std::uint64_t listed = one->base_matched.load(std::memory_order_relaxed) +
                                   (live != counted.end() ? live->second : 0);
      info.counters.matched =
          listed -
          std::min<std::uint64_t>(listed, one->not_matched.load(std::memory_order_relaxed));
      info.counters.matched += one->async_matched.load(std::memory_order_relaxed);
      // A publish that runs meanwhile may have failed here and not been counted above.
      info.counters.failed = std::min<std::uint64_t>(
          info.counters.matched, one->not_delivered.load(std::memory_order_relaxed));
      info.counters.delivered = info.counters.matched - info.counters.failed;
      if (extra != nullptr) {
        info.counters.retried = extra->retried.load(std::memory_order_relaxed);
        info.counters.timed_out = std::min<std::uint64_t>(
            info.counters.failed, extra->timed_out.load(std::memory_order_relaxed));
        info.counters.failed -= info.counters.timed_out;
      }
    }
    out.push_back(std::move(info));
  }
  std::sort(out.begin(), out.end(),
            [](const SubscriptionInfo& a, const SubscriptionInfo& b) { return a.id < b.id; });
  return out;
}

}  // namespace busway::detail
