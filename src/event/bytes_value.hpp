// event/bytes_value.hpp -- the object behind a payload of bytes, or of JSON that is not parsed yet.
// Layer: event
//
// Model      Views of characters that stand in the payload's block.
// Threads    [any-thread]: immutable.
// Ownership  Borrows from the block it is in.
// Errors     None.
// Cost       One allocation for struct, bytes and content type together.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "busway/payload.hpp"

namespace busway::detail {

struct BytesValue {
  std::span<const std::byte> data;
  std::string_view content_type;

  [[nodiscard]] std::string_view text() const noexcept {
    return {reinterpret_cast<const char*>(data.data()), data.size()};
  }
};

/// A JSON payload of text that a Json has been written as, copied, which is parsed when someone
/// asks: json() of its event throws Error(invalid_json) if it is none after all.
[[nodiscard]] Payload json_payload_of_text(std::span<const std::byte> text);

/// application/json, text/json or anything/...+json, in any case, parameters aside.
[[nodiscard]] bool is_json_content_type(std::string_view content_type) noexcept;

/// Why the text cannot be a content type, as the rest of a sentence, or "".
[[nodiscard]] std::string_view content_type_fault(std::string_view content_type) noexcept;

}  // namespace busway::detail
