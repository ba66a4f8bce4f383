#include "base/utf8.hpp"

namespace busway {
namespace {

constexpr std::uint32_t byte_at(std::string_view text, std::size_t index) noexcept {
  return static_cast<unsigned char>(text[index]);
}

// What the first byte of a character promises. The second byte has its own range, because that
// alone rules out overlong forms, surrogates and everything above U+10FFFF (Unicode table 3-7).
struct Lead {
  std::size_t size = 0;
  std::uint32_t bits = 0;
  std::uint32_t second_min = 0x80;
  std::uint32_t second_max = 0xBF;
};

constexpr Lead read_lead(std::uint32_t byte) noexcept {
  if (byte < 0x80) return {.size = 1, .bits = byte};
  if (byte < 0xC2) return {};
  if (byte < 0xE0) return {.size = 2, .bits = byte & 0x1FU};
  if (byte == 0xE0) return {.size = 3, .bits = 0x0, .second_min = 0xA0};
  if (byte == 0xED) return {.size = 3, .bits = 0xD, .second_max = 0x9F};
  if (byte < 0xF0) return {.size = 3, .bits = byte & 0x0FU};
  if (byte == 0xF0) return {.size = 4, .bits = 0x0, .second_min = 0x90};
  if (byte < 0xF4) return {.size = 4, .bits = byte & 0x07U};
  if (byte == 0xF4) return {.size = 4, .bits = 0x4, .second_max = 0x8F};
  return {};
}

}  // namespace

Utf8Char decode_utf8(std::string_view text) noexcept {
  const Lead lead = read_lead(byte_at(text, 0));
  if (lead.size == 0 || lead.size > text.size()) return {};

  std::uint32_t code_point = lead.bits;
  for (std::size_t i = 1; i < lead.size; ++i) {
    const std::uint32_t byte = byte_at(text, i);
    const std::uint32_t min = i == 1 ? lead.second_min : 0x80U;
    const std::uint32_t max = i == 1 ? lead.second_max : 0xBFU;
    if (byte < min || byte > max) return {};
    code_point = (code_point << 6U) | (byte & 0x3FU);
  }
  return {.code_point = code_point, .size = lead.size};
}

std::size_t find_invalid_utf8(std::string_view text) noexcept {
  for (std::size_t at = 0; at < text.size();) {
    if (byte_at(text, at) < 0x80) {  // most text is ASCII
      ++at;
      continue;
    }
    const std::size_t size = decode_utf8(text.substr(at)).size;
    if (size == 0) return at;
    at += size;
  }
  return std::string_view::npos;
}

}  // namespace busway
