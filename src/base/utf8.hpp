// base/utf8.hpp -- strict UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF.
// Layer: base
//
// Threads    [any-thread]
// Errors     None.
// Cost       O(bytes), no allocation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace busway {

/// One decoded character: its code point and how many bytes it took, 0 when they are not UTF-8.
struct Utf8Char {
  std::uint32_t code_point = 0;
  std::size_t size = 0;
};

/// Decodes the character that begins at text[0]. The text must not be empty.
[[nodiscard]] Utf8Char decode_utf8(std::string_view text) noexcept;

/// The offset of the first byte that is not part of valid UTF-8, or npos when all of it is valid.
[[nodiscard]] std::size_t find_invalid_utf8(std::string_view text) noexcept;

}  // namespace busway
