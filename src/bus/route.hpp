// bus/route.hpp -- a topic, its listeners in order, and the array a publish runs along.
// Layer: bus
//
// Model      A TopicEntry is what the bus knows of one topic: its own (exact) subscriptions by
//            level, and its current Route, which also lists the wildcard subscriptions that match.
//            A Route is appended to in place while it has room and the order allows it; else a new
//            one takes its place and the old one is retired.
// Threads    Everything is written under the bus's lock. Publishers read Route::key, subscribers()
//            and checked, and TopicEntry::route, text and hash without it.
// Ownership  A Route holds a reference on each Subscriber it lists; an entry lives while it has
//            subscriptions, handles or a place in the cache.
// Errors     None.
// Cost       16 bytes an entry of a route's array at most (it doubles); an entry about 150 bytes
//            with its text.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "busway/detail/subscriber.hpp"
#include "busway/detail/text.hpp"
#include "busway/receipt.hpp"
#include "match/match_stamps.hpp"

namespace busway::detail {

struct Route {
  TopicEntry* entry;
  std::uint32_t serial;  // never 0; a new one for each array
  std::uint32_t index;   // the entry's, for counters
  std::uint32_t capacity;
  std::uint32_t dead = 0;              // places whose subscription has ended
  std::uint64_t stamp;                 // of the wildcards when it was built
  std::atomic<std::uint64_t> key;      // serial << 32 | size: what RouteCount counts by
  std::atomic<std::uint64_t> checked;  // the wildcard epoch it is known to be good for; 0: rebuild
  // Publishes at sizes it no longer has, not yet credited to its subscribers one by one.
  struct Uncredited {
    std::uint32_t size;
    std::uint64_t count;
  };
  std::vector<Uncredited> uncredited{};

  [[nodiscard]] std::uint32_t size() const noexcept {
    return static_cast<std::uint32_t>(key.load(std::memory_order_acquire));
  }
  void set_size(std::uint32_t size) noexcept {
    key.store(std::uint64_t{serial} << 32U | size, std::memory_order_release);
  }

  [[nodiscard]] std::atomic<Subscriber*>* subscribers() noexcept {
    return reinterpret_cast<std::atomic<Subscriber*>*>(this + 1);
  }

  [[nodiscard]] static Route* make(TopicEntry* entry, std::uint32_t serial, std::uint32_t capacity);
  static void destroy(Route* route) noexcept;
};

/// Where a subscription stands among others of one topic: asynchronous ones are queued before
/// synchronous ones run.
using LevelKey = std::int64_t;

struct Level {
  LevelKey key = 0;
  Subscriber* first = nullptr;
  Subscriber* last = nullptr;
};

/// Deliveries of one topic that did not end well; made when the first one does not.
struct UnwellCounts {
  [[nodiscard]] std::atomic<std::uint64_t>& of(DeliveryOutcome::Kind kind) noexcept {
    return by_kind[static_cast<std::size_t>(kind)];
  }
  std::array<std::atomic<std::uint64_t>, 5> by_kind{};  // by DeliveryOutcome::Kind
};

struct TopicEntry {
  TopicEntry() = default;
  TopicEntry(const TopicEntry&) = delete;
  TopicEntry& operator=(const TopicEntry&) = delete;
  ~TopicEntry() { delete unwell.load(std::memory_order_relaxed); }

  /// [any-thread] while the entry is in use.
  void count_unwell(DeliveryOutcome::Kind kind, std::uint64_t by);

  const TextRep* text = nullptr;
  const TextRep* plain_text = nullptr;  // the text when events need not count it, else null
  std::uint64_t hash = 0;
  std::atomic<Route*> route{nullptr};
  std::uint32_t index = 0;
  std::uint32_t exact = 0;             // subscriptions of its own
  std::uint32_t routes = 0;            // arrays not freed yet: they refer to the entry
  std::atomic<std::uint32_t> kept{0};  // by the store: StoreLink::keeps()
  bool evicted = false;                // out of the table: freed with its last route
  std::uint64_t published = 0;         // folded counts
  std::uint64_t matched = 0;
  std::atomic<UnwellCounts*> unwell{nullptr};
  std::uint32_t handles = 0;                        // Topic objects
  Level level;                                      // the first level in use ...
  std::unique_ptr<std::vector<Level>> more_levels;  // ... and further ones, highest first
  MatchStamps::Keys keys;
};

[[nodiscard]] LevelKey level_of(const Subscriber& subscriber) noexcept;
/// Whether a stands before b in a route: by level, then by age.
[[nodiscard]] bool runs_before(const Subscriber& a, const Subscriber& b) noexcept;

void link_exact(TopicEntry& entry, Subscriber& subscriber);
void unlink_exact(TopicEntry& entry, Subscriber& subscriber) noexcept;
/// The entry's own subscriptions in the order they run.
void list_exact(const TopicEntry& entry, std::vector<Subscriber*>& out);

}  // namespace busway::detail
