// base/escape.hpp -- makes text from outside safe to show: one line, no terminal controls.
// Layer: base
//
// Threads    [any-thread]
// Errors     None: bytes that are not UTF-8 come out as \xNN.
// Cost       One string of at most four times the shown input.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace busway {

/// Replaces control, invisible and directional characters, unusual spaces, backslashes and bytes
/// that are not UTF-8 by \n, \r, \t, \\, \xNN or \u{...}. Text of more than max_bytes is cut before
/// the character that would pass it, and "... (N more bytes)" follows.
[[nodiscard]] std::string escape(std::string_view text, std::size_t max_bytes = 200);

/// escape() within double quotes, with a backslash before each double quote inside. The note of a
/// cut stands behind the closing quote.
[[nodiscard]] std::string quote(std::string_view text, std::size_t max_bytes = 200);

}  // namespace busway
