// delivery/seen_ids.hpp -- which events came within a window of time: by their ids.
//
// Model      Ids with the time they came, oldest first. What is older than the window is forgotten,
//            and the oldest when there are more than limits::kDedupeIdsMax.
// Threads    All [any-thread].
// Ownership  None.
// Errors     None but std::bad_alloc.
// Cost       seen(): one lock, one look into a hash table. forget(): also a search from the newest
//            on.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <mutex>
#include <unordered_set>
#include <utility>

#include "busway/event_id.hpp"

namespace busway::delivery_detail {

class SeenIds {
 public:
  explicit SeenIds(std::chrono::nanoseconds window) noexcept : window_ns_(window.count()) {}
  /// Whether the id was seen within the window before now; remembers it.
  [[nodiscard]] bool seen(const EventId& id, std::int64_t now_ns);
  /// The same without remembering it.
  [[nodiscard]] bool is_known(const EventId& id, std::int64_t now_ns);
  /// It was not delivered after all.
  void forget(const EventId& id);

 private:
  const std::int64_t window_ns_;
  std::mutex mutex_;  // guards all below
  std::deque<std::pair<std::int64_t, EventId>> order_;
  std::unordered_set<EventId> ids_;
};

}  // namespace busway::delivery_detail
