#include "../../../plugins/tail/field_type.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <environment.hpp>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace tail {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr shared::WallTime kNow = std::chrono::sys_days(std::chrono::year(2026) / 3 / 1) + 12h;

/// "none" where there is none.
json value(std::string_view text, FieldType type) {
  return convert(text, type, Zone::utc, kNow).value_or(json("none"));
}

TEST(FieldType, HasAWord) {
  EXPECT_EQ(parse_field_type("text"), FieldType::text);
  EXPECT_EQ(parse_field_type("epoch_time"), FieldType::epoch_time);
  EXPECT_EQ(parse_field_type("Text"), std::nullopt);
}

TEST(FieldType, NumbersAreWhatTheySay) {
  EXPECT_EQ(value("42", FieldType::integer), 42);
  EXPECT_EQ(value("-42", FieldType::integer), -42);
  EXPECT_EQ(value("+7", FieldType::integer), 7);
  EXPECT_EQ(value("1.5", FieldType::number), 1.5);
  EXPECT_EQ(value("2e3", FieldType::number), 2000.0);
  for (const char* text : {"", "x", "4x", "1.5", "9223372036854775808", " 1"}) {
    EXPECT_EQ(value(text, FieldType::integer), "none") << text;
  }
  for (const char* text : {"", "nan", "inf", "1e999", "1,5"}) {
    EXPECT_EQ(value(text, FieldType::number), "none") << text;
  }
}

TEST(FieldType, BooleansAreWrittenInManyWays) {
  for (const char* text : {"true", "Yes", "ON", "1"}) {
    EXPECT_EQ(value(text, FieldType::boolean), true) << text;
  }
  for (const char* text : {"false", "no", "Off", "0"}) {
    EXPECT_EQ(value(text, FieldType::boolean), false) << text;
  }
  EXPECT_EQ(value("maybe", FieldType::boolean), "none");
  EXPECT_EQ(value("trueish", FieldType::boolean), "none");
}

TEST(FieldType, SyslogTimesAreTheLatestThatAreNotAfterNow) {
  EXPECT_EQ(value("Mar  1 06:55:46", FieldType::syslog_time), "2026-03-01T06:55:46Z");
  EXPECT_EQ(value("Mar 1 06:55:46", FieldType::syslog_time), "2026-03-01T06:55:46Z");
  EXPECT_EQ(value("Dec 10 06:55:46", FieldType::syslog_time), "2025-12-10T06:55:46Z");
  // A zone or a clock may be ahead.
  EXPECT_EQ(value("Mar  2 06:55:46", FieldType::syslog_time), "2026-03-02T06:55:46Z");
  EXPECT_EQ(value("Mar  3 06:55:46", FieldType::syslog_time), "2025-03-03T06:55:46Z");
  EXPECT_EQ(value("Feb 29 00:00:00", FieldType::syslog_time), "2024-02-29T00:00:00Z");
  for (const char* text : {"", "Dec", "Dez 10 06:55:46", "Dec 32 06:55:46", "Dec 10 24:00:00",
                           "Feb 30 06:55:46", "Dec 10 06:55", "Dec 10 06-55-46", "Dec 10 06:55:461",
                           "Dec x0 06:55:46", "Dec 10T06:55:46"}) {
    EXPECT_EQ(value(text, FieldType::syslog_time), "none") << text;
  }
}

TEST(FieldType, LocalTimesAreOfTheZoneOfTheMachine) {
  const busway::EnvironmentVariable zone("TZ", "UTC-2");  // two hours ahead, as POSIX writes it
  ::tzset();
  EXPECT_EQ(convert("Mar  1 06:55:46", FieldType::syslog_time, Zone::local, kNow),
            json("2026-03-01T04:55:46Z"));
}

TEST(FieldType, OtherTimesBecomeOneForm) {
  EXPECT_EQ(value("2026-03-01T14:00:00+02:00", FieldType::rfc3339_time), "2026-03-01T12:00:00Z");
  EXPECT_EQ(value("2026-03-01", FieldType::rfc3339_time), "none");
  EXPECT_EQ(value("1772366400", FieldType::epoch_time), "2026-03-01T12:00:00Z");
  EXPECT_EQ(value("1772366400.25", FieldType::epoch_time), "2026-03-01T12:00:00.250Z");
  for (const char* text : {"", "-1", "1.", "1.x", "99999999999999", "."}) {
    EXPECT_EQ(value(text, FieldType::epoch_time), "none") << text;
  }
}

}  // namespace
}  // namespace tail
