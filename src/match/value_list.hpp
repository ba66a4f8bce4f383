// match/value_list.hpp -- the values of one pattern, each with the entry that points back at it.
// Layer: match
//
// Model      One value stands inside, more in a block: first all values, so that they are copied in
//            one go, then their entries. Removing moves the last value into the gap.
// Threads    [not-concurrent]; const functions may run side by side.
// Ownership  Owns its block.
// Errors     std::bad_alloc from add() leaves the list as it was.
// Cost       16 bytes, and from the second value on 12 bytes a value in a block up to twice as
//            large.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace busway::match_detail {

class ValueList {
 public:
  using Value = std::uintptr_t;
  using Entry = std::uint32_t;

  ValueList() = default;
  ~ValueList() { release(); }
  ValueList(const ValueList&) = delete;
  ValueList& operator=(const ValueList&) = delete;

  /// Returns the position of the new value, which is the last.
  std::uint32_t add(Value value, Entry entry);

  /// Removes the value at the position; returns the entry whose value stands there now (its own
  /// entry when it was the last).
  Entry remove(std::uint32_t position) noexcept;

  [[nodiscard]] Value operator[](std::uint32_t position) const noexcept {
    return count_ <= 1 ? one_ : values()[position];
  }
  [[nodiscard]] std::uint32_t size() const noexcept { return count_; }

  void append_to(std::vector<Value>& out) const {
    if (count_ == 1) {
      out.push_back(one_);
    } else {
      out.insert(out.end(), values(), values() + count_);
    }
  }

 private:
  [[nodiscard]] Value* values() const noexcept { return count_ <= 1 ? nullptr : block_; }
  [[nodiscard]] Entry* entries() const noexcept {
    return reinterpret_cast<Entry*>(block_ + capacity_);
  }
  void move_to_block(std::uint32_t capacity);
  void shrink() noexcept;
  void release() noexcept;

  union {
    Value one_ = 0;  // while there is at most one
    Value* block_;
  };
  std::uint32_t count_ = 0;
  union {
    Entry entry_ = 0;  // while there is at most one
    std::uint32_t capacity_;
  };
};

}  // namespace busway::match_detail
