#include "bus/topic_table.hpp"

#include <new>

namespace busway::detail {

TopicTable::Table* TopicTable::Table::make(std::size_t slots) {
  void* memory = ::operator new(sizeof(Table) + slots * sizeof(std::atomic<TopicEntry*>));
  auto* table = ::new (memory) Table{slots - 1, 0};
  for (std::size_t i = 0; i < slots; ++i) {
    ::new (static_cast<void*>(table->slots() + i)) std::atomic<TopicEntry*>(nullptr);
  }
  return table;
}

void TopicTable::Table::destroy(Table* table) noexcept { ::operator delete(table); }

TopicTable::TopicTable() {
  for (auto& shard : shards_) shard.store(Table::make(4), std::memory_order_relaxed);
}

TopicTable::~TopicTable() {
  for (auto& shard : shards_) Table::destroy(shard.load(std::memory_order_relaxed));
}

void TopicTable::place(Table* table, TopicEntry* entry) noexcept {
  for (std::uint64_t i = entry->hash;; ++i) {
    auto& slot = table->slots()[i & table->mask];
    if (slot.load(std::memory_order_relaxed) != nullptr) continue;
    slot.store(entry, std::memory_order_release);
    ++table->used;
    return;
  }
}

TopicTable::Table* TopicTable::grow(std::size_t shard) {
  Table* old = shards_[shard].load(std::memory_order_relaxed);
  Table* table = Table::make((old->mask + 1) * 2);
  for (std::size_t i = 0; i <= old->mask; ++i) {
    if (TopicEntry* entry = old->slots()[i].load(std::memory_order_relaxed)) place(table, entry);
  }
  shards_[shard].store(table, std::memory_order_release);
  return old;
}

TopicTable::Table* TopicTable::insert(TopicEntry* entry) {
  const std::size_t shard = entry->hash >> 56U;
  Table* table = shards_[shard].load(std::memory_order_relaxed);
  Table* retired = nullptr;
  if ((table->used + 1) * 4 > (table->mask + 1) * 3) {
    retired = grow(shard);
    table = shards_[shard].load(std::memory_order_relaxed);
  }
  place(table, entry);
  ++size_;
  return retired;
}

}  // namespace busway::detail
