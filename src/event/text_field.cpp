#include "event/text_field.hpp"

#include <algorithm>

#include "base/escape.hpp"
#include "base/utf8.hpp"
#include "busway/error.hpp"
#include "busway/limits.hpp"

namespace busway::detail {
namespace {

bool is_plain_ascii(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

bool is_control(std::uint32_t code_point) noexcept {
  return code_point < 0x20 || (code_point >= 0x7F && code_point < 0xA0);
}

bool is_noncharacter(std::uint32_t code_point) noexcept {
  return (code_point >= 0xFDD0 && code_point <= 0xFDEF) || (code_point & 0xFFFEU) == 0xFFFEU;
}

}  // namespace

std::string text_field_fault(std::string_view text) {
  if (text.size() > limits::kTextBytesMax) {
    return "has " + std::to_string(text.size()) + " bytes; at most " +
           std::to_string(limits::kTextBytesMax) + " are possible";
  }
  if (is_plain_ascii(text)) return {};
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Char character = decode_utf8(text.substr(at));
    const std::string place = " at byte " + std::to_string(at);
    if (character.size == 0) return quote(text) + " is not valid UTF-8" + place;
    if (is_control(character.code_point)) {
      return quote(text) + " has a control character" + place;
    }
    if (is_noncharacter(character.code_point)) {
      return quote(text) + " has a Unicode noncharacter" + place;
    }
    at += character.size;
  }
  return {};
}

void require_text_field(std::string_view field, std::string_view text) {
  const std::string fault = text_field_fault(text);
  if (!fault.empty()) throw Error(ErrorCode::invalid_option, std::string(field) + " " + fault);
}

}  // namespace busway::detail
