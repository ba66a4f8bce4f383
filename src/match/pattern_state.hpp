// match/pattern_state.hpp -- the shared, immutable inside of a Pattern, its text behind it.
// Layer: match
//
// Threads    Immutable but for the reference count and the cache hint, both atomic.
// Ownership  Counted by hand: make() gives one reference, release() of the last one frees.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "busway/pattern.hpp"

namespace busway::match_detail {

/// Why a pattern is of its kind; for explain().
enum class Reading : unsigned char {
  maker,            // Pattern::glob(...) and its like
  prefix,           // "glob:..."
  no_wildcard,      // a plain string without * ? [
  wildcard,         // a plain string with one
  regex_character,  // a plain string with one of ^ $ \ ( ) | + { }
  dot_star          // a plain string that is or begins with .*
};

class PatternState {
 public:
  /// glob_literal_from: see glob_literal_from(); 0 for other kinds.
  [[nodiscard]] static const PatternState* make(PatternKind kind, Reading reading,
                                                std::string_view text,
                                                std::size_t glob_literal_from = 0);

  PatternState(const PatternState&) = delete;
  PatternState& operator=(const PatternState&) = delete;

  void retain() const noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() const noexcept;

  [[nodiscard]] PatternKind kind() const noexcept { return kind_; }
  [[nodiscard]] Reading reading() const noexcept { return reading_; }
  [[nodiscard]] std::size_t glob_literal_from() const noexcept { return glob_literal_from_; }
  [[nodiscard]] std::string_view text() const noexcept {
    return {reinterpret_cast<const char*>(this + 1), size_};
  }
  [[nodiscard]] std::atomic<std::uint32_t>& cache_hint() const noexcept { return cache_hint_; }

 private:
  PatternState(PatternKind kind, Reading reading, std::uint16_t size,
               std::uint16_t glob_literal_from) noexcept
      : kind_(kind), reading_(reading), size_(size), glob_literal_from_(glob_literal_from) {}
  ~PatternState() = default;

  mutable std::atomic<std::uint32_t> references_{1};
  mutable std::atomic<std::uint32_t> cache_hint_{0};
  PatternKind kind_;
  Reading reading_;
  std::uint16_t size_;
  std::uint16_t glob_literal_from_;
};

static_assert(kPatternBytesMax <= UINT16_MAX);

}  // namespace busway::match_detail
