// store/memory/log.hpp -- the events of a memory store, in the order in which they came.
// Layer: store
//
// Model      Entries with growing sequences from 1; trimming leaves holes. An id is known as long
//            as its event is kept.
// Threads    [not-concurrent]; guarded by the store's mutex.
// Ownership  Owns the events. References are good until the next append or trim.
// Errors     append() gives the strong guarantee against std::bad_alloc.
// Cost       append(): one hash insertion. By sequence: O(log n).
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "busway/event.hpp"

namespace busway::store_detail {

/// A copy of an event on its way into the log.
struct LogItem {
  Event event;
  std::uint64_t bytes = 0;  ///< of its payload and envelope, about
  std::string refused;      ///< why it cannot be stored; empty: it can
};

/// Copies an event, so that it owns all it refers to and can be JSON; never throws but
/// std::bad_alloc.
[[nodiscard]] LogItem item_of(const Event& event);

class MemoryLog {
 public:
  struct Entry {
    Event event;
    std::uint64_t sequence = 0;
    WallTime appended{};
    std::uint64_t bytes = 0;
  };

  struct Appended {
    std::uint64_t sequence = 0;
    bool duplicate = false;
  };
  Appended append(LogItem&& item, WallTime now);
  /// Takes back the last one: of nothing that was appended, or removed, since.
  [[nodiscard]] Event take_back() noexcept;

  [[nodiscard]] std::uint64_t last() const noexcept { return last_; }
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] const Entry& at(std::size_t index) const noexcept { return entries_[index]; }
  /// The index of the first entry of at least this sequence.
  [[nodiscard]] std::size_t first_from(std::uint64_t sequence) const noexcept;
  [[nodiscard]] const Entry* find(std::uint64_t sequence) const noexcept;
  [[nodiscard]] const Entry* find(const EventId& id) const noexcept;

  /// Removes the entries of these indexes, which ascend. Their events are for whoever holds no lock
  /// to end: payloads are of types of the program.
  void remove(std::span<const std::size_t> indexes, std::vector<Event>& gone_events);

 private:
  std::deque<Entry> entries_;
  std::unordered_map<EventId, std::uint64_t> sequences_;
  std::uint64_t last_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace busway::store_detail
