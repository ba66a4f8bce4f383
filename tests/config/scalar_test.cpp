#include "config/scalar.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

namespace busway::config {
namespace {

using std::chrono::milliseconds;

constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

TEST(ReadBoolean, TakesTrueAndFalse) {
  EXPECT_EQ(read_boolean("true").value, true);
  EXPECT_EQ(read_boolean("false").value, false);
}

TEST(ReadBoolean, SaysWhatToWriteForTheWordsOfOldYaml) {
  for (const char* word : {"no", "No", "NO", "off", "n", "False", "0"}) {
    EXPECT_EQ(read_boolean(word).problem,
              std::string(word) + " is not a boolean here; write false");
  }
  for (const char* word : {"yes", "Yes", "on", "ON", "y", "True", "TRUE", "1"}) {
    EXPECT_EQ(read_boolean(word).problem, std::string(word) + " is not a boolean here; write true");
  }
  EXPECT_EQ(read_boolean("maybe").problem, "\"maybe\" is neither true nor false");
}

TEST(ReadInteger, TakesDecimalDigits) {
  EXPECT_EQ(read_integer("0", kMin, kMax).value, 0);
  EXPECT_EQ(read_integer("-12", kMin, kMax).value, -12);
  EXPECT_EQ(read_integer("9223372036854775807", kMin, kMax).value, kMax);
  EXPECT_EQ(read_integer("-9223372036854775808", kMin, kMax).value, kMin);
}

TEST(ReadInteger, NamesTheTrapOfALeadingZero) {
  EXPECT_EQ(read_integer("010", 1, 99).problem,
            "010 begins with a zero: old YAML reads it as octal, 8, new YAML as 10; write 10");
  EXPECT_EQ(read_integer("-010", kMin, 99).problem,
            "-010 begins with a zero: old YAML reads it as octal, -8, new YAML as -10; write -10");
  EXPECT_EQ(read_integer("09", 1, 99).problem,
            "09 begins with a zero: some read that as octal; write 9");
  EXPECT_EQ(read_integer("00", 1, 99).problem,
            "00 begins with a zero: some read that as octal; write 0");
}

TEST(ReadInteger, SaysTheRange) {
  EXPECT_EQ(read_integer("70000", 1, 65535).problem,
            "70000 is out of range; it must be 1 to 65535");
  EXPECT_EQ(read_integer("0", 1, 65535).problem, "0 is out of range; it must be 1 to 65535");
  EXPECT_EQ(read_integer("99999999999999999999", 1, 9).problem,
            "99999999999999999999 is out of range; it must be 1 to 9");
  EXPECT_TRUE(read_integer("1", 1, 65535).value);
  EXPECT_TRUE(read_integer("65535", 1, 65535).value);
}

TEST(ReadInteger, RefusesAllOtherForms) {
  for (const char* text : {"0x10", "0o17", "1_000", "1e3", "5.0", "+5", "-", "five", " 5", "5 "}) {
    EXPECT_EQ(read_integer(text, 1, 9).problem,
              "\"" + std::string(text) + "\" is not a whole number in decimal digits, 1 to 9");
  }
}

TEST(ReadNumber, TakesFiniteDecimalNumbers) {
  EXPECT_EQ(read_number("2", 1, 100).value, 2.0);
  EXPECT_EQ(read_number("1.5", 1, 100).value, 1.5);
  EXPECT_EQ(read_number("1e1", 1, 100).value, 10.0);
}

TEST(ReadNumber, RefusesWhatIsNone) {
  EXPECT_EQ(read_number("0.5", 1, 100).problem, "0.5 is out of range; it must be 1 to 100");
  EXPECT_EQ(read_number("1e999", 1, 100).problem, "1e999 is out of range; it must be 1 to 100");
  for (const char* text : {"", "inf", "nan", ".inf", "2x", "0x1p3", "2,5", "--1", "e"}) {
    EXPECT_EQ(read_number(text, 1, 100).problem,
              "\"" + std::string(text) + "\" is not a number, 1 to 100");
  }
}

Reading<milliseconds> duration(std::string_view text) {
  return read_duration(text, milliseconds(0), std::chrono::hours(24 * 365));
}

TEST(ReadDuration, TakesAWholeNumberAndAUnit) {
  EXPECT_EQ(duration("100ms").value, milliseconds(100));
  EXPECT_EQ(duration("1s").value, std::chrono::seconds(1));
  EXPECT_EQ(duration("5m").value, std::chrono::minutes(5));
  EXPECT_EQ(duration("1h").value, std::chrono::hours(1));
  EXPECT_EQ(duration("2d").value, std::chrono::hours(48));
  EXPECT_EQ(duration("0s").value, milliseconds(0));
}

TEST(ReadDuration, AsksForTheUnit) {
  EXPECT_EQ(duration("5").problem, "5 has no unit; write 5ms or 5s");
  EXPECT_EQ(duration("010").problem,
            "010 begins with a zero, which some read as octal; write 10ms or 10s");
  EXPECT_EQ(duration("010s").problem,
            "010s begins with a zero, which some read as octal; write 10s");
}

TEST(ReadDuration, KnowsWhatWasMeant) {
  const std::string form =
      " is not a duration, a whole number and a unit such as 100ms, 1s, 5m, 1h or 1d";
  EXPECT_EQ(duration("10 sec").problem, "\"10 sec\"" + form + "; did you mean 10s?");
  EXPECT_EQ(duration("5S").problem, "\"5S\"" + form + "; did you mean 5s?");
  EXPECT_EQ(duration("3min").problem, "\"3min\"" + form + "; did you mean 3m?");
  EXPECT_EQ(duration("1.5s").problem, "\"1.5s\"" + form);
  EXPECT_EQ(duration("-1s").problem, "\"-1s\"" + form);
  EXPECT_EQ(duration("soon").problem, "\"soon\"" + form);
  EXPECT_EQ(duration("").problem, "\"\"" + form);
}

TEST(ReadDuration, SaysTheRangeAndCannotOverflow) {
  EXPECT_EQ(duration("366d").problem, "366d is out of range; it must be 0s to 365d");
  EXPECT_EQ(duration("9223372036854775807d").problem,
            "9223372036854775807d is out of range; it must be 0s to 365d");
  EXPECT_FALSE(duration("99999999999999999999ms").value);
  EXPECT_LT(duration(std::string(100'000, '1')).problem.size(), 300U);
}

TEST(ReadSize, TakesAWholeNumberAndABinaryUnit) {
  EXPECT_EQ(read_size("512B", 0, 1U << 30U).value, 512U);
  EXPECT_EQ(read_size("64KiB", 0, 1U << 30U).value, 65'536U);
  EXPECT_EQ(read_size("1MiB", 0, 1U << 30U).value, 1U << 20U);
  EXPECT_EQ(read_size("1GiB", 0, 1U << 30U).value, 1U << 30U);
}

TEST(ReadSize, KnowsWhatWasMeant) {
  const std::string form =
      " is not a size, a whole number and a unit such as 512B, 64KiB, 1MiB or 1GiB";
  EXPECT_EQ(read_size("64KB", 0, 1 << 20).problem, "\"64KB\"" + form + "; did you mean 64KiB?");
  EXPECT_EQ(read_size("1M", 0, 1 << 20).problem, "\"1M\"" + form + "; did you mean 1MiB?");
  EXPECT_EQ(read_size("64", 0, 1 << 20).problem, "64 has no unit; write 64B or 64KiB");
  EXPECT_EQ(read_size("0", 0, 1 << 20).problem, "0 has no unit; write 0B or 0KiB");
  EXPECT_EQ(read_size("0", 1, 1 << 20).problem, "0 is out of range; it must be 1B to 1MiB");
  EXPECT_EQ(read_size("2MiB", 1, 1 << 20).problem, "2MiB is out of range; it must be 1B to 1MiB");
  EXPECT_FALSE(read_size("99999999999GiB", 0, kMax).value);
}

TEST(Show, WritesWhatTheReadersRead) {
  EXPECT_EQ(show_duration(milliseconds(0)), "0s");
  EXPECT_EQ(show_duration(milliseconds(1'500)), "1500ms");
  EXPECT_EQ(show_duration(milliseconds(90'000)), "90s");
  EXPECT_EQ(show_duration(milliseconds(3'600'000)), "1h");
  EXPECT_EQ(show_size(0), "0B");
  EXPECT_EQ(show_size(65'536), "64KiB");
  EXPECT_EQ(show_size(1000), "1000B");
  EXPECT_EQ(show_number(2.0), "2");
  EXPECT_EQ(show_number(2.5), "2.5");
}

}  // namespace
}  // namespace busway::config
