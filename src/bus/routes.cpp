// Topics and their routes: found, built, appended to, retired, freed.
#include <algorithm>
#include <utility>

#include "bus/bus_core.hpp"
#include "busway/topic_name.hpp"

namespace busway::detail {

Garbage::~Garbage() {
  for (TopicTable::Table* table : tables_) TopicTable::Table::destroy(table);
  for (Subscriber* reference : subscribers_) release(reference);
  for (Route* route : routes_) Route::destroy(route);
}

/// The entry of a topic, made if missing. Throws Error(invalid_topic).
TopicEntry* BusCore::entry_of(std::string_view name, Garbage& garbage) {
  const std::uint64_t hash = hash_text(name);
  if (TopicEntry* entry = topics_.find(name, hash)) return entry;
  require_topic(name);
  evict_if_due(garbage);
  auto entry = std::make_unique<TopicEntry>();
  entry->hash = hash;
  if (free_indexes_.empty()) {
    entry->index = next_index_++;
  } else {
    entry->index = free_indexes_.back();
    free_indexes_.pop_back();
  }
  entry->keys = MatchStamps::keys_of(name);
  entry->text = intern(name);
  entry->plain_text = is_counted(entry->text) ? nullptr : entry->text;
  if (TopicTable::Table* old = topics_.insert(entry.get())) retire(old);
  ++cached_topics_;
  return entry.release();
}

TopicEntry* BusCore::find_or_add_now(std::string_view name) {
  Garbage garbage;
  const std::lock_guard lock(mutex_);
  return entry_of(name, garbage);
}

TopicEntry* BusCore::pin_topic(std::string_view name) {
  Garbage garbage;
  const std::lock_guard lock(mutex_);
  if ((gate_.load(std::memory_order_relaxed) & kClosed) != 0) {
    throw Error(ErrorCode::stopped, "bus.topic(): the bus has been destroyed");
  }
  TopicEntry* entry = entry_of(name, garbage);
  gain_use(*entry);
  ++entry->handles;
  return entry;
}

void BusCore::repin_topic(TopicEntry* entry) noexcept {
  const std::lock_guard lock(mutex_);
  ++entry->handles;
}

void BusCore::unpin_topic(TopicEntry* entry) noexcept {
  const std::lock_guard lock(mutex_);
  --entry->handles;
  lose_use(*entry);
}

/// Called before an entry gets a subscription or a handle: from then on it is no mere cache entry.
void BusCore::gain_use(TopicEntry& entry) noexcept {
  if (entry.exact == 0 && entry.handles == 0) --cached_topics_;
}

/// Called after it lost one.
void BusCore::lose_use(TopicEntry& entry) noexcept {
  if (entry.exact == 0 && entry.handles == 0) ++cached_topics_;
}

/// Forgets the unused topics of one part of the table when too many are remembered.
void BusCore::evict_if_due(Garbage& garbage) {
  if (cached_topics_ < limits::kCachedRoutesMax) return;
  for (std::size_t tried = 0; tried < TopicTable::kShards / 8; ++tried) {
    const std::size_t shard = evict_next_++ % TopicTable::kShards;
    retire(topics_.erase_if(shard, [this](TopicEntry& entry) {
      if (entry.exact != 0 || entry.handles != 0) return false;
      --cached_topics_;
      entry.evicted = true;
      if (Route* route = entry.route.exchange(nullptr, std::memory_order_acq_rel)) {
        retire(route);
      } else {
        // A publisher may be between finding it and building its route: an empty route holds it
        // until then.
        ++entry.routes;
        retire(Route::make(&entry, next_serial_++, 0));
      }
      return true;
    }));
  }
  collect(garbage);
}

void BusCore::free_entry(TopicEntry* entry) noexcept {
  add_counts(*entry, other_);
  free_indexes_.push_back(entry->index);
  detail::release(entry->text);
  delete entry;
}

Route* BusCore::renew_route_now(TopicEntry* entry) {
  Garbage garbage;
  const std::lock_guard lock(mutex_);
  Route* route = entry->route.load(std::memory_order_relaxed);
  const std::uint64_t epoch = wild_epoch_.load(std::memory_order_relaxed);
  if (route != nullptr && route->checked.load(std::memory_order_relaxed) == epoch) return route;
  // Wildcards changed; if none that could match this topic, the route is still good.
  if (route != nullptr && route->checked.load(std::memory_order_relaxed) != 0 &&
      route->stamp == stamps_.stamp(entry->keys)) {
    route->checked.store(epoch, std::memory_order_release);
    return route;
  }
  build_route(*entry);
  route = entry->route.load(std::memory_order_relaxed);
  if (entry->evicted) {
    // Found before it was evicted: this publish is the route's only one.
    entry->route.store(nullptr, std::memory_order_relaxed);
    retire(route);
  }
  collect_if_due(garbage);
  return route;
}

void BusCore::build_route(TopicEntry& entry) {
  std::vector<Subscriber*> own;
  list_exact(entry, own);
  std::vector<PatternIndex::Value> values;
  if (index_.size() != 0) index_.match(entry.text->view(), values);
  if (!values.empty()) {
    std::vector<Subscriber*> others;
    others.reserve(values.size());
    for (const PatternIndex::Value value : values)
      others.push_back(reinterpret_cast<Subscriber*>(value));
    const auto before = [](const Subscriber* a, const Subscriber* b) {
      return runs_before(*a, *b);
    };
    std::sort(others.begin(), others.end(), before);
    others.erase(std::unique(others.begin(), others.end()), others.end());
    std::vector<Subscriber*> merged;
    merged.reserve(own.size() + others.size());
    std::merge(own.begin(), own.end(), others.begin(), others.end(), std::back_inserter(merged),
               before);
    own.swap(merged);
  }
  const auto size = static_cast<std::uint32_t>(own.size());
  replace_route(entry, own, size < 4 ? size : size + size / 2);
}

/// Gives the entry a route with these subscriptions and room for `capacity`.
void BusCore::replace_route(TopicEntry& entry, std::span<Subscriber* const> list,
                            std::uint32_t capacity) {
  if (next_serial_ == 0) next_serial_ = 1;
  Route* route = Route::make(&entry, next_serial_++, capacity);
  for (std::uint32_t i = 0; i < list.size(); ++i) {
    Subscriber* one = list[i];
    detail::retain(one);
    route->subscribers()[i].store(one, std::memory_order_relaxed);
    if (one->entry == &entry) {
      one->route_serial = route->serial;
      one->route_index = i;
    }
  }
  route->set_size(static_cast<std::uint32_t>(list.size()));
  route->stamp = stamps_.stamp(entry.keys);
  route->checked.store(wild_epoch_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  ++entry.routes;
  if (Route* old = entry.route.exchange(route, std::memory_order_acq_rel)) retire(old);
}

/// A new exact subscription: into the current route if it may stand at its end, else the route is
/// rebuilt by the next publish.
void BusCore::list_into_route(TopicEntry& entry, Subscriber& subscriber) {
  Route* route = entry.route.load(std::memory_order_relaxed);
  if (route == nullptr || route->checked.load(std::memory_order_relaxed) == 0) return;
  if (route->stamp != stamps_.stamp(entry.keys)) {
    route->checked.store(0, std::memory_order_release);
    return;
  }
  std::uint32_t size = route->size();
  std::uint32_t last = size;
  while (last > 0 &&
         route->subscribers()[last - 1].load(std::memory_order_relaxed) == ended_subscriber()) {
    --last;
  }
  if (last > 0 && level_of(*route->subscribers()[last - 1].load(std::memory_order_relaxed)) <
                      level_of(subscriber)) {
    route->checked.store(0, std::memory_order_release);
    return;
  }
  if (size == route->capacity) {
    std::vector<Subscriber*> live;
    live.reserve(size + 1);
    for (std::uint32_t i = 0; i < size; ++i) {
      Subscriber* one = route->subscribers()[i].load(std::memory_order_relaxed);
      if (one != ended_subscriber()) live.push_back(one);
    }
    const auto room = static_cast<std::uint32_t>(std::max<std::size_t>(4, live.size() * 2));
    const std::uint64_t checked = route->checked.load(std::memory_order_relaxed);
    replace_route(entry, live, room);
    route = entry.route.load(std::memory_order_relaxed);
    // Built from the old one, so as good as that, not as good as the wildcards of now.
    route->checked.store(checked, std::memory_order_relaxed);
    size = route->size();
  }
  detail::retain(&subscriber);
  subscriber.route_serial = route->serial;
  subscriber.route_index = size;
  route->subscribers()[size].store(&subscriber, std::memory_order_relaxed);
  route->set_size(size + 1);
}

/// An exact subscription that ended: its place is taken by one that does nothing.
void BusCore::unlist_from_route(Subscriber& subscriber) {
  TopicEntry& entry = *subscriber.entry;
  Route* route = entry.route.load(std::memory_order_relaxed);
  if (route == nullptr || subscriber.route_serial != route->serial) return;
  auto& place = route->subscribers()[subscriber.route_index];
  if (place.load(std::memory_order_relaxed) != &subscriber) return;
  detail::retain(ended_subscriber());
  place.store(ended_subscriber(), std::memory_order_release);
  ++route->dead;
  retire(&subscriber, route);
  const std::uint32_t size = route->size();
  // One of ended subscriptions alone would count its events as matched.
  if (route->dead == size || (route->dead >= 16 && route->dead * 2 > size))
    route->checked.store(0, std::memory_order_release);
}

/// A wildcard came or went: routes it could be on are stale, the others notice that they are not.
void BusCore::wildcard_changed(const Pattern& pattern) {
  stamps_.bump(pattern);
  wild_epoch_.store(wild_epoch_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

/// An exact pattern of a list came or went.
void BusCore::topic_changed(std::string_view name) {
  TopicEntry* entry = topics_.find(name, hash_text(name));
  if (entry == nullptr) return;
  if (Route* route = entry->route.load(std::memory_order_relaxed)) {
    route->checked.store(0, std::memory_order_release);
  }
}

void BusCore::retire(Subscriber* reference, const Route* route) {
  const std::uint64_t epoch = epoch_.load(std::memory_order_relaxed) + 1;
  epoch_.store(epoch, std::memory_order_relaxed);
  retired_.push_back({Retired::Kind::subscriber, reference, route, epoch});
}

void BusCore::retire(Route* route) {
  const std::uint64_t epoch = epoch_.load(std::memory_order_relaxed) + 1;
  epoch_.store(epoch, std::memory_order_relaxed);
  retired_.push_back({Retired::Kind::route, route, route, epoch});
}

void BusCore::retire(TopicTable::Table* table) {
  const std::uint64_t epoch = epoch_.load(std::memory_order_relaxed) + 1;
  epoch_.store(epoch, std::memory_order_relaxed);
  retired_.push_back({Retired::Kind::table, table, nullptr, epoch});
}

bool BusCore::only_this_thread() const noexcept {
  if (threads_.empty()) return true;
  const ThreadLocals::Known& known = thread_locals.known[known_at_];
  return threads_.size() == 1 && known.bus == serial_ && threads_.front().get() == known.state;
}

/// Frees what no frame can see any more.
void BusCore::collect(Garbage& garbage) {
  if (!only_this_thread()) platform_detail::heavy_barrier();
  struct Standing {
    const Route* route;
    std::uint64_t epoch;
  };
  std::vector<Standing> standing;
  for (const auto& thread : threads_) {
    thread->for_each_frame([&](const Frame& frame) {
      const Route* route = frame.route.load(std::memory_order_seq_cst);
      if (route != nullptr)
        standing.push_back({route, frame.epoch.load(std::memory_order_relaxed)});
    });
  }
  const auto seen = [&](const Retired& one) {
    return std::any_of(standing.begin(), standing.end(), [&](const Standing& at) {
      return at.epoch < one.epoch &&
             (at.route == kSearching || (one.route != nullptr && at.route == one.route));
    });
  };
  const auto keep = std::partition(retired_.begin(), retired_.end(), seen);
  for (auto one = keep; one != retired_.end(); ++one) {
    switch (one->kind) {
      case Retired::Kind::subscriber: garbage.add(static_cast<Subscriber*>(one->what)); break;
      case Retired::Kind::table: garbage.add(static_cast<TopicTable::Table*>(one->what)); break;
      case Retired::Kind::route: {
        auto* route = static_cast<Route*>(one->what);
        fold(*route);
        settle_credit(*route);
        TopicEntry* entry = route->entry;
        if (--entry->routes == 0 && entry->evicted) free_entry(entry);
        garbage.add(route);
        break;
      }
    }
  }
  retired_.erase(keep, retired_.end());
  collect_at_ = std::max<std::size_t>(64, retired_.size() * 2);
}

/// Moves the counts of a route that nobody stands on into its subscriptions.
void BusCore::fold(Route& route) {
  for (const auto& thread : threads_) {
    if (route.index >= thread->counts_size) continue;
    RouteCount& record = thread->counts[route.index];
    const std::uint64_t key = record.key.load(std::memory_order_relaxed);
    if (key >> 32U != route.serial) continue;
    const std::uint64_t count = record.count.load(std::memory_order_relaxed);
    credit(route, static_cast<std::uint32_t>(key), count);
    record.key.store(0, std::memory_order_relaxed);
    record.count.store(0, std::memory_order_relaxed);
  }
}

void BusCore::credit(Route& route, std::uint32_t size, std::uint64_t count) {
  if (count == 0) return;
  route.entry->published += count;
  route.entry->matched += count * size;
  if (size == 0) {
    folded_.unmatched += count;
    return;
  }
  if (!route.uncredited.empty() && route.uncredited.back().size == size) {
    route.uncredited.back().count += count;
    return;
  }
  route.uncredited.push_back({size, count});
  // As much to walk as the route: now and then, so that a change of size costs the same at any.
  if (route.uncredited.size() >= std::max(64U, route.capacity)) settle_credit(route);
}

/// Each subscriber of the route gets what was counted at sizes that took it in.
void BusCore::settle_credit(Route& route) {
  if (route.uncredited.empty()) return;
  std::sort(route.uncredited.begin(), route.uncredited.end(),
            [](const auto& a, const auto& b) { return a.size > b.size; });
  std::uint64_t count = 0;
  auto next = route.uncredited.begin();
  for (std::uint32_t i = next->size; i-- > 0;) {
    for (; next != route.uncredited.end() && next->size > i; ++next) count += next->count;
    Subscriber* one = route.subscribers()[i].load(std::memory_order_relaxed);
    one->base_matched.fetch_add(count, std::memory_order_relaxed);
  }
  route.uncredited.clear();
}

/// This thread publishes along another route, or size, than it counted last for the topic.
void BusCore::recount(ThreadState& state, Route& route, std::uint64_t key) {
  const std::lock_guard lock(mutex_);
  if (route.index >= state.counts_size) {
    const std::uint32_t size = std::max({64U, route.index + 1, state.counts_size * 2});
    auto counts = std::make_unique<RouteCount[]>(size);
    for (std::uint32_t i = 0; i < state.counts_size; ++i) {
      counts[i].key.store(state.counts[i].key.load(std::memory_order_relaxed),
                          std::memory_order_relaxed);
      counts[i].count.store(state.counts[i].count.load(std::memory_order_relaxed),
                            std::memory_order_relaxed);
    }
    state.counts_memory = std::move(counts);
    state.counts = state.counts_memory.get();
    state.counts_size = size;
  }
  RouteCount& record = state.counts[route.index];
  const std::uint64_t old_key = record.key.load(std::memory_order_relaxed);
  const std::uint64_t count = record.count.load(std::memory_order_relaxed);
  if (old_key == key) return;
  if (count != 0) {
    const auto serial = static_cast<std::uint32_t>(old_key >> 32U);
    Route* counted = serial == route.serial ? &route : nullptr;
    for (const Retired& one : retired_) {
      if (counted != nullptr) break;
      if (one.kind != Retired::Kind::route) continue;
      auto* candidate = static_cast<Route*>(one.what);
      if (candidate->serial == serial) counted = candidate;
    }
    // The topic's current route, when this publish still runs along an older one.
    if (Route* current = route.entry->route.load(std::memory_order_relaxed);
        counted == nullptr && current != nullptr && current->serial == serial) {
      counted = current;
    }
    if (counted != nullptr) credit(*counted, static_cast<std::uint32_t>(old_key), count);
  }
  record.key.store(key, std::memory_order_relaxed);
  state.counted.fetch_add(count, std::memory_order_relaxed);
  record.count.store(0, std::memory_order_relaxed);
}

}  // namespace busway::detail
