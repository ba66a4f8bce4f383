// shared/rfc3339.hpp -- points in time as text: 2026-03-01T12:00:00.250Z.
//
// Model      Written in UTC with Z; the fraction has 0, 3, 6 or 9 digits, as many as the time
//            needs. Read with any offset and any number of digits (those beyond nanoseconds are
//            dropped), T and Z in either case; a leap second is the one after it. As in the host's
//            CloudEvents; tests/plugins/shared/rfc3339_test.cpp compares the two.
// Threads    [any-thread]
// Ownership  None.
// Errors     parse_rfc3339() gives nothing for text that is no time, or one outside of the years
//            1678 to 2261 that nanoseconds in 64 bits can tell.
// Cost       format: one string.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include "shared/ascii.hpp"

namespace shared {

using WallTime = std::chrono::sys_time<std::chrono::nanoseconds>;

[[nodiscard]] inline std::string format_rfc3339(WallTime time) {
  // Days of nanoseconds would not hold the midnight before WallTime::min().
  const auto second = std::chrono::floor<std::chrono::seconds>(time);
  const auto day = std::chrono::floor<std::chrono::days>(second);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(second - day);
  std::array<char, 64> text{};
  int size = std::snprintf(
      text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
      static_cast<int>(clock.seconds().count()));
  std::string out(text.data(), static_cast<std::size_t>(size));
  constexpr std::int64_t kSecond = std::chrono::nanoseconds(std::chrono::seconds(1)).count();
  std::int64_t fraction = time.time_since_epoch().count() % kSecond;
  if (fraction < 0) fraction += kSecond;
  if (fraction != 0) {
    int width = 9;
    for (; fraction % 1000 == 0; fraction /= 1000) width -= 3;
    size =
        std::snprintf(text.data(), text.size(), ".%0*lld", width, static_cast<long long>(fraction));
    out.append(text.data(), static_cast<std::size_t>(size));
  }
  out += 'Z';
  return out;
}

namespace rfc3339_detail {

/// Eats text from its front; once something did not fit, failed stays true.
struct Scanner {
  std::string_view rest;
  bool failed = false;

  int number(std::size_t width) {
    int value = 0;
    for (std::size_t i = 0; i < width; ++i) {
      if (rest.empty() || !is_digit(rest.front())) {
        failed = true;
        return 0;
      }
      value = value * 10 + (rest.front() - '0');
      rest.remove_prefix(1);
    }
    return value;
  }

  bool accept(char upper) {
    if (rest.empty() || (rest.front() != upper && rest.front() != to_lower(upper))) return false;
    rest.remove_prefix(1);
    return true;
  }
  void expect(char upper) { failed |= !accept(upper); }

  std::chrono::nanoseconds fraction() {
    std::int64_t value = 0;
    std::int64_t unit = 1'000'000'000;
    failed |= rest.empty() || !is_digit(rest.front());
    for (; !rest.empty() && is_digit(rest.front()); rest.remove_prefix(1)) {
      unit /= 10;
      value += unit * (rest.front() - '0');
    }
    return std::chrono::nanoseconds(value);
  }

  std::chrono::seconds offset() {
    if (accept('Z')) return std::chrono::seconds(0);
    const bool is_west = accept('-');
    if (!is_west) expect('+');
    const int hour = number(2);
    expect(':');
    const int minute = number(2);
    failed |= hour > 23 || minute > 59;
    const std::chrono::seconds sum = std::chrono::hours(hour) + std::chrono::minutes(minute);
    return is_west ? -sum : sum;
  }
};

}  // namespace rfc3339_detail

[[nodiscard]] inline std::optional<WallTime> parse_rfc3339(std::string_view text) {
  rfc3339_detail::Scanner scanner{text};
  const int year = scanner.number(4);
  scanner.expect('-');
  const int month = scanner.number(2);
  scanner.expect('-');
  const int day = scanner.number(2);
  scanner.expect('T');
  const int hour = scanner.number(2);
  scanner.expect(':');
  const int minute = scanner.number(2);
  scanner.expect(':');
  const int second = scanner.number(2);
  const std::chrono::nanoseconds fraction =
      scanner.accept('.') ? scanner.fraction() : std::chrono::nanoseconds(0);
  const std::chrono::seconds offset = scanner.offset();

  const std::chrono::year_month_day date(std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day)));
  if (scanner.failed || !scanner.rest.empty() || !date.ok()) return std::nullopt;
  if (hour > 23 || minute > 59 || second > 60) return std::nullopt;
  if (year < 1678 || year > 2261) return std::nullopt;
  return WallTime(std::chrono::sys_days(date)) + std::chrono::hours(hour) +
         std::chrono::minutes(minute) + std::chrono::seconds(second) + fraction - offset;
}

}  // namespace shared
