// match/random_patterns.hpp -- seeded random patterns and names that often nearly match each other.
// Layer: match
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>

namespace busway::match_test {

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  /// 0 to below - 1.
  std::size_t below(std::size_t below) { return engine_() % below; }
  bool one_in(std::size_t n) { return below(n) == 0; }
  template <std::size_t N>
  std::string_view pick(const std::string_view (&choices)[N]) {
    return choices[below(N)];
  }

 private:
  std::mt19937_64 engine_;
};

/// A short name over few characters, so that patterns meet it often. Not always a legal topic.
inline std::string random_name(Random& random) {
  static constexpr std::string_view kPieces[] = {
      "a",
      "b",
      "c",
      "A",
      "k",
      "s",
      ".",
      ".",
      "ab",
      "abc",
      "x1",
      "-",
      "_",
      "S",
      "started",
      "created",
      "ba",
      "K",
      "\xC3\xA9",
      "\xE2\x84\xAA" /* Kelvin */,
      "\xC5\xBF" /* long s */,
      "\n",
  };
  std::string name;
  const std::size_t pieces = 1 + random.below(7);
  for (std::size_t i = 0; i < pieces; ++i) name += random.pick(kPieces);
  return name;
}

/// A legal topic of one to four words.
inline std::string random_topic(Random& random) {
  static constexpr std::string_view kWords[] = {
      "a", "b", "ab", "abc", "A", "k", "s", "started", "x1", "ba", "a-b", "\xC3\xA9", "created"};
  std::string topic(random.pick(kWords));
  for (std::size_t more = random.below(4); more > 0; --more) {
    topic += '.';
    topic += random.pick(kWords);
  }
  return topic;
}

inline std::string random_glob(Random& random) {
  static constexpr std::string_view kPieces[] = {
      "a",     "b",   "c",       "A",        ".",
      "*",     "*",   "?",       "[ab]",     "[!a]",
      "[a-c]", "[.]", "[!.b]",   "**",       "ab",
      "[",     "]",   "started", "\xC3\xA9", "[\xC3\xA0-\xC3\xBF]",
      "-",     "\\",  "[]a]",    "[b-a]",    "[k-]",
      "x1",
  };
  std::string glob;
  const std::size_t pieces = 1 + random.below(6);
  for (std::size_t i = 0; i < pieces; ++i) glob += random.pick(kPieces);
  return glob;
}

inline std::string random_segments(Random& random) {
  static constexpr std::string_view kWords[] = {"a", "b",       "ab", "*", "*",
                                                "*", "started", "x1", "A"};
  std::string pattern(random.pick(kWords));
  for (std::size_t more = random.below(4); more > 0; --more) {
    pattern += '.';
    pattern += random.pick(kWords);
  }
  if (random.one_in(4)) pattern += ".**";
  return pattern;
}

/// A text that is often a regular expression; ask RE2 whether it is.
inline std::string random_regex(Random& random, int depth = 3) {
  static constexpr std::string_view kAtoms[] = {
      "a",         "b",        "c",       "k",         "s",
      "A",         "S",        "ab",      "abc",       "started",
      "created",   "\\.",      ".",       "x1",        "_",
      "-",         "[ab]",     "[^a]",    "[a-c]",     "[ks]",
      "[]a]",      "[^]a]",    "[a\\-b]", "[\\d_]",    "[[:alpha:]b]",
      "\\w",       "\\d",      "\\W",     "\\x61",     "\\x{e9}",
      "\\141",     "\\b",      "\\B",     "^",         "$",
      "\\A",       "\\z",      "(?i)",    "(?-i)",     "(?m)",
      "(?s)",      "\xC3\xA9", "\\pL",    "\\p{Lu}",   "{",
      "}",         "\\{",      "\\*",     "[\\x61-b]", "\\n",
      "\\Qa.b\\E", "\\Q\\E",   "(?U)",    "[a-]",      "[-a]",
      "[A-B]",     "\\C",      "]",       "[.]",       "\\_",
      "[[]",       "[^\\n]",
  };
  static constexpr std::string_view kRepeats[] = {"*",    "+",    "?",     "*?",    "+?",    "??",
                                                  "{2}",  "{0}",  "{1,}",  "{0,1}", "{2,3}", "{5}",
                                                  "{,2}", "{02}", "{0,0}", "{6,}?"};
  static constexpr std::string_view kGroups[] = {"(", "(?:", "(?i:", "(?P<n>", "(?-i:", "(?m:"};
  std::string regex;
  const std::size_t items = 1 + random.below(4);
  for (std::size_t i = 0; i < items; ++i) {
    if (depth > 0 && random.one_in(4)) {
      regex += random.pick(kGroups);
      regex += random_regex(random, depth - 1);
      regex += ')';
    } else {
      regex += random.pick(kAtoms);
    }
    if (random.one_in(5)) regex += random.pick(kRepeats);
    if (random.one_in(6)) regex += '|';
  }
  return regex;
}

}  // namespace busway::match_test
