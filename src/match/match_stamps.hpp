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
// Cost       keys_of(): a hash a word, no allocation. stamp(): at most 17 loads. 512 KiB of address
//            space, of which only the pages of counters that were bumped take memory.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <string_view>

#include "busway/pattern.hpp"

namespace busway {

class MatchStamps {
 public:
  /// Words further from both ends than this are not looked at.
  static constexpr std::size_t kWordsMax = 8;
  static constexpr std::size_t kCounters = 65'536;

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
    std::uint64_t sum = counter(kCounters).load(std::memory_order_acquire);
    for (std::size_t i = 0; i < keys.count; ++i) {
      sum += counter(keys.counters[i]).load(std::memory_order_acquire);
    }
    return sum;
  }

  /// The counter that a change of the pattern bumps; kCounters when it counts for all topics.
  [[nodiscard]] static std::size_t counter_of(const Pattern& pattern);

 private:
  struct Free {
    void operator()(std::uint64_t* memory) const noexcept { std::free(memory); }
  };
  /// calloc: the kernel gives zeroes when a page is first written.
  [[nodiscard]] static std::uint64_t* make_counters() {
    void* memory = std::calloc(kCounters + 1, sizeof(std::uint64_t));
    if (memory == nullptr) throw std::bad_alloc();
    return static_cast<std::uint64_t*>(memory);
  }
  [[nodiscard]] std::atomic_ref<std::uint64_t> counter(std::size_t at) const noexcept {
    return std::atomic_ref<std::uint64_t>(counters_[at]);
  }

  const std::unique_ptr<std::uint64_t[], Free> counters_{make_counters()};
};

}  // namespace busway
