// match/pattern_reading.hpp -- how a text becomes a pattern: kind, refusals, explanation.
// Layer: match
//
// Threads    [any-thread], no state.
// Errors     read_plain and make_state throw Error invalid_pattern.
#pragma once

#include <string>
#include <string_view>

#include "busway/pattern.hpp"
#include "match/pattern_state.hpp"

namespace busway::match_detail {

struct PlainReading {
  PatternKind kind;
  Reading reading;
  std::string_view text;  // without the prefix
};

/// The kind of a plain string; throws when a text that is no topic can only be read as exact.
[[nodiscard]] PlainReading read_plain(std::string_view text, Wildcards wildcards);

/// Checks the text and makes the pattern's inside, with one reference.
[[nodiscard]] const PatternState* make_state(PatternKind kind, Reading reading,
                                             std::string_view text);

[[nodiscard]] std::string explain(PatternKind kind, Reading reading, std::string_view text);

/// "exact:", "glob:", "seg:", "re:".
[[nodiscard]] std::string_view prefix_of(PatternKind kind) noexcept;

}  // namespace busway::match_detail
