// Subscriptions ended, paused, and waited for.
#include <algorithm>
#include <array>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "bus/add_counters.hpp"
#include "bus/bus_core.hpp"
#include "bus/durable_feed.hpp"

namespace busway::detail {
namespace {

/// A pattern in words: what it says, what it is shown as, or what reads the same.
bool is_worded(const Pattern& pattern, std::string_view text, const std::optional<Pattern>& read) {
  return pattern.text() == text || to_string(pattern) == text || (read && pattern == *read);
}

}  // namespace

/// With the bus's lock held. Null: it has ended.
Subscriber* BusCore::find(SubscriptionId id) const noexcept {
  const std::size_t slot = id & ((std::uint64_t{1} << kSlotBits) - 1);
  return slot < slots_.size() && slots_[slot] != nullptr && slots_[slot]->id == id ? slots_[slot]
                                                                                   : nullptr;
}

void BusCore::set_own_timeout(SubscriptionId id, std::chrono::nanoseconds timeout) {
  const std::lock_guard lock(mutex_);
  Subscriber* const one = find(id);
  if (one == nullptr || one->extra == nullptr) return;
  one->extra->own_timeout.store(timeout, std::memory_order_relaxed);
}

void BusCore::look_ahead(SubscriptionId id, decltype(SubscriberExtra::ahead) ahead) {
  const std::lock_guard lock(mutex_);
  Subscriber* const one = find(id);
  if (one == nullptr || one->extra == nullptr || one->extra->mailbox == nullptr) return;
  one->extra->ahead = std::move(ahead);
  one->extra->mailbox->look_ahead();
}

void BusCore::hold_durable(SubscriptionId id, bool held) {
  {
    const std::lock_guard lock(mutex_);
    const Subscriber* const one = find(id);
    if (one == nullptr || one->extra == nullptr || one->extra->feed == nullptr) return;
    one->extra->feed->hold(held);
  }
  if (!held) link()->feeds().wake();
}

bool BusCore::durable_busy(SubscriptionId id) {
  std::shared_ptr<DurableFeed> feed;
  {
    const std::lock_guard lock(mutex_);
    const Subscriber* const one = find(id);
    if (one != nullptr && one->extra != nullptr) feed = one->extra->feed;
  }
  return feed != nullptr && !feed->idle(DurableFeed::Fetching::allowed);
}

void BusCore::only_from_store(SubscriptionId id) {
  const std::lock_guard lock(mutex_);
  const Subscriber* const one = find(id);
  if (one == nullptr || one->extra == nullptr || one->extra->feed == nullptr) return;
  one->extra->feed->only_from_store();
  unlist_patterns(*one->extra);
}

/// With the bus's lock held. Routes that are built from now on do not have it.
void BusCore::unlist_patterns(SubscriberExtra& extra) {
  for (const PatternIndex::Handle handle : extra.handles) index_.remove(handle);
  extra.handles.clear();
  for (const Pattern& pattern : extra.patterns) {
    if (pattern.kind() == PatternKind::exact) {
      topic_changed(pattern.text());
    } else {
      wildcard_changed(pattern);
    }
  }
}

void BusCore::bury(SubscriptionId id, const std::string& reason) {
  Subscriber* found = nullptr;
  {
    const std::lock_guard lock(mutex_);
    found = find(id);
    if (found != nullptr) detail::retain(found);
  }
  if (found == nullptr) return;
  if (found->extra != nullptr && found->extra->mailbox != nullptr) {
    found->extra->sink->bury(reason);
    detail::retain(found);  // for end(), which drops one
    const std::array one{found};
    end(one, Waiting::never);
    found->extra->mailbox->give_up_calls();
  }
  detail::release(found);
}

bool BusCore::unsubscribe(SubscriptionId id) {
  Subscriber* found = nullptr;
  {
    const std::lock_guard lock(mutex_);
    found = find(id);
    if (found != nullptr) detail::retain(found);
  }
  if (found == nullptr) return false;
  const std::array one{found};
  end(one);
  return true;
}

std::size_t BusCore::unsubscribe(const SubscriptionQuery& query) {
  if (query.pattern.empty() && query.owner.empty() && query.name.empty()) {
    throw Error(ErrorCode::invalid_argument,
                "unsubscribe: pattern, owner and name are all empty; give at least one");
  }
  std::optional<Pattern> worded;  // none: no pattern can be made of the text, so none was
  if (!query.pattern.empty()) {
    try {
      worded = Pattern::parse(query.pattern, options_.wildcards);
    } catch (const Error&) {
    }
  }
  std::vector<Subscriber*> found;
  {
    const std::lock_guard lock(mutex_);
    for (Subscriber* one : slots_) {
      if (one == nullptr) continue;
      if (!query.owner.empty() && owner_of(*one) != query.owner) continue;
      if (!query.name.empty() && (one->extra == nullptr || one->extra->name != query.name))
        continue;
      if (!query.pattern.empty()) {
        const bool same =
            one->topic != nullptr
                ? one->topic->view() == query.pattern ||
                      (worded && worded->kind() == PatternKind::exact &&
                       one->topic->view() == worded->text())
                : std::any_of(one->extra->patterns.begin(), one->extra->patterns.end(),
                              [&](const Pattern& pattern) {
                                return is_worded(pattern, query.pattern, worded);
                              });
        if (!same) continue;
      }
      detail::retain(one);
      found.push_back(one);
    }
  }
  end(found);
  return found.size();
}

void BusCore::end(std::span<Subscriber* const> subscribers, Waiting waiting) {
  if (subscribers.empty()) return;
  const bool inside = waiting == Waiting::never || inside_handler();
  std::vector<Subscriber*> ending;  // by this call, and not by another thread
  ending.reserve(subscribers.size());
  Garbage garbage;
  {
    const std::lock_guard lock(mutex_);
    for (Subscriber* one : subscribers) {
      if (state_of(*one) == SubscriberState::ended) continue;
      one->state.store(static_cast<std::uint8_t>(SubscriberState::ended),
                       std::memory_order_release);
      one->invoke.store(&invoke_ended, std::memory_order_release);
      const std::size_t slot = one->id & ((std::uint64_t{1} << kSlotBits) - 1);
      slots_[slot] = nullptr;
      free_slots_.push_back(static_cast<std::uint32_t>(slot));
      --subscription_count_;
      garbage.add(one);  // the registration's reference
      ending.push_back(one);
      if (one->entry != nullptr) {
        unlist_from_route(*one);
        unlink_exact(*one->entry, *one);
        lose_use(*one->entry);
        one->entry = nullptr;
      }
      if (one->extra != nullptr) unlist_patterns(*one->extra);
    }
    collect_if_due(garbage);
  }
  for (Subscriber* one : ending) {
    if (one->extra == nullptr || one->extra->mailbox == nullptr) continue;
    one->extra->mailbox->close();
    one->extra->mailbox->request_stop();
    one->extra->sink->drop_retries();
  }
  for (const Subscriber* one : ending) {
    if (one->extra == nullptr || one->extra->mailbox == nullptr) watchdog_.request_stop(one);
  }
  wait_for_calls(subscribers, ending, inside);
  for (Subscriber* one : ending) {
    if (one->extra == nullptr || one->extra->feed == nullptr) continue;
    DurableFeeds& feeds = link()->feeds();
    if (inside) {
      feeds.wake();
    } else {
      feeds.wait_closed(*one->extra->feed);
    }
  }
  for (Subscriber* one : subscribers) garbage.add(one);
}

/// Passes the barrier once; outside handlers waits for running calls; destroys the callables that
/// nobody runs.
void BusCore::wait_for_calls(std::span<Subscriber* const> all, std::span<Subscriber* const> ending,
                             bool inside) {
  const std::unordered_set<const Subscriber*> ours(all.size() > 8 ? all.begin() : all.end(),
                                                   all.end());
  const auto is_ours = [&](const Subscriber* one) {
    return ours.empty() ? std::find(all.begin(), all.end(), one) != all.end() : ours.contains(one);
  };
  std::unordered_set<const Subscriber*> running;
  std::unordered_set<const Subscriber*> left;  // called within a call that was given up: for ever
  for (int round = 0;; ++round) {
    running.clear();
    left.clear();
    {
      const std::lock_guard lock(mutex_);
      if (round == 0 && !only_this_thread()) platform_detail::heavy_barrier();
      for (const auto& thread : threads_) {
        thread->for_each_frame([&](const Frame& frame) {
          const Subscriber* current = frame.current.load(std::memory_order_seq_cst);
          if (current == nullptr || !is_ours(current)) return;
          (left_behind_.contains(thread->thread) ? left : running).insert(current);
        });
      }
    }
    if (running.empty() || inside) break;
    if (round < 64) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds(std::min(round, 1000)));
    }
  }
  for (Subscriber* one : ending) {
    if (running.contains(one) || left.contains(one)) continue;
    if (one->extra != nullptr && one->extra->mailbox != nullptr) {
      auto& mailbox = *one->extra->mailbox;
      if (inside) {
        if (mailbox.on_threads() != 0) continue;
      } else {
        mailbox.wait_idle(delivery_detail::Mailbox::Idle::no_thread,
                          std::chrono::steady_clock::time_point::max());
      }
    }
    // A call that was given up or is suspended goes on with it, and the last of them destroys it.
    if (one->extra != nullptr && has_calls_elsewhere(*one)) {
      one->extra->orphaned.store(true, std::memory_order_seq_cst);
      if (has_calls_elsewhere(*one)) continue;
    }
    end_callable(*one);
  }
  if (inside) return;
  // Those that another thread is ending: their calls are waited for as well.
  for (Subscriber* one : all) {
    if (one->extra != nullptr && one->extra->mailbox != nullptr) {
      one->extra->mailbox->wait_idle(delivery_detail::Mailbox::Idle::no_thread,
                                     std::chrono::steady_clock::time_point::max());
    }
  }
}

