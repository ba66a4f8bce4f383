#include "event/cloud_events/rfc3339.hpp"

#include <chrono>
#include <cstdint>

#include "base/ascii.hpp"

namespace busway::detail {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr std::int64_t kNsPerSecond = 1'000'000'000;

void append_number(std::string& text, std::int64_t value, std::size_t width) {
  const std::string digits = std::to_string(value);
  if (digits.size() < width) text.append(width - digits.size(), '0');
  text += digits;
}

/// Eats text from its front; once something did not fit, failed() stays true.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  int number(std::size_t width) {
    int value = 0;
    for (std::size_t i = 0; i < width; ++i) {
      if (rest_.empty() || !is_digit(rest_.front())) {
        failed_ = true;
        return 0;
      }
      value = value * 10 + (rest_.front() - '0');
      rest_.remove_prefix(1);
    }
    return value;
  }

  bool accept(char a, char b) {
    if (rest_.empty() || (rest_.front() != a && rest_.front() != b)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool accept(char a) { return accept(a, a); }
  void expect(char a, char b) { failed_ |= !accept(a, b); }
  void expect(char a) { expect(a, a); }

  /// At least one digit; those after the ninth do not count.
  nanoseconds fraction() {
    std::int64_t value = 0;
    std::int64_t unit = kNsPerSecond;
    failed_ |= rest_.empty() || !is_digit(rest_.front());
    for (; !rest_.empty() && is_digit(rest_.front()); rest_.remove_prefix(1)) {
      unit /= 10;
      value += unit * (rest_.front() - '0');
    }
    return nanoseconds(value);
  }

  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  void fail() { failed_ = true; }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

seconds scan_offset(Scanner& scanner) {
  if (scanner.accept('Z', 'z')) return seconds(0);
  const bool is_west = scanner.accept('-');
  if (!is_west) scanner.expect('+');
  const int hour = scanner.number(2);
  scanner.expect(':');
  const int minute = scanner.number(2);
  if (hour > 23 || minute > 59) scanner.fail();
  const seconds offset = hours(hour) + minutes(minute);
  return is_west ? -offset : offset;
}

}  // namespace

std::string format_rfc3339(WallTime time) {
  // Days of nanoseconds would not hold the midnight before WallTime::min().
  const auto second = std::chrono::floor<seconds>(time);
  const auto day = std::chrono::floor<days>(second);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(second - day);

  std::string text;
  append_number(text, static_cast<int>(date.year()), 4);
  text += '-';
  append_number(text, static_cast<unsigned>(date.month()), 2);
  text += '-';
  append_number(text, static_cast<unsigned>(date.day()), 2);
  text += 'T';
  append_number(text, clock.hours().count(), 2);
  text += ':';
  append_number(text, clock.minutes().count(), 2);
  text += ':';
  append_number(text, clock.seconds().count(), 2);

  constexpr std::int64_t kSecond = nanoseconds(seconds(1)).count();
  std::int64_t fraction = time.time_since_epoch().count() % kSecond;
  if (fraction < 0) fraction += kSecond;
  if (fraction != 0) {
    std::size_t width = 9;
    for (; fraction % 1000 == 0; fraction /= 1000) width -= 3;
    text += '.';
    append_number(text, fraction, width);
  }
  text += 'Z';
  return text;
}

std::optional<WallTime> parse_rfc3339(std::string_view text) {
  Scanner scanner(text);
  const int year = scanner.number(4);
  scanner.expect('-');
  const int month = scanner.number(2);
  scanner.expect('-');
  const int day = scanner.number(2);
  scanner.expect('T', 't');
  const int hour = scanner.number(2);
  scanner.expect(':');
  const int minute = scanner.number(2);
  scanner.expect(':');
  const int second = scanner.number(2);
  const nanoseconds fraction = scanner.accept('.') ? scanner.fraction() : nanoseconds(0);
  const seconds offset = scan_offset(scanner);

  const std::chrono::year_month_day date(std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day)));
  if (scanner.failed() || !scanner.at_end() || !date.ok()) return std::nullopt;
  if (hour > 23 || minute > 59 || second > 60) return std::nullopt;
  // Whole years inside what std::int64_t nanoseconds can hold, so that no sum below overflows.
  if (year < 1678 || year > 2261) return std::nullopt;
  return WallTime(std::chrono::sys_days(date)) + hours(hour) + minutes(minute) + seconds(second) +
         fraction - offset;
}

}  // namespace busway::detail
