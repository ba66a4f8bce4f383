// match/chunked_array.hpp -- an array that grows without moving what it holds.
// Layer: match
//
// Threads    [not-concurrent]; reading side by side is fine.
// Ownership  Owns its items.
// Cost       Growing allocates one chunk and now and then copies the list of chunks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace busway::match_detail {

template <typename T, std::size_t kChunkItems>
class ChunkedArray {
  static_assert((kChunkItems & (kChunkItems - 1)) == 0, "a power of two");

 public:
  [[nodiscard]] T& operator[](std::uint32_t index) noexcept {
    return chunks_[index / kChunkItems][index % kChunkItems];
  }
  [[nodiscard]] const T& operator[](std::uint32_t index) const noexcept {
    return chunks_[index / kChunkItems][index % kChunkItems];
  }

  /// The index of a new item, default-initialised.
  [[nodiscard]] std::uint32_t add() {
    if (size_ == chunks_.size() * kChunkItems) {
      chunks_.push_back(std::make_unique_for_overwrite<T[]>(kChunkItems));
    }
    return size_++;
  }

  [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return chunks_.size() * kChunkItems * sizeof(T) + chunks_.capacity() * sizeof(chunks_[0]);
  }

 private:
  std::vector<std::unique_ptr<T[]>> chunks_;
  std::uint32_t size_ = 0;
};

}  // namespace busway::match_detail
