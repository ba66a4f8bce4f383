// match/regex_cache.hpp -- compiled regular expressions, shared by text, bounded in all.
// Layer: match
//
// Model      A clock (second chance) over weights: an expression that was used since the hand last
//            passed stays, so that a million subscriptions can come by without driving out the few
//            that match. An expression that was driven out is compiled again when it is needed.
// Threads    [any-thread]; one mutex, never held while compiling, matching or freeing.
// Ownership  The cache and whoever is matching share an expression.
// Errors     The ok() and error() of what get() returns; a text that was accepted once stays so.
// Cost       A hit about 50 ns, a miss about 10 us.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace re2 {
class RE2;
}

namespace busway::match_detail {

/// The memory one expression may take, program and automata. Most are small and use a tenth of it.
inline constexpr std::size_t kRegexBytesSmall = std::size_t{32} << 10;
inline constexpr std::size_t kRegexBytesMedium = std::size_t{128} << 10;
inline constexpr std::size_t kRegexBytesLarge = std::size_t{1} << 20;

/// How many small expressions the process keeps compiled; a larger one counts as its share of
/// memory, so that all of them together never take more than 1 GiB, and commonly 2 to 5 KiB each.
inline constexpr std::size_t kCompiledRegexMax = 32768;

class RegexCache {
 public:
  using Regex = std::shared_ptr<const re2::RE2>;

  explicit RegexCache(std::size_t weight_max = kCompiledRegexMax) : weight_max_(weight_max) {}
  RegexCache(const RegexCache&) = delete;
  RegexCache& operator=(const RegexCache&) = delete;

  /// The cache of the process. Never destroyed, so that patterns may live in static storage.
  [[nodiscard]] static RegexCache& process();

  /// The compiled expression, whose ok() says whether the text is one; a faulty one is not kept.
  /// The hint speeds up the next call for the same text.
  [[nodiscard]] Regex get(std::string_view text, std::atomic<std::uint32_t>& hint);

  /// How many expressions are compiled at the moment, and their weight.
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] std::size_t weight() const;

 private:
  struct Slot {
    std::string text;
    Regex regex;  // null: free
    std::size_t weight = 0;
    bool used = false;
  };

  [[nodiscard]] Regex find(std::string_view text, std::atomic<std::uint32_t>& hint);
  void insert(std::string_view text, const Regex& regex, std::size_t weight,
              std::atomic<std::uint32_t>& hint);
  [[nodiscard]] std::uint32_t free_slot(std::size_t weight, std::vector<Regex>& driven_out);

  const std::size_t weight_max_;
  mutable std::mutex mutex_;
  // Guarded by mutex_:
  std::deque<Slot> slots_;  // a deque, because the keys below point into it
  std::unordered_map<std::string_view, std::uint32_t> by_text_;
  std::size_t weight_ = 0;
  std::vector<std::uint32_t> free_slots_;
  std::size_t hand_ = 0;
};

}  // namespace busway::match_detail
