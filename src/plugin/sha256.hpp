// plugin/sha256.hpp -- the SHA-256 of some bytes, by which a changed file is told.
// Layer: plugin
//
// Threads    [any-thread]
// Errors     An empty text when the machine's OpenSSL offers no SHA-256.
// Cost       About 1 GB a second where the processor knows SHA, a third of that elsewhere.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace busway::plugin_host_detail {

/// 64 digits, in lower case, as sha256sum writes them.
[[nodiscard]] std::string sha256(std::span<const std::byte> bytes);

}  // namespace busway::plugin_host_detail
