#include "match/tag_table.hpp"

#include <algorithm>
#include <new>

namespace busway::match_detail {
namespace {

constexpr std::size_t kSegmentSlots = 512;
constexpr std::size_t kFirstSlots = 16;
constexpr std::size_t kDirectorySlack = 16;  // entries of the directory for each full segment

}  // namespace

// The count of used slots stands in one slot in front of the first.
TagTable::Slot* TagTable::allocate(std::size_t capacity) {
  auto* const slots = static_cast<Slot*>(::operator new((capacity + 1) * sizeof(Slot))) + 1;
  std::fill_n(slots, capacity, Slot{0, kNoValue});
  new (slots - 1) std::size_t(0);
  return slots;
}

void TagTable::release(Slot* slots) noexcept { ::operator delete(slots - 1); }

std::size_t& TagTable::count_of(Slot* slots) noexcept {
  static_assert(sizeof(std::size_t) == sizeof(Slot) &&
                alignof(std::size_t) <= alignof(std::max_align_t));
  return *std::launder(reinterpret_cast<std::size_t*>(slots - 1));
}

TagTable::TagTable(std::size_t load_percent_max) : load_percent_max_(load_percent_max) {
  directory_.push_back({allocate(kFirstSlots), kFirstSlots - 1, 0});
}

TagTable::~TagTable() {
  Slot* previous = nullptr;
  for (const Segment& segment : directory_) {
    if (segment.slots != previous) release(segment.slots);
    previous = segment.slots;
  }
}

void TagTable::place(const Segment& segment, Slot slot) noexcept {
  std::size_t at = slot.tag & segment.mask;
  while (segment.slots[at].value != kNoValue) at = (at + 1) & segment.mask;
  segment.slots[at] = slot;
  ++count_of(segment.slots);
}

std::size_t TagTable::locate(const Segment& segment, Tag tag, Value value) noexcept {
  std::size_t at = tag & segment.mask;
  while (segment.slots[at].tag != tag || segment.slots[at].value != value) {
    at = (at + 1) & segment.mask;
  }
  return at;
}

void TagTable::insert(Tag tag, Value value) {
  make_room(tag);
  place(segment_of(tag), {tag, value});
  ++size_;
}

void TagTable::replace(Tag tag, Value old_value, Value new_value) noexcept {
  const Segment& segment = segment_of(tag);
  segment.slots[locate(segment, tag, old_value)].value = new_value;
}

// Moves later slots of the same run back, so that no run is ever interrupted.
void TagTable::erase(Tag tag, Value value) noexcept {
  const Segment& segment = segment_of(tag);
  std::size_t hole = locate(segment, tag, value);
  for (std::size_t at = (hole + 1) & segment.mask; segment.slots[at].value != kNoValue;
       at = (at + 1) & segment.mask) {
    const std::size_t home = segment.slots[at].tag & segment.mask;
    const bool may_move = ((at - home) & segment.mask) >= ((at - hole) & segment.mask);
    if (!may_move) continue;
    segment.slots[hole] = segment.slots[at];
    hole = at;
  }
  segment.slots[hole].value = kNoValue;
  --count_of(segment.slots);
  --size_;
}

void TagTable::make_room(Tag tag) {
  for (;;) {
    const Segment segment = segment_of(tag);
    const std::size_t capacity = std::size_t{segment.mask} + 1;
    if ((count_of(segment.slots) + 1) * 100 <= capacity * load_percent_max_) return;
    // Tags that do not part by splitting must not blow up the directory.
    const bool at_limit = segment.depth == depth_ && directory_.size() * kSegmentSlots >=
                                                         kDirectorySlack * (size_ + kSegmentSlots);
    if (capacity < kSegmentSlots || at_limit) {
      grow(segment, tag);
    } else {
      split(segment, tag);
    }
  }
}

void TagTable::grow(Segment segment, Tag tag) {
  const std::size_t capacity = (std::size_t{segment.mask} + 1) * 2;
  const Segment larger{allocate(capacity), static_cast<std::uint32_t>(capacity - 1), segment.depth};
  for (std::size_t at = 0; at <= segment.mask; ++at) {
    if (segment.slots[at].value != kNoValue) place(larger, segment.slots[at]);
  }
  set_all(tag, segment.depth, larger);
  release(segment.slots);
}

void TagTable::split(Segment segment, Tag tag) {
  if (segment.depth == depth_) {
    std::vector<Segment> doubled;
    doubled.reserve(directory_.size() * 2);
    for (const Segment& entry : directory_) doubled.insert(doubled.end(), 2, entry);
    directory_ = std::move(doubled);
    ++depth_;
  }
  // The lower half keeps its slots' memory in neither: both are filled anew, which keeps runs
  // whole.
  const std::size_t capacity = std::size_t{segment.mask} + 1;
  const std::uint32_t depth = segment.depth + 1;
  const Segment low{allocate(capacity), segment.mask, depth};
  Segment high = low;
  try {
    high.slots = allocate(capacity);
  } catch (...) {
    release(low.slots);
    throw;
  }
  const Tag upper_bit = Tag{1} << (32U - depth);
  for (std::size_t at = 0; at <= segment.mask; ++at) {
    const Slot slot = segment.slots[at];
    if (slot.value != kNoValue) place((slot.tag & upper_bit) != 0 ? high : low, slot);
  }
  set_all(tag & ~upper_bit, depth, low);
  set_all(tag | upper_bit, depth, high);
  release(segment.slots);
}

// Writes the segment into all directory entries that share the tag's first `depth` bits.
void TagTable::set_all(Tag tag, std::uint32_t depth, Segment segment) noexcept {
  const std::size_t count = std::size_t{1} << (depth_ - depth);
  const std::size_t first = index_of(tag) & ~(count - 1);
  std::fill_n(directory_.begin() + static_cast<std::ptrdiff_t>(first), count, segment);
}

std::size_t TagTable::memory_bytes() const noexcept {
  std::size_t bytes = directory_.capacity() * sizeof(Segment);
  const Slot* previous = nullptr;
  for (const Segment& segment : directory_) {
    if (segment.slots != previous) bytes += (std::size_t{segment.mask} + 2) * sizeof(Slot);
    previous = segment.slots;
  }
  return bytes;
}

}  // namespace busway::match_detail
