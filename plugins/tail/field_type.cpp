#include "field_type.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <ctime>
#include <string>
#include <utility>

#include "shared/ascii.hpp"

namespace tail {
namespace {

using nlohmann::json;
using shared::WallTime;

constexpr std::array<std::pair<std::string_view, FieldType>, 7> kTypes{
    {{"text", FieldType::text},
     {"integer", FieldType::integer},
     {"number", FieldType::number},
     {"boolean", FieldType::boolean},
     {"syslog_time", FieldType::syslog_time},
     {"rfc3339_time", FieldType::rfc3339_time},
     {"epoch_time", FieldType::epoch_time}}};
constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

template <class T>
std::optional<T> parse_whole(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  T value{};
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<json> read_number(std::string_view text) {
  const auto value = parse_whole<double>(text);
  if (!value || !std::isfinite(*value)) return std::nullopt;
  return json(*value);
}

std::optional<json> read_boolean(std::string_view text) {
  std::string lower(text.substr(0, 6));
  std::transform(lower.begin(), lower.end(), lower.begin(), shared::to_lower);
  for (const std::string_view yes : {"true", "yes", "on", "1"}) {
    if (lower == yes) return json(true);
  }
  for (const std::string_view no : {"false", "no", "off", "0"}) {
    if (lower == no) return json(false);
  }
  return std::nullopt;
}

/// The digits of text[from, from + size); the first may be a blank.
std::optional<int> digits(std::string_view text, std::size_t from, std::size_t size) {
  std::string_view part = text.substr(from, size);
  if (part.starts_with(' ')) part.remove_prefix(1);
  if (!std::all_of(part.begin(), part.end(), shared::is_digit)) return std::nullopt;
  return parse_whole<int>(part);
}

/// The point in time of a clock that shows this, or nothing for a day that the year has not.
std::optional<WallTime> at(std::tm shown, Zone zone) {
  const std::chrono::year_month_day date(
      std::chrono::year(shown.tm_year + 1900),
      std::chrono::month(static_cast<unsigned>(shown.tm_mon) + 1),
      std::chrono::day(static_cast<unsigned>(shown.tm_mday)));
  if (!date.ok()) return std::nullopt;
  shown.tm_isdst = -1;
  const std::time_t seconds = zone == Zone::utc ? ::timegm(&shown) : std::mktime(&shown);
  return WallTime(std::chrono::seconds(seconds));
}

/// "Dec 10 06:55:46", "Dec  1 ..." or "Dec 1 ...".
std::optional<json> read_syslog_time(std::string_view text, Zone zone, WallTime now) {
  const auto month = std::find(kMonths.begin(), kMonths.end(), text.substr(0, 3));
  if (month == kMonths.end() || text.size() < 14 || text.size() > 15 || text[3] != ' ') {
    return std::nullopt;
  }
  const std::size_t clock = text.size() - 8;
  const auto day = digits(text, 4, clock - 5);
  const auto hour = digits(text, clock, 2);
  const auto minute = digits(text, clock + 3, 2);
  const auto second = digits(text, clock + 6, 2);
  const bool shaped = text[clock - 1] == ' ' && text[clock + 2] == ':' && text[clock + 5] == ':';
  if (!shaped || !day || !hour || !minute || !second) return std::nullopt;
  if (*day == 0 || *day > 31 || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  std::tm shown{};
  shown.tm_mon = static_cast<int>(month - kMonths.begin());
  shown.tm_mday = *day;
  shown.tm_hour = *hour;
  shown.tm_min = *minute;
  shown.tm_sec = *second;
  const std::chrono::year_month_day today(std::chrono::floor<std::chrono::days>(now));
  // A clock may be ahead of ours, and a zone too. February 29th comes back after eight years at
  // most.
  for (int year = static_cast<int>(today.year()) + 1; year > static_cast<int>(today.year()) - 9;
       --year) {
    shown.tm_year = year - 1900;
    const std::optional<WallTime> found = at(shown, zone);
    if (found && *found <= now + std::chrono::hours(24)) {
      return json(shared::format_rfc3339(*found));
    }
  }
  return std::nullopt;
}

std::optional<json> read_rfc3339(std::string_view text) {
  const auto time = shared::parse_rfc3339(text);
  if (!time) return std::nullopt;
  return json(shared::format_rfc3339(*time));
}

std::optional<json> read_epoch(std::string_view text) {
  const std::size_t point = std::min(text.find('.'), text.size());
  const auto seconds = parse_whole<std::int64_t>(text.substr(0, point));
  constexpr std::int64_t kYear2261 = 9'183'110'400;
  if (!seconds || *seconds < 0 || *seconds > kYear2261) return std::nullopt;
  std::int64_t fraction = 0;
  std::int64_t unit = 100'000'000;
  for (std::size_t i = point + 1; i < text.size(); ++i, unit /= 10) {
    if (!shared::is_digit(text[i])) return std::nullopt;
    fraction += unit * (text[i] - '0');
  }
  if (point + 1 == text.size()) return std::nullopt;
  return json(shared::format_rfc3339(WallTime(std::chrono::seconds(*seconds)) +
                                     std::chrono::nanoseconds(fraction)));
}

}  // namespace

std::optional<FieldType> parse_field_type(std::string_view word) noexcept {
  for (const auto& [name, type] : kTypes) {
    if (name == word) return type;
  }
  return std::nullopt;
}

std::optional<json> convert(std::string_view text, FieldType type, Zone zone, WallTime now) {
  switch (type) {
    case FieldType::text: return json(text);
    case FieldType::integer: {
      const auto value = parse_whole<std::int64_t>(text);
      return value ? std::optional<json>(*value) : std::nullopt;
    }
    case FieldType::number: return read_number(text);
    case FieldType::boolean: return read_boolean(text);
    case FieldType::syslog_time: return read_syslog_time(text, zone, now);
    case FieldType::rfc3339_time: return read_rfc3339(text);
    case FieldType::epoch_time: return read_epoch(text);
  }
  return std::nullopt;
}

}  // namespace tail
