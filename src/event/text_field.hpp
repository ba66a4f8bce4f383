// event/text_field.hpp -- which text the text fields of an event may hold.
// Layer: event
//
// Model      What CloudEvents calls a String: valid UTF-8 without control characters and without
//            noncharacters, here of at most limits::kTextBytesMax
//            bytes.
// Threads    [any-thread]
// Errors     require_text_field() throws Error(invalid_option) that names the field.
// Cost       O(bytes); plain ASCII needs no decoding.
#pragma once

#include <string>
#include <string_view>

namespace busway::detail {

/// Why the text cannot be a field, as the rest of a sentence, or "" when it can.
[[nodiscard]] std::string text_field_fault(std::string_view text);

void require_text_field(std::string_view field, std::string_view text);

}  // namespace busway::detail