void BusCore::pause(Subscriber& subscriber) {
  {
    const std::lock_guard lock(mutex_);
    if (state_of(subscriber) != SubscriberState::active) return;
    subscriber.state.store(static_cast<std::uint8_t>(SubscriberState::paused),
                           std::memory_order_release);
    subscriber.invoke.store(invoke_of(subscriber), std::memory_order_release);
  }
  if (subscriber.extra != nullptr && subscriber.extra->mailbox != nullptr)
    subscriber.extra->mailbox->pause();
}

void BusCore::resume(Subscriber& subscriber) {
  {
    const std::lock_guard lock(mutex_);
    if (state_of(subscriber) != SubscriberState::paused) return;
    subscriber.state.store(static_cast<std::uint8_t>(SubscriberState::active),
                           std::memory_order_release);
    subscriber.invoke.store(invoke_of(subscriber), std::memory_order_release);
  }
  if (subscriber.extra != nullptr && subscriber.extra->mailbox != nullptr)
    subscriber.extra->mailbox->resume();
  if (subscriber.extra != nullptr && subscriber.extra->feed != nullptr) link()->feeds().wake();
}

bool BusCore::wait_idle(Subscriber& subscriber, std::chrono::steady_clock::time_point deadline) {
  for (const Dispatch* one = thread_locals.current; one != nullptr; one = one->outer) {
    if (one->running() == &subscriber) return false;  // it would wait for itself
  }
  if (subscriber.extra != nullptr && subscriber.extra->mailbox != nullptr) {
    return subscriber.extra->mailbox->wait_idle(delivery_detail::Mailbox::Idle::no_call, deadline);
  }
  for (int round = 0;; ++round) {
    bool running = false;
    {
      const std::lock_guard lock(mutex_);
      if (!only_this_thread()) platform_detail::heavy_barrier();
      for (const auto& thread : threads_) {
        thread->for_each_frame([&](const Frame& frame) {
          running = running || frame.current.load(std::memory_order_seq_cst) == &subscriber;
        });
      }
    }
    if (!running) return true;
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(std::min(round + 1, 1000)));
  }
}

