// config/limits.hpp -- every bound of the configuration reader.
// Layer: config
//
// Model      Constants. A file beyond one of them is refused with a message that names the bound.
#pragma once

#include <cstddef>

namespace busway::config {

/// Size of the file.
inline constexpr std::size_t kFileBytesMax = std::size_t{1} << 20U;
/// Values and keys, each counted as often as an alias repeats it.
inline constexpr std::size_t kNodesMax = 100'000;
/// Text of all values and keys after ${VAR} and aliases, each counted as often as it is repeated.
inline constexpr std::size_t kTextBytesMax = std::size_t{4} << 20U;
/// One key.
inline constexpr std::size_t kKeyBytesMax = 256;
/// Maps and lists within each other.
inline constexpr std::size_t kDepthMax = 64;
/// ${A:-${B:-...}} within each other.
inline constexpr std::size_t kVariableDepthMax = 8;
/// Problems reported of one file; the rest is counted.
inline constexpr std::size_t kIssuesMax = 100;

static_assert(kTextBytesMax >= kFileBytesMax, "a file without aliases and variables always fits");

}  // namespace busway::config
