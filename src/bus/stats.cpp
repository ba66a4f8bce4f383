// Merges what threads, topics and mailboxes have counted.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "bus/add_counters.hpp"
#include "bus/bus_core.hpp"

namespace busway::detail {

namespace {

void add(const TopicStats& from, TopicStats& to) noexcept {
  to.published += from.published;
  to.matched += from.matched;
  to.failed += from.failed;
  to.timed_out += from.timed_out;
  to.dropped += from.dropped;
  to.dead_lettered += from.dead_lettered;
}

bool is_counted_at_all(const TopicEntry& entry) noexcept {
  return entry.published != 0 || entry.unwell.load(std::memory_order_relaxed) != nullptr;
}

void add_unwell(DeliveryOutcome::Kind kind, std::uint64_t by, TopicStats& to) noexcept {
  switch (kind) {
    case DeliveryOutcome::Kind::delivered: break;
    case DeliveryOutcome::Kind::failed: to.failed += by; break;
    case DeliveryOutcome::Kind::timed_out: to.timed_out += by; break;
    case DeliveryOutcome::Kind::dropped: to.dropped += by; break;
    case DeliveryOutcome::Kind::dead_lettered: to.dead_lettered += by; break;
  }
}

}  // namespace

void BusCore::add_counts(const TopicEntry& entry, TopicStats& to) noexcept {
  to.published += entry.published;
  to.matched += entry.matched;
  UnwellCounts* unwell = entry.unwell.load(std::memory_order_acquire);
  if (unwell == nullptr) return;
  for (std::size_t i = 0; i < unwell->by_kind.size(); ++i) {
    add_unwell(static_cast<DeliveryOutcome::Kind>(i),
               unwell->by_kind[i].load(std::memory_order_relaxed), to);
  }
}

/// Of an event that has been through its route on this thread.
void BusCore::count_unwell(TopicEntry& entry, const Dispatch& dispatch) {
  using Kind = DeliveryOutcome::Kind;
  const std::uint32_t failed = dispatch.failed - dispatch.timed_out;
  if (failed != 0) entry.count_unwell(Kind::failed, failed);
  if (dispatch.timed_out != 0) entry.count_unwell(Kind::timed_out, dispatch.timed_out);
  if (dispatch.refused != 0) entry.count_unwell(Kind::dropped, dispatch.refused);
}

void BusCore::count_unwell(std::string_view topic, DeliveryOutcome::Kind kind) {
  const std::lock_guard lock(mutex_);
  if (TopicEntry* entry = topics_.find(topic, hash_text(topic))) {
    entry->count_unwell(kind, 1);
  } else {
    add_unwell(kind, 1, other_);
  }
}

void BusCore::left_to_itself() {
  const std::lock_guard lock(async_mutex_);
  ++async_folded_.matched;
  ++async_folded_.in_flight;
}

void BusCore::ended_by_itself(Subscriber& subscriber, std::string_view topic,
                              DeliveryOutcome::Kind kind) {
  using Kind = DeliveryOutcome::Kind;
  {
    const std::lock_guard lock(async_mutex_);
    --async_folded_.in_flight;
    switch (kind) {
      case Kind::delivered: ++async_folded_.delivered; return;
      case Kind::failed: ++async_folded_.failed; break;
      case Kind::timed_out: ++async_folded_.timed_out; break;
      case Kind::dropped:
      case Kind::dead_lettered: ++async_folded_.dropped; break;
    }
  }
  subscriber.not_delivered.fetch_add(1, std::memory_order_relaxed);
  if (kind == Kind::timed_out) subscriber.extra->timed_out.fetch_add(1, std::memory_order_relaxed);
  count_unwell(topic, kind);
}

Stats BusCore::stats() {
  Stats out;
  TopicStats other;
  std::vector<Subscriber*> async = with_mailbox();
  {
    const std::lock_guard lock(async_mutex_);
    static_cast<DeliveryCounters&>(out) = async_folded_;
  }
  for (Subscriber* one : async) {
    add_counters(one->extra->sink->counters(*one->extra->mailbox), out);
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
    std::uint64_t listed = other_.matched;
    std::uint64_t published = other_.published;
    const auto add_route = [&](Route& route) {
      for_each_count(route, [&](std::uint64_t count, std::uint32_t size) {
        TopicStats& topic = by_topic[route.entry];
        topic.published += count;
        topic.matched += count * size;
        if (size == 0) unmatched += count;
      });
    };
    topics_.for_each([&](TopicEntry& entry) {
      if (is_counted_at_all(entry)) add_counts(entry, by_topic[&entry]);
      if (Route* route = entry.route.load(std::memory_order_relaxed)) add_route(*route);
    });
    std::unordered_set<const TopicEntry*> forgotten;
    for (const Retired& one : retired_) {
      if (one.kind != Retired::Kind::route) continue;
      Route& route = *static_cast<Route*>(one.what);
      add_route(route);
      // No longer in the table, and may have left several routes.
      if (route.entry->evicted && forgotten.insert(route.entry).second &&
          is_counted_at_all(*route.entry)) {
        add_counts(*route.entry, by_topic[route.entry]);
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
    out.abandoned = abandoned_.load(std::memory_order_acquire);
    out.stuck = watchdog_.reported();
    out.late_replies = late_replies_.load(std::memory_order_relaxed);
    other = other_;
  }
  for (Subscriber* one : async) detail::release(one);

  std::sort(out.topics.begin(), out.topics.end(), [](const TopicStats& a, const TopicStats& b) {
    return a.published != b.published ? a.published > b.published : a.topic < b.topic;
  });
  other.topic = "other";
  while (out.topics.size() > limits::kCountedTopicsMax) {
    add(out.topics.back(), other);
    out.topics.pop_back();
  }
  if (other.published != 0 || other.dropped + other.dead_lettered != 0) {
    out.topics.push_back(std::move(other));
  }
  return out;
}

}  // namespace busway::detail
