#include "bus/route.hpp"

#include <algorithm>
#include <new>

#include "bus/subscriber_extra.hpp"

namespace busway::detail {

void TopicEntry::count_unwell(DeliveryOutcome::Kind kind, std::uint64_t by) {
  UnwellCounts* counts = unwell.load(std::memory_order_acquire);
  if (counts == nullptr) {
    auto made = std::make_unique<UnwellCounts>();
    // Another thread may have been quicker: then its counts are taken.
    if (unwell.compare_exchange_strong(counts, made.get(), std::memory_order_acq_rel)) {
      counts = made.release();
    }
  }
  counts->of(kind).fetch_add(by, std::memory_order_relaxed);
}

Route* Route::make(TopicEntry* entry, std::uint32_t serial, std::uint32_t capacity) {
  void* memory = ::operator new(sizeof(Route) + capacity * sizeof(std::atomic<Subscriber*>));
  auto* route = ::new (memory) Route{entry, serial, entry->index, capacity, 0, 0, {0}, {0}};
  route->set_size(0);
  for (std::uint32_t i = 0; i < capacity; ++i) {
    ::new (static_cast<void*>(route->subscribers() + i)) std::atomic<Subscriber*>(nullptr);
  }
  return route;
}

void Route::destroy(Route* route) noexcept {
  const std::uint32_t size = route->size();
  for (std::uint32_t i = 0; i < size; ++i) {
    release(route->subscribers()[i].load(std::memory_order_relaxed));
  }
  route->~Route();
  ::operator delete(route);
}

LevelKey level_of(const Subscriber& subscriber) noexcept {
  const bool async = subscriber.extra != nullptr && subscriber.extra->mailbox != nullptr;
  return (async ? LevelKey{1} << 33U : LevelKey{0}) + subscriber.priority;
}

bool runs_before(const Subscriber& a, const Subscriber& b) noexcept {
  const LevelKey a_level = level_of(a);
  const LevelKey b_level = level_of(b);
  return a_level != b_level ? a_level > b_level : a.id < b.id;
}

namespace {

Level& find_level(TopicEntry& entry, LevelKey key) {
  if (entry.exact == 0 && entry.more_levels == nullptr) entry.level = Level{key, nullptr, nullptr};
  if (entry.level.key == key) return entry.level;
  if (entry.more_levels == nullptr) entry.more_levels = std::make_unique<std::vector<Level>>();
  auto& levels = *entry.more_levels;
  const auto place =
      std::lower_bound(levels.begin(), levels.end(), key,
                       [](const Level& one, LevelKey other) { return one.key > other; });
  if (place != levels.end() && place->key == key) return *place;
  return *levels.insert(place, Level{key, nullptr, nullptr});
}

void append_level(const Level& level, std::vector<Subscriber*>& out) {
  for (Subscriber* one = level.first; one != nullptr; one = one->next) out.push_back(one);
}

}  // namespace

void link_exact(TopicEntry& entry, Subscriber& subscriber) {
  Level& level = find_level(entry, level_of(subscriber));
  subscriber.entry = &entry;
  subscriber.previous = level.last;
  subscriber.next = nullptr;
  (level.last != nullptr ? level.last->next : level.first) = &subscriber;
  level.last = &subscriber;
  ++entry.exact;
}

void unlink_exact(TopicEntry& entry, Subscriber& subscriber) noexcept {
  const LevelKey key = level_of(subscriber);
  Level* level = &entry.level;
  if (level->key != key) {
    auto& levels = *entry.more_levels;
    level = &*std::lower_bound(levels.begin(), levels.end(), key,
                               [](const Level& one, LevelKey other) { return one.key > other; });
  }
  (subscriber.previous != nullptr ? subscriber.previous->next : level->first) = subscriber.next;
  (subscriber.next != nullptr ? subscriber.next->previous : level->last) = subscriber.previous;
  subscriber.previous = nullptr;
  subscriber.next = nullptr;
  --entry.exact;
  if (level->first == nullptr && level != &entry.level) {
    auto& levels = *entry.more_levels;
    levels.erase(levels.begin() + (level - levels.data()));
    if (levels.empty()) entry.more_levels.reset();
  }
}

void list_exact(const TopicEntry& entry, std::vector<Subscriber*>& out) {
  bool own_done = false;
  if (entry.more_levels != nullptr) {
    for (const Level& level : *entry.more_levels) {
      if (!own_done && entry.level.key > level.key) {
        append_level(entry.level, out);
        own_done = true;
      }
      append_level(level, out);
    }
  }
  if (!own_done) append_level(entry.level, out);
}

}  // namespace busway::detail
