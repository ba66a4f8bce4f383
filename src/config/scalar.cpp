#include "config/scalar.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <span>

#include "base/ascii.hpp"
#include "base/escape.hpp"

namespace busway::config {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t factor;
};

// Smallest first.
constexpr std::array kDurationUnits{Unit{"ms", 1}, Unit{"s", 1000}, Unit{"m", 60'000},
                                    Unit{"h", 3'600'000}, Unit{"d", 86'400'000}};
constexpr std::array kSizeUnits{Unit{"B", 1}, Unit{"KiB", 1 << 10}, Unit{"MiB", 1 << 20},
                                Unit{"GiB", 1 << 30}};

// What people write, and the unit they mean.
struct Slip {
  std::string_view written;
  std::string_view meant;
};
constexpr std::array kDurationSlips{
    Slip{"msec", "ms"}, Slip{"millis", "ms"}, Slip{"milliseconds", "ms"}, Slip{"sec", "s"},
    Slip{"secs", "s"},  Slip{"second", "s"},  Slip{"seconds", "s"},       Slip{"min", "m"},
    Slip{"mins", "m"},  Slip{"minute", "m"},  Slip{"minutes", "m"},       Slip{"hr", "h"},
    Slip{"hour", "h"},  Slip{"hours", "h"},   Slip{"day", "d"},           Slip{"days", "d"}};
constexpr std::array kSizeSlips{Slip{"byte", "B"}, Slip{"bytes", "B"}, Slip{"k", "KiB"},
                                Slip{"kb", "KiB"}, Slip{"ki", "KiB"},  Slip{"m", "MiB"},
                                Slip{"mb", "MiB"}, Slip{"mi", "MiB"},  Slip{"g", "GiB"},
                                Slip{"gb", "GiB"}, Slip{"gi", "GiB"}};

std::string lowered(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), to_lower);
  return result;
}

template <class T>
Reading<T> wrong(std::string problem) {
  return {.value = std::nullopt, .problem = std::move(problem)};
}

std::string out_of_range(std::string_view text, const std::string& min, const std::string& max) {
  return std::string(text) + " is out of range; it must be " + min + " to " + max;
}

bool is_integer(std::string_view text) noexcept {
  if (!text.empty() && text.front() == '-') text.remove_prefix(1);
  return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

// The kind of quantity: its units, how people miswrite them, and how it is shown.
struct Quantity {
  std::string_view what;
  std::span<const Unit> units;
  std::span<const Slip> slips;
  std::string_view example;
  std::string_view bare_units;  // proposed where the unit is missing
};
constexpr Quantity kDuration{"a duration", kDurationUnits, kDurationSlips,
                             "100ms, 1s, 5m, 1h or 1d", "ms s"};
constexpr Quantity kSize{"a size", kSizeUnits, kSizeSlips, "512B, 64KiB, 1MiB or 1GiB", "B KiB"};

std::string with_units(std::string_view number, std::string_view units) {
  const std::size_t blank = units.find(' ');
  return std::string(number) + std::string(units.substr(0, blank)) + " or " + std::string(number) +
         std::string(units.substr(blank + 1));
}

const Unit* meant_unit(std::string_view written, const Quantity& kind) {
  const std::string lower = lowered(written);
  for (const Unit& unit : kind.units) {
    if (lower == lowered(unit.name)) return &unit;
  }
  for (const Slip& slip : kind.slips) {
    if (lower != slip.written) continue;
    for (const Unit& unit : kind.units) {
      if (unit.name == slip.meant) return &unit;
    }
  }
  return nullptr;
}

Reading<std::int64_t> read_quantity(std::string_view text, const Quantity& kind, std::int64_t min,
                                    std::int64_t max, std::string (*show)(std::int64_t)) {
  const auto digits_end = std::find_if_not(text.begin(), text.end(), is_digit);
  const auto length = static_cast<std::size_t>(digits_end - text.begin());
  const std::string_view digits = text.substr(0, length);
  const std::string_view name = text.substr(length);
  const std::string not_it = quote(text, 60) + " is not " + std::string(kind.what) +
                             ", a whole number and a unit such as " + std::string(kind.example);
  if (digits.empty() || text.size() > 60) return wrong<std::int64_t>(not_it);
  if (digits.size() > 1 && digits.front() == '0') {
    const std::size_t first = std::min(digits.find_first_not_of('0'), digits.size() - 1);
    const std::string_view trimmed = digits.substr(first);
    return wrong<std::int64_t>(escape(text, 60) +
                               " begins with a zero, which some read as octal; write " +
                               (name.empty() ? with_units(trimmed, kind.bare_units)
                                             : std::string(trimmed) + escape(name, 20)));
  }
  if (name.empty()) {
    // With a unit it would be refused again.
    if (digits == "0" && min > 0)
      return wrong<std::int64_t>(out_of_range(digits, show(min), show(max)));
    return wrong<std::int64_t>(std::string(digits) + " has no unit; write " +
                               with_units(digits, kind.bare_units));
  }
  const auto unit = std::find_if(kind.units.begin(), kind.units.end(),
                                 [name](const Unit& known) { return known.name == name; });
  if (unit == kind.units.end()) {
    const std::size_t blank = name.find_first_not_of(' ');
    const Unit* const meant =
        blank == std::string_view::npos ? nullptr : meant_unit(name.substr(blank), kind);
    std::string problem = not_it;
    if (meant != nullptr)
      problem += "; did you mean " + std::string(digits) + std::string(meant->name) + "?";
    return wrong<std::int64_t>(std::move(problem));
  }
  std::int64_t count = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), count);
  const bool fits =
      parsed.ec == std::errc() && count <= std::numeric_limits<std::int64_t>::max() / unit->factor;
  if (!fits || count * unit->factor < min || count * unit->factor > max) {
    return wrong<std::int64_t>(out_of_range(escape(text, 60), show(min), show(max)));
  }
  return {.value = count * unit->factor, .problem = {}};
}

