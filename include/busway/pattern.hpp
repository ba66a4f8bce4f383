// busway/pattern.hpp -- what a subscription listens to.
// Layer: match
//
// Model      An immutable value: a kind and a text. Four kinds:
//              exact     byte-equal, every character is literal
//              glob      as Python's fnmatchcase: * and ? also match dots; [abc], [a-z], [!abc]; a
//                        backslash is literal; a [ without ] is literal
//              segments  between dots: * is one whole segment, ** at the end is one or more;
//                        * alone is everything; an empty segment never matches
//              regex     RE2 syntax, unanchored search, linear time; . is one character
//            parse() reads a plain string as people write it: "exact:", "glob:", "seg:", "re:" say
//            the kind outright; else it is exact without * ? [, regex with one of ^ $ \ ( ) | + { }
//            or when it is or begins with .*, and else what `Wildcards` says. explain() tells how a
//            string was read. Said outright, exact, glob and regex take any character, so that they
//            can match text that is no topic; a plain string that can match no topic is refused,
//            and so is by subscribe() an exact text that no topic can be. "regex:" and "segments:"
//            are refused too: they are taken for slips of "re:" and "seg:".
// Threads    All functions are [any-thread]; a Pattern is a value that may be copied between
//            threads.
// Ownership  Copies share one immutable text. Compiled expressions live in a bounded cache of the
//            process.
// Errors     The makers and parse() throw Error invalid_pattern, which names the pattern, what is
//            wrong with it and what was probably meant. Nothing else fails.
// Cost       A maker allocates once; regex also compiles (about 10 us) unless the same text was
//            compiled lately. matches(): no allocation for exact, glob and segments; a glob takes
//            at most bytes(pattern) * bytes(topic) steps.
// Example    tests/match/pattern_test.cpp
#pragma once

#include <cstddef>
#include <iosfwd>
#include <string>
#include <string_view>
#include <utility>

#include "busway/limits.hpp"

namespace busway {

namespace match_detail {
class PatternState;
}

using limits::kPatternBytesMax;

enum class PatternKind : unsigned char { exact, glob, segments, regex };

/// What a plain string with wildcards is.
enum class Wildcards : unsigned char { glob, segments };

/// "exact", "glob", "segments", "regex".
[[nodiscard]] std::string_view to_string(PatternKind kind) noexcept;
[[nodiscard]] std::string_view to_string(Wildcards wildcards) noexcept;

class Pattern {
 public:
  [[nodiscard]] static Pattern exact(std::string_view text);
  [[nodiscard]] static Pattern glob(std::string_view text);
  [[nodiscard]] static Pattern segments(std::string_view text);
  [[nodiscard]] static Pattern regex(std::string_view text);

  /// Reads a plain string, prefixes included.
  [[nodiscard]] static Pattern parse(std::string_view text, Wildcards wildcards = Wildcards::glob);

  Pattern(const Pattern& other) noexcept;
  Pattern(Pattern&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  Pattern& operator=(Pattern other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  ~Pattern();

  [[nodiscard]] PatternKind kind() const noexcept;

  /// The pattern without a prefix.
  [[nodiscard]] std::string_view text() const noexcept;

  /// How the pattern was read and why, in one sentence for a person.
  [[nodiscard]] std::string explain() const;

  [[nodiscard]] bool matches(std::string_view topic) const;

  /// Same kind and same text, whichever way they were written.
  [[nodiscard]] friend bool operator==(const Pattern& a, const Pattern& b) noexcept {
    return a.state_ == b.state_ || (a.kind() == b.kind() && a.text() == b.text());
  }

 private:
  explicit Pattern(const match_detail::PatternState* state) noexcept : state_(state) {}

  const match_detail::PatternState* state_;  // null only after a move
};

/// The pattern with its prefix, for example "glob:trivia.*"; parse() gives the same pattern back.
[[nodiscard]] std::string to_string(const Pattern& pattern);

/// Writes to_string(pattern), escaped.
std::ostream& operator<<(std::ostream& out, const Pattern& pattern);

}  // namespace busway

template <>
struct std::hash<busway::Pattern> {
  [[nodiscard]] std::size_t operator()(const busway::Pattern& pattern) const noexcept {
    return std::hash<std::string_view>{}(pattern.text()) * 4 +
           static_cast<std::size_t>(pattern.kind());
  }
};
