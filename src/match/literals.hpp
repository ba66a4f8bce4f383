// match/literals.hpp -- which literals every text that a (part of a) pattern matches must hold.
// Layer: match
//
// Model      Literals stands for a set of texts and says four things of each of them, all necessary
//            and none sufficient: it is one of `exact` (when known), begins with one of `prefixes`,
//            ends with one of `suffixes`, and contains one of each of `clauses`. Bytes are folded
//            (fold()), so that case never hides a match; the ends of a topic are the marks
//            kTextBegin and kTextEnd, which fold() never makes, so that ^ and $ are characters like
//            others.
// Threads    [any-thread], values only.
// Ownership  None.
// Errors     None but std::bad_alloc. Where sets grow too large, something less is said.
// Cost       Sets of at most kLiteralsMax strings, at most kClausesMax clauses.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace busway::match_detail {

inline constexpr char kTextBegin = '\x02';
inline constexpr char kTextEnd = '\x03';
inline constexpr std::size_t kLiteralsMax = 16;
inline constexpr std::size_t kClausesMax = 16;

/// Letters of both cases become one byte. Other bytes may fall together too, which costs a
/// candidate now and then and no match ever.
[[nodiscard]] constexpr char fold(char c) noexcept {
  return static_cast<char>(static_cast<unsigned char>(c) | 0x20U);
}

using Strings = std::vector<std::string>;

class Literals {
 public:
  /// Exactly this text, folded already.
  [[nodiscard]] static Literals text(std::string_view folded);
  /// Exactly one of these texts, folded already.
  [[nodiscard]] static Literals one_of(Strings folded);
  /// Any text: nothing is known.
  [[nodiscard]] static Literals anything();

  /// Texts of this followed by texts of the other.
  void append(const Literals& right);
  /// Texts of this or of the other.
  void or_else(const Literals& other);
  /// One text of this or more, one after another.
  void repeat();

  /// All that is known, as sets of which each text contains one. Without useless sets.
  [[nodiscard]] std::vector<Strings> into_clauses() &&;

 private:
  [[nodiscard]] const Strings& prefixes() const noexcept { return exact_ ? *exact_ : prefixes_; }
  [[nodiscard]] const Strings& suffixes() const noexcept { return exact_ ? *exact_ : suffixes_; }
  void forget_exact();
  void add_clause(const Strings& strings);
  void trim_clauses();

  std::optional<Strings> exact_;
  Strings prefixes_;  // while exact_ is unset
  Strings suffixes_;  // while exact_ is unset
  std::vector<Strings> clauses_;
};

}  // namespace busway::match_detail
