// match/frequency_sketch.hpp -- how often keys were seen, roughly, in bounded memory.
// Layer: match
//
// Model      A table of counters indexed by the key's last bits; keys may share one, so an answer
//            is never too small except that old counts fade: once the table has reached its
//            greatest size, all counters are halved now and then.
// Threads    [not-concurrent]; const functions may run side by side.
// Errors     std::bad_alloc only from the constructor: a table that cannot grow stays as it is.
// Cost       count(): one increment; rarely a copy of the table, which has at most kCountersMax
//            counters.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace busway::match_detail {

class FrequencySketch {
 public:
  static constexpr std::size_t kCountersMin = std::size_t{1} << 10;
  static constexpr std::size_t kCountersMax = std::size_t{1} << 19;

  FrequencySketch() : counters_(kCountersMin) {}

  void count(std::uint32_t key) noexcept {
    std::uint16_t& counter = counters_[key & (counters_.size() - 1)];
    if (counter == UINT16_MAX) return;
    ++counter;
    if (++total_ > 8 * counters_.size()) make_room();
  }

  [[nodiscard]] std::uint32_t seen(std::uint32_t key) const noexcept {
    return counters_[key & (counters_.size() - 1)];
  }

 private:
  void make_room() noexcept;

  std::vector<std::uint16_t> counters_;
  std::size_t total_ = 0;
};

}  // namespace busway::match_detail
