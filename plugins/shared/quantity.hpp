// shared/quantity.hpp -- durations and sizes as a configuration writes them: 90s, 64KiB.
//
// Model      A whole number and one unit, as in the host's own sections. What has no unit, another
//            one, or does not fit 64 bits is no quantity.
// Threads    [any-thread]
// Ownership  None.
// Errors     As an empty optional; who asks knows what was wanted.
// Cost       O(length of the text).
#pragma once

#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "shared/ascii.hpp"

namespace shared {

struct Unit {
  std::string_view name;
  std::int64_t factor;
};

// Smallest first.
inline constexpr std::array kDurationUnits{Unit{"ms", 1}, Unit{"s", 1000}, Unit{"m", 60'000},
                                           Unit{"h", 3'600'000}, Unit{"d", 86'400'000}};
inline constexpr std::array kSizeUnits{Unit{"B", 1}, Unit{"KiB", 1 << 10}, Unit{"MiB", 1 << 20},
                                       Unit{"GiB", 1 << 30}};

[[nodiscard]] inline std::optional<std::int64_t> parse_quantity(std::string_view text,
                                                                std::span<const Unit> units) {
  std::size_t digits = 0;
  while (digits < text.size() && is_digit(text[digits])) ++digits;
  // 010s: some would read it as octal.
  if (digits == 0 || (digits > 1 && text[0] == '0')) return std::nullopt;
  std::int64_t number = 0;
  if (std::from_chars(text.data(), text.data() + digits, number).ec != std::errc()) {
    return std::nullopt;
  }
  for (const Unit& unit : units) {
    if (unit.name != text.substr(digits)) continue;
    if (number > std::numeric_limits<std::int64_t>::max() / unit.factor) return std::nullopt;
    return number * unit.factor;
  }
  return std::nullopt;
}

/// In the largest unit that needs no fraction.
[[nodiscard]] inline std::string show_quantity(std::int64_t value, std::span<const Unit> units) {
  for (auto unit = units.rbegin(); unit != units.rend(); ++unit) {
    if (value != 0 && value % unit->factor == 0) {
      return std::to_string(value / unit->factor) + std::string(unit->name);
    }
  }
  return std::to_string(value) + std::string(units.front().name);
}

[[nodiscard]] inline std::string show_duration(std::chrono::milliseconds value) {
  return value.count() == 0 ? "0s" : show_quantity(value.count(), kDurationUnits);
}

}  // namespace shared
