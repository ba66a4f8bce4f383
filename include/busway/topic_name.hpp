// busway/topic_name.hpp -- which texts are legal topics.
// Layer: base
//
// Model      A topic is 1 to kTopicBytesMax bytes of valid UTF-8 without control, invisible or
//            directional characters, blanks, pattern characters (* > ? [ ] ( ) { } | ^ $ \ +), a
//            leading, trailing or doubled dot, and without the beginnings that mark a pattern
//            (exact: glob: seg: re:). So a text with one of these can only be a pattern.
// Threads    All functions are [any-thread].
// Ownership  None.
// Errors     require_topic throws Error invalid_topic; check_topic returns the same sentence as a
//            value.
// Cost       A legal topic costs one pass over its bytes and allocates nothing.
// Example    tests/base/topic_name_test.cpp
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "busway/limits.hpp"

namespace busway {

using limits::kTopicBytesMax;

/// Nothing when the topic is legal; else a sentence that shows the topic, the first bad byte and
/// its offset.
[[nodiscard]] std::optional<std::string> check_topic(std::string_view topic);

/// Whether the topic is legal. Never allocates.
[[nodiscard]] bool is_topic(std::string_view topic) noexcept;

/// Throws Error invalid_topic with the sentence of check_topic when the topic is not legal.
void require_topic(std::string_view topic);

/// Whether the character may stand somewhere in a topic (where dots may stand is another rule).
[[nodiscard]] bool is_topic_character(std::uint32_t code_point) noexcept;

/// The beginning that marks a pattern (such as "glob:") with which the text starts, or "".
[[nodiscard]] std::string_view pattern_prefix_of(std::string_view text) noexcept;

}  // namespace busway
