#include "match/value_list.hpp"

#include <algorithm>
#include <new>

namespace busway::match_detail {
namespace {

constexpr std::uint32_t kFirstCapacity = 2;

ValueList::Value* allocate(std::uint32_t capacity) {
  const std::size_t bytes = capacity * (sizeof(ValueList::Value) + sizeof(ValueList::Entry));
  return static_cast<ValueList::Value*>(::operator new(bytes));
}

// Doubled while small, then half more, so that a long list wastes little.
std::uint32_t next_capacity(std::uint32_t capacity) noexcept {
  return capacity < 16 ? capacity * 2 : capacity + capacity / 2;
}

}  // namespace

std::uint32_t ValueList::add(Value value, Entry entry) {
  if (count_ == 0) {
    one_ = value;
    entry_ = entry;
    return count_++;
  }
  if (count_ == 1) {
    move_to_block(kFirstCapacity);
  } else if (count_ == capacity_) {
    move_to_block(next_capacity(capacity_));
  }
  block_[count_] = value;
  entries()[count_] = entry;
  return count_++;
}

ValueList::Entry ValueList::remove(std::uint32_t position) noexcept {
  if (count_ == 1) {
    count_ = 0;
    return entry_;
  }
  const std::uint32_t last = count_ - 1;
  const Entry moved = entries()[last];
  block_[position] = block_[last];
  entries()[position] = moved;
  count_ = last;
  shrink();
  return moved;
}

void ValueList::move_to_block(std::uint32_t capacity) {
  Value* const larger = allocate(capacity);
  auto* const larger_entries = reinterpret_cast<Entry*>(larger + capacity);
  if (count_ == 1) {
    larger[0] = one_;
    larger_entries[0] = entry_;
  } else {
    std::copy_n(block_, count_, larger);
    std::copy_n(entries(), count_, larger_entries);
    ::operator delete(block_);
  }
  block_ = larger;
  capacity_ = capacity;
}

// A list that lost most of its values gives memory back, if there is memory to move to.
void ValueList::shrink() noexcept {
  if (count_ == 1) {
    Value* const block = block_;
    const Entry entry = entries()[0];
    one_ = block[0];
    entry_ = entry;
    ::operator delete(block);
    return;
  }
  if (capacity_ < 32 || count_ > capacity_ / 4) return;
  try {
    move_to_block(capacity_ / 2);
  } catch (const std::bad_alloc&) {  // stays large
  }
}

void ValueList::release() noexcept {
  if (count_ > 1) ::operator delete(block_);
}

}  // namespace busway::match_detail
