// store/memory/memory_log.hpp -- the events of a store in memory, by sequence and by id.
// Layer: store
//
// Model      A queue whose front is the oldest event kept; an event that was trimmed from the
//            middle leaves a hole.
// Threads    [not-concurrent]: under the store's lock.
// Ownership  Owns copies of the events.
// Errors     append() throws Error(payload_type) for what cannot be kept beyond its publisher.
// Cost       Constant time an event.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>

#include "busway/event.hpp"
#include "busway/wall_time.hpp"

namespace busway::store_detail {

class MemoryLog {
 public:
  struct Entry {
    Event event;
    WallTime appended{};
    std::uint64_t bytes = 0;
  };

  /// The sequence, which is new; or that of the event of the same id that is kept, and false.
  std::pair<std::uint64_t, bool> append(const Event& event, WallTime now);

  /// Null: never given, or trimmed.
  [[nodiscard]] const Entry* find(std::uint64_t sequence) const noexcept;
  /// 0: not kept.
  [[nodiscard]] std::uint64_t sequence_of(const EventId& id) const noexcept;
  void erase(std::uint64_t sequence);

  [[nodiscard]] std::uint64_t first() const noexcept { return entries_.empty() ? 0 : base_; }
  [[nodiscard]] std::uint64_t last() const noexcept { return base_ + entries_.size() - 1; }
  [[nodiscard]] std::uint64_t size() const noexcept { return ids_.size(); }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }

 private:
  std::uint64_t base_ = 1;  // sequence of entries_.front()
  std::deque<std::optional<Entry>> entries_;
  std::unordered_map<EventId, std::uint64_t> ids_;
  std::uint64_t bytes_ = 0;
};

}  // namespace busway::store_detail
