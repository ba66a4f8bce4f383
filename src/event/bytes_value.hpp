// event/bytes_value.hpp -- the object behind a bytes payload.
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

namespace busway::detail {

struct BytesValue {
  std::span<const std::byte> data;
  std::string_view content_type;

  [[nodiscard]] std::string_view text() const noexcept {
    return {reinterpret_cast<const char*>(data.data()), data.size()};
  }
};

/// application/json, text/json or anything/...+json, in any case, parameters aside.
[[nodiscard]] bool is_json_content_type(std::string_view content_type) noexcept;

/// Why the text cannot be a content type, as the rest of a sentence, or "".
[[nodiscard]] std::string_view content_type_fault(std::string_view content_type) noexcept;

}  // namespace busway::detail