void BusCore::join_async(Subscriber* subscriber) {
  const std::lock_guard lock(async_mutex_);
  subscriber->extra->async_place = async_.size();
  async_.push_back(subscriber);
}

void BusCore::leave_async(Subscriber* subscriber) noexcept {
  const std::lock_guard lock(async_mutex_);
  SubscriberExtra& extra = *subscriber->extra;
  if (extra.async_place >= async_.size() || async_[extra.async_place] != subscriber) return;
  async_.back()->extra->async_place = extra.async_place;
  std::swap(async_[extra.async_place], async_.back());
  async_.pop_back();
  DeliveryCounters counters = extra.sink->counters(*extra.mailbox);
  counters.in_flight = 0;  // it is gone: what was under way has ended
  add_counters(counters, async_folded_);
}

/// Each with a reference more; those about to be freed are left out.
std::vector<Subscriber*> BusCore::with_mailbox() {
  std::vector<Subscriber*> out;
  const std::lock_guard lock(async_mutex_);
  for (Subscriber* one : async_) {
    std::uint32_t references = one->references.load(std::memory_order_relaxed);
    while (references != 0 && !one->references.compare_exchange_weak(references, references + 1,
                                                                     std::memory_order_acq_rel)) {
    }
    if (references != 0) out.push_back(one);
  }
  return out;
}

}  // namespace busway::detail
