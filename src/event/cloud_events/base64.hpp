// event/cloud_events/base64.hpp -- RFC 4648 base64, the standard alphabet with padding.
// Layer: event
//
// Threads    [any-thread]
// Errors     decode_base64() gives nothing for text that encode_base64() would not have written.
// Cost       O(bytes), one string.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace busway::detail {

[[nodiscard]] std::string encode_base64(std::span<const std::byte> data);

/// Strict: no blanks, no line breaks, padding complete, unused bits zero.
[[nodiscard]] std::optional<std::string> decode_base64(std::string_view text);

}  // namespace busway::detail
