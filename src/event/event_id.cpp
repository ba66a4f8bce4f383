#include "busway/event_id.hpp"

namespace busway {
namespace {

constexpr std::size_t kTextSize = 36;

constexpr bool is_dash_place(std::size_t i) noexcept {
  return i == 8 || i == 13 || i == 18 || i == 23;
}

// The value of a hexadecimal digit, or 16.
constexpr std::uint64_t digit_of(char c) noexcept {
  if (c >= '0' && c <= '9') return static_cast<std::uint64_t>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<std::uint64_t>(c - 'a') + 10;
  if (c >= 'A' && c <= 'F') return static_cast<std::uint64_t>(c - 'A') + 10;
  return 16;
}

}  // namespace

std::optional<EventId> EventId::parse(std::string_view text) noexcept {
  if (text.size() != kTextSize) return std::nullopt;
  EventId id;
  for (std::size_t i = 0; i < kTextSize; ++i) {
    if (is_dash_place(i)) {
      if (text[i] != '-') return std::nullopt;
      continue;
    }
    const std::uint64_t digit = digit_of(text[i]);
    if (digit > 15) return std::nullopt;
    id.high = id.high << 4U | id.low >> 60U;
    id.low = id.low << 4U | digit;
  }
  return id;
}

std::string to_string(const EventId& id) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text(kTextSize, '-');
  unsigned shift = 128;
  for (std::size_t i = 0; i < kTextSize; ++i) {
    if (is_dash_place(i)) continue;
    shift -= 4;
    const std::uint64_t half = shift >= 64 ? id.high >> (shift - 64) : id.low >> shift;
    text[i] = kDigits[half & 0xFU];
  }
  return text;
}

}  // namespace busway
