// match/segments.hpp -- patterns over the words between dots.
// Layer: match
//
// Model      "*" alone is everything. Else the pattern and the topic are split at each dot; *
//            stands for one word, ** at the end for one or more, and an empty word never matches.
// Threads    [any-thread], no state.
// Errors     None; flaws are returned as text.
// Cost       O(bytes), no allocation.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace busway::match_detail {

/// Cuts the first word off the text; `more` tells whether a dot followed it.
struct Word {
  std::string_view word;
  std::string_view rest;
  bool more = false;
};

[[nodiscard]] inline Word cut_word(std::string_view text) noexcept {
  const std::size_t dot = text.find('.');
  if (dot == std::string_view::npos) return {text, {}, false};
  return {text.substr(0, dot), text.substr(dot + 1), true};
}

[[nodiscard]] bool segments_match(std::string_view pattern, std::string_view topic) noexcept;

/// The same for a pattern that is not "*" and a topic without an empty word.
[[nodiscard]] bool words_match(std::string_view pattern, std::string_view topic) noexcept;

/// Why the text is no segments pattern, or nothing if it is one.
[[nodiscard]] std::optional<std::string> segments_flaw(std::string_view pattern);

}  // namespace busway::match_detail
