// shared/lru_map.hpp -- a map that holds a bounded number of entries: the least recently used one
// makes room.
//
// Threads    [not-concurrent]
// Ownership  Owns its entries.
// Errors     None.
// Cost       O(1) on average.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace shared {

template <class T>
class LruMap {
 public:
  explicit LruMap(std::size_t capacity) : capacity_(capacity) {}

  /// The entry, made if it is not there; it is now the most recently used.
  T& touch(std::string_view key) {
    if (T* found = find(key)) return *found;
    if (entries_.size() == capacity_) {
      index_.erase(entries_.back().first);
      entries_.pop_back();
      ++evicted_;
    }
    entries_.emplace_front(std::string(key), T{});
    index_.emplace(entries_.front().first, entries_.begin());
    return entries_.front().second;
  }

  /// Null when it is not there; else it is now the most recently used.
  T* find(std::string_view key) {
    const auto at = index_.find(key);
    if (at == index_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, at->second);
    return &at->second->second;
  }

  /// The same for whoever only looks: it stays as recently used as it was.
  [[nodiscard]] const T* peek(std::string_view key) const {
    const auto at = index_.find(key);
    return at == index_.end() ? nullptr : &at->second->second;
  }

  void erase(std::string_view key) {
    const auto at = index_.find(key);
    if (at == index_.end()) return;
    const auto entry = at->second;
    index_.erase(at);  // before the text that its key looks at
    entries_.erase(entry);
  }

  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  /// How many had to make room.
  [[nodiscard]] std::uint64_t evicted() const noexcept { return evicted_; }

  /// Most recently used first.
  [[nodiscard]] auto begin() const noexcept { return entries_.begin(); }
  [[nodiscard]] auto end() const noexcept { return entries_.end(); }

 private:
  using Entries = std::list<std::pair<std::string, T>>;

  std::size_t capacity_;
  std::uint64_t evicted_ = 0;
  Entries entries_;
  std::unordered_map<std::string_view, typename Entries::iterator>
      index_;  // keys look into entries_
};

}  // namespace shared
