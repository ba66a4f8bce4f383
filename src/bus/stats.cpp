// Merges what threads, topics and mailboxes have counted.
#include <algorithm>
#include <unordered_map>

#include "bus/bus_core.hpp"

namespace busway::detail {

Stats BusCore::stats() {
  Stats out;
  std::vector<Subscriber*> async = with_mailbox();
  {
    const std::lock_guard lock(async_mutex_);
    static_cast<DeliveryCounters&>(out) = async_folded_;
  }
  for (Subscriber* one : async) {
    const DeliveryCounters counters = one->extra->sink->counters(*one->extra->mailbox);
    out.matched += counters.matched;
    out.delivered += counters.delivered;
    out.failed += counters.failed;
    out.dropped += counters.dropped;
    out.retried += counters.retried;
    out.dead_lettered += counters.dead_lettered;
    out.in_flight += counters.in_flight;
  }

  {
    const std::lock_guard lock(mutex_);
    // What is taken off is read before what it is taken from, so that a publish meanwhile makes
    // nothing negative.
    std::uint64_t passed_over = folded_passed_over_;
    std::uint64_t queued = folded_queued_;
    std::uint64_t failed = folded_.failed;
    std::uint64_t timed_out = folded_.timed_out;
    out.filtered = folded_.filtered;
    out.refused = folded_.refused;
    for (const auto& thread : threads_) {
      passed_over += thread->passed_over.load(std::memory_order_relaxed);
      queued += thread->queued.load(std::memory_order_relaxed);
      timed_out += thread->timed_out.load(std::memory_order_relaxed);
      failed += thread->failed.load(std::memory_order_relaxed);
      out.filtered += thread->filtered.load(std::memory_order_relaxed);
      out.refused += thread->refused.load(std::memory_order_relaxed);
    }
    out.retried += sync_retried_.load(std::memory_order_relaxed);
    std::unordered_map<const TopicEntry*, TopicStats> by_topic;
    std::uint64_t unmatched = folded_.unmatched;
    std::uint64_t listed = other_matched_;
    std::uint64_t published = other_published_;
    const auto add_route = [&](Route& route) {
      for (const auto& thread : threads_) {
        if (route.index >= thread->counts_size) continue;
        const RouteCount& record = thread->counts[route.index];
        const std::uint64_t key = record.key.load(std::memory_order_relaxed);
        const std::uint64_t count = record.count.load(std::memory_order_relaxed);
        if (key >> 32U != route.serial || count == 0) continue;
        const auto size = static_cast<std::uint32_t>(key);
        TopicStats& topic = by_topic[route.entry];
        topic.published += count;
        topic.matched += count * size;
        if (size == 0) unmatched += count;
      }
    };
    topics_.for_each([&](TopicEntry& entry) {
      if (entry.published != 0) {
        TopicStats& topic = by_topic[&entry];
        topic.published += entry.published;
        topic.matched += entry.matched;
      }
      if (Route* route = entry.route.load(std::memory_order_relaxed)) add_route(*route);
    });
    for (const Retired& one : retired_) {
      if (one.kind != Retired::Kind::route) continue;
      Route& route = *static_cast<Route*>(one.what);
      add_route(route);
      if (route.entry->evicted && !by_topic.contains(route.entry) && route.entry->published != 0) {
        by_topic[route.entry] = {{}, route.entry->published, route.entry->matched};
      }
    }
    for (auto& [entry, topic] : by_topic) {
      topic.topic = std::string(entry->text->view());
      published += topic.published;
      listed += topic.matched;
      out.topics.push_back(std::move(topic));
    }
    // Synchronous deliveries are what routes listed, less what was passed over or handed to
    // mailboxes, which counted it themselves above.
    const std::uint64_t sync_matched = listed - std::min(listed, passed_over + queued);
    failed = std::min(failed, sync_matched);
    timed_out = std::min(timed_out, failed);
    out.matched += sync_matched;
    out.failed += failed - timed_out;
    out.timed_out += timed_out;
    out.delivered += sync_matched - failed;
    out.published = published;
    out.unmatched = unmatched;
    out.subscriptions = subscription_count_;
    out.threads = threads_.size();
    out.abandoned = abandoned_.load(std::memory_order_relaxed);
    out.stuck = watchdog_.reported();
  }
  for (Subscriber* one : async) detail::release(one);

  std::sort(out.topics.begin(), out.topics.end(), [](const TopicStats& a, const TopicStats& b) {
    return a.published != b.published ? a.published > b.published : a.topic < b.topic;
  });
  TopicStats other{"other", other_published_, other_matched_};
  while (out.topics.size() > limits::kCountedTopicsMax) {
    other.published += out.topics.back().published;
    other.matched += out.topics.back().matched;
    out.topics.pop_back();
  }
  if (other.published != 0) out.topics.push_back(std::move(other));
  return out;
}

}  // namespace busway::detail
