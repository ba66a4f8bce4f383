// match/tag_table.hpp -- a hash table of 32-bit values that never rehashes as a whole.
// Layer: match
//
// Model      Extendible hashing: a directory, indexed by the tag's top bits, of segments with open
//            addressing. A full segment is split in two (some hundred moves); the directory doubles
//            by copying pointers. Several values may share a tag; the caller tells them apart.
// Threads    [not-concurrent]; const functions may run side by side.
// Ownership  Owns its slots.
// Errors     std::bad_alloc leaves the table as it was.
// Cost       Eight bytes a slot, of which half to all of load_percent_max are used. insert moves at
//            most one segment, or, when tags collide by design of an attacker, grows that segment.
// Invariants 1. A segment of depth d is shared by all directory entries with its d top bits.
//            2. A value is never kNoValue, which marks an empty slot.
//            3. No slot between a tag's home slot and its place is empty.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace busway::match_detail {

class TagTable {
 public:
  using Tag = std::uint32_t;
  using Value = std::uint32_t;
  static constexpr Value kNoValue = 0xFFFFFFFF;

  /// Slots are used up to this part of a segment: misses get slow above a half, hits only near one.
  explicit TagTable(std::size_t load_percent_max = 65);
  ~TagTable();
  TagTable(const TagTable&) = delete;
  TagTable& operator=(const TagTable&) = delete;

  void insert(Tag tag, Value value);

  /// Removes one slot that holds this pair; it must be there.
  void erase(Tag tag, Value value) noexcept;

  /// Replaces a value in place; the pair must be there.
  void replace(Tag tag, Value old_value, Value new_value) noexcept;

  /// The first value with this tag for which accept(value) is true, or kNoValue.
  template <typename Accept>
  [[nodiscard]] Value find_if(Tag tag, Accept accept) const {
    const Segment& segment = segment_of(tag);
    for (std::size_t at = tag & segment.mask;; at = (at + 1) & segment.mask) {
      const Slot slot = segment.slots[at];
      if (slot.value == kNoValue) return kNoValue;
      if (slot.tag == tag && accept(slot.value)) return slot.value;
    }
  }

  [[nodiscard]] Value find(Tag tag) const noexcept {
    return find_if(tag, [](Value) { return true; });
  }

  /// Brings the tag's home slot into the processor's cache.
  void prefetch(Tag tag) const noexcept {
    const Segment& segment = segment_of(tag);
    __builtin_prefetch(&segment.slots[tag & segment.mask]);
  }

  template <typename Visit>
  void for_each(Visit visit) const {
    for (std::size_t i = 0; i < directory_.size(); ++i) {
      if (i > 0 && directory_[i].slots == directory_[i - 1].slots) continue;
      for (std::size_t at = 0; at <= directory_[i].mask; ++at) {
        const Slot slot = directory_[i].slots[at];
        if (slot.value != kNoValue) visit(slot.tag, slot.value);
      }
    }
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t memory_bytes() const noexcept;

 private:
  struct Slot {
    Tag tag;
    Value value;
  };
  // Kept by value in the directory, so that a look-up takes one step less; equal in all entries
  // that share the slots, but for the count, which is kept in the slots' header.
  struct Segment {
    Slot* slots = nullptr;
    std::uint32_t mask = 0;
    std::uint32_t depth = 0;
  };

  [[nodiscard]] std::size_t index_of(Tag tag) const noexcept {
    return static_cast<std::size_t>(static_cast<std::uint64_t>(tag) << depth_ >> 32U);
  }
  [[nodiscard]] const Segment& segment_of(Tag tag) const noexcept {
    return directory_[index_of(tag)];
  }

  [[nodiscard]] static Slot* allocate(std::size_t capacity);
  static void release(Slot* slots) noexcept;
  [[nodiscard]] static std::size_t& count_of(Slot* slots) noexcept;
  static void place(const Segment& segment, Slot slot) noexcept;
  [[nodiscard]] static std::size_t locate(const Segment& segment, Tag tag, Value value) noexcept;
  void make_room(Tag tag);
  void split(Segment segment, Tag tag);
  void grow(Segment segment, Tag tag);
  void set_all(Tag tag, std::uint32_t depth, Segment segment) noexcept;

  std::vector<Segment> directory_;
  std::size_t load_percent_max_;
  std::uint32_t depth_ = 0;
  std::size_t size_ = 0;
};

}  // namespace busway::match_detail