std::string show_in_units(std::int64_t value, std::span<const Unit> units) {
  for (auto unit = units.rbegin(); unit != units.rend(); ++unit) {
    if (value != 0 && value % unit->factor == 0) {
      return std::to_string(value / unit->factor) + std::string(unit->name);
    }
  }
  return std::to_string(value) + std::string(units.front().name);
}

std::string show_milliseconds(std::int64_t value) {
  return show_in_units(value, value == 0 ? std::span(kDurationUnits).subspan(1) : kDurationUnits);
}
std::string show_bytes(std::int64_t value) { return show_in_units(value, kSizeUnits); }

}  // namespace

std::string_view old_boolean(std::string_view text) noexcept {
  if (text.size() > 3) return {};
  const std::string lower = lowered(text);
  if (lower == "yes" || lower == "on" || lower == "y") return "true";
  if (lower == "no" || lower == "off" || lower == "n") return "false";
  return {};
}

std::string leading_zero_problem(std::string_view text) {
  const std::string_view sign =
      text.substr(0, text.starts_with('-') || text.starts_with('+') ? 1 : 0);
  const std::string_view digits = text.substr(sign.size());
  if (digits.size() < 2 || digits.front() != '0' ||
      !std::all_of(digits.begin(), digits.end(), is_digit)) {
    return {};
  }
  const std::string minus = sign == "-" ? "-" : "";
  const std::size_t first = std::min(digits.find_first_not_of('0'), digits.size() - 1);
  const std::string decimal = minus + std::string(digits.substr(first));
  const std::string opening = escape(text, 60) + " begins with a zero: ";
  std::uint64_t octal = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), octal, 8);
  const bool is_octal = parsed.ec == std::errc() && parsed.ptr == digits.data() + digits.size();
  if (!is_octal || minus + std::to_string(octal) == decimal) {
    return opening + "some read that as octal; write " + escape(decimal, 60);
  }
  return opening + "old YAML reads it as octal, " + minus + std::to_string(octal) +
         ", new YAML as " + decimal + "; write " + decimal;
}

Reading<bool> read_boolean(std::string_view text) {
  if (text == "true") return {.value = true, .problem = {}};
  if (text == "false") return {.value = false, .problem = {}};
  const std::string lower = lowered(text.substr(0, 8));
  std::string_view meant = old_boolean(text);
  if (lower == "true" || text == "1") meant = "true";
  if (lower == "false" || text == "0") meant = "false";
  if (meant.empty()) return wrong<bool>(quote(text, 60) + " is neither true nor false");
  return wrong<bool>(std::string(text) + " is not a boolean here; write " + std::string(meant));
}

Reading<std::int64_t> read_integer(std::string_view text, std::int64_t min, std::int64_t max) {
  if (std::string problem = leading_zero_problem(text); !problem.empty()) {
    return wrong<std::int64_t>(std::move(problem));
  }
  const std::string range = std::to_string(min) + " to " + std::to_string(max);
  if (!is_integer(text)) {
    return wrong<std::int64_t>(quote(text, 60) + " is not a whole number in decimal digits, " +
                               range);
  }
  std::int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || value < min || value > max) {
    return wrong<std::int64_t>(
        out_of_range(escape(text, 60), std::to_string(min), std::to_string(max)));
  }
  return {.value = value, .problem = {}};
}

Reading<double> read_number(std::string_view text, double min, double max) {
  if (std::string problem = leading_zero_problem(text); !problem.empty()) {
    return wrong<double>(std::move(problem));
  }
  const bool decimal =
      !text.empty() && text.find_first_not_of("0123456789.eE+-") == std::string_view::npos;
  double value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = parsed.ptr == text.data() + text.size();
  if (decimal && whole && parsed.ec == std::errc::result_out_of_range) {
    return wrong<double>(out_of_range(escape(text, 60), show_number(min), show_number(max)));
  }
  if (!decimal || !whole || parsed.ec != std::errc() || !std::isfinite(value)) {
    return wrong<double>(quote(text, 60) + " is not a number, " + show_number(min) + " to " +
                         show_number(max));
  }
  if (value < min || value > max) {
    return wrong<double>(out_of_range(escape(text, 60), show_number(min), show_number(max)));
  }
  return {.value = value, .problem = {}};
}

Reading<std::chrono::milliseconds> read_duration(std::string_view text,
                                                 std::chrono::milliseconds min,
                                                 std::chrono::milliseconds max) {
  Reading<std::int64_t> reading =
      read_quantity(text, kDuration, min.count(), max.count(), show_milliseconds);
  if (!reading.value) return wrong<std::chrono::milliseconds>(std::move(reading.problem));
  return {.value = std::chrono::milliseconds(*reading.value), .problem = {}};
}

Reading<std::uint64_t> read_size(std::string_view text, std::uint64_t min, std::uint64_t max) {
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  Reading<std::int64_t> reading =
      read_quantity(text, kSize, static_cast<std::int64_t>(std::min(min, kMax)),
                    static_cast<std::int64_t>(std::min(max, kMax)), show_bytes);
  if (!reading.value) return wrong<std::uint64_t>(std::move(reading.problem));
  return {.value = static_cast<std::uint64_t>(*reading.value), .problem = {}};
}

std::string show_duration(std::chrono::milliseconds value) {
  return show_milliseconds(value.count());
}

std::string show_size(std::uint64_t value) { return show_bytes(static_cast<std::int64_t>(value)); }

std::string show_number(double value) {
  std::array<char, 32> digits{};
  const auto written = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  return {digits.data(), written.ptr};
}

}  // namespace busway::config
