// match/match_stamps.hpp -- tells whether a remembered route may have changed.
// Layer: match
//
// Model      A table of counters. A change of a wildcard pattern bumps one: that of a word which
//            each matching topic has at a fixed place from its front or its back (such as the first
//            word of "trivia.*"), else the counter of patterns without such a word. The stamp of a
//            topic is the sum of the counters its words lead to; counters only grow, so an
//            unchanged stamp means that no pattern that could match the topic has changed.
// Threads    bump() and stamp() [any-thread]; a bump happens before each stamp() that counts it.
//            Values of type Keys are the caller's.
// Ownership  None.
// Errors     bump() may throw std::bad_alloc, and has then bumped the counter that counts for all
//            topics.
// Cost       keys_of(): a hash a word, no allocation. stamp(): at most 17 loads. 32 KiB.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "busway/pattern.hpp"

namespace busway {

class MatchStamps {
 public:
  /// Words further from both ends than this are not looked at.
  static constexpr std::size_t kWordsMax = 8;
  static constexpr std::size_t kCounters = 4096;

  /// The counters of a topic, to be kept with its route.
  struct Keys {
    std::array<std::uint16_t, 2 * kWordsMax> counters;
    std::uint16_t count = 0;
  };

  /// To be called after each change of the set of patterns, an exact one included if routes of its
  /// topic are kept.
  void bump(const Pattern& pattern);

  [[nodiscard]] static Keys keys_of(std::string_view topic) noexcept;

  [[nodiscard]] std::uint64_t stamp(const Keys& keys) const noexcept {
    std::uint64_t sum = counters_[kCounters].load(std::memory_order_acquire);
    for (std::size_t i = 0; i < keys.count; ++i) {
      sum += counters_[keys.counters[i]].load(std::memory_order_acquire);
    }
    return sum;
  }

  /// The counter that a change of the pattern bumps; kCounters when it counts for all topics.
  [[nodiscard]] static std::size_t counter_of(const Pattern& pattern);

 private:
  std::array<std::atomic<std::uint64_t>, kCounters + 1> counters_{};
};

}  // namespace busway
