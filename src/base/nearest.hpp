// base/nearest.hpp -- "did you mean": the known name closest to a mistyped one.
// Layer: base
//
// Threads    [any-thread]
// Errors     None.
// Cost       O(names * length^2), no allocation; for messages only.
#pragma once

#include <span>
#include <string_view>

namespace busway {

/// The name with the smallest edit distance, the first of equals, or "" when none is near. A swap
/// of neighbouring letters counts one, a letter in the other case nothing. Near means: at most a
/// third of the longer word's letters differ (two always may), and not all of them. Words of more
/// than 64 bytes are near nothing.
[[nodiscard]] std::string_view nearest(std::string_view wrong,
                                       std::span<const std::string_view> names) noexcept;

}  // namespace busway
