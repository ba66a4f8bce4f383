// bus/topic_table.hpp -- finds the entry of a topic by name, without a lock.
// Layer: bus
//
// Model      256 shards of open addressing, so that growing one is short. A reader loads a shard's
//            table once and probes.
// Threads    find() [any-thread] while the caller's frame is searching; the rest under the bus's
//            lock.
// Ownership  Refers to entries; old tables are handed to the caller, who retires them.
// Errors     None.
// Cost       A hit is about 25 instructions beside the hash.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "bus/route.hpp"

namespace busway::detail {

/// Whether two texts of the same size are equal; inline, for texts of some dozen bytes.
[[nodiscard]] inline bool equal_bytes(const char* a, const char* b, std::size_t size) noexcept {
  const auto load8 = [](const char* p) noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, p, sizeof word);
    return word;
  };
  if (size >= 8) {
    std::size_t i = 0;
    for (; i + 8 <= size; i += 8) {
      if (load8(a + i) != load8(b + i)) return false;
    }
    return load8(a + size - 8) == load8(b + size - 8);
  }
  for (std::size_t i = 0; i < size; ++i) {
    if (a[i] != b[i]) return false;
  }
  return true;
}

class TopicTable {
 public:
  TopicTable();
  TopicTable(const TopicTable&) = delete;
  TopicTable& operator=(const TopicTable&) = delete;
  ~TopicTable();

  [[nodiscard]] TopicEntry* find(std::string_view name, std::uint64_t hash) const noexcept {
    const Table* table = shards_[hash >> 56U].load(std::memory_order_acquire);
    for (std::uint64_t i = hash;; ++i) {
      TopicEntry* entry = table->slots()[i & table->mask].load(std::memory_order_acquire);
      if (entry == nullptr) return nullptr;
      if (entry->hash == hash && entry->text->size == name.size() &&
          equal_bytes(entry->text->data(), name.data(), name.size())) {
        return entry;
      }
    }
  }

  struct Table {
    std::uint64_t mask;
    std::size_t used;
    [[nodiscard]] std::atomic<TopicEntry*>* slots() noexcept {
      return reinterpret_cast<std::atomic<TopicEntry*>*>(this + 1);
    }
    [[nodiscard]] const std::atomic<TopicEntry*>* slots() const noexcept {
      return reinterpret_cast<const std::atomic<TopicEntry*>*>(this + 1);
    }
    [[nodiscard]] static Table* make(std::size_t slots);
    static void destroy(Table* table) noexcept;
  };

  /// Adds an entry that is not there. Returns a table to retire, or null.
  [[nodiscard]] Table* insert(TopicEntry* entry);
  /// Removes the entries of one shard for which gone(entry) holds. Returns the table to retire.
  template <class F>
  [[nodiscard]] Table* erase_if(std::size_t shard, F&& gone) {
    Table* old = shards_[shard].load(std::memory_order_relaxed);
    Table* table = Table::make(old->mask + 1);
    for (std::size_t i = 0; i <= old->mask; ++i) {
      TopicEntry* entry = old->slots()[i].load(std::memory_order_relaxed);
      if (entry == nullptr) continue;
      if (gone(*entry)) {
        --size_;
      } else {
        place(table, entry);
      }
    }
    shards_[shard].store(table, std::memory_order_release);
    return old;
  }
  static constexpr std::size_t kShards = 256;
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  template <class F>
  void for_each(F&& visit) const {
    for (const auto& shard : shards_) {
      const Table* table = shard.load(std::memory_order_relaxed);
      for (std::size_t i = 0; i <= table->mask; ++i) {
        if (TopicEntry* entry = table->slots()[i].load(std::memory_order_relaxed)) visit(*entry);
      }
    }
  }

 private:
  [[nodiscard]] Table* grow(std::size_t shard);
  static void place(Table* table, TopicEntry* entry) noexcept;

  std::array<std::atomic<Table*>, kShards> shards_;
  std::size_t size_ = 0;
};

}  // namespace busway::detail
