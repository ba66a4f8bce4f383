#include "event/cloud_events/rfc3339.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace busway::detail {
namespace {

WallTime at(std::int64_t ns) { return WallTime(std::chrono::nanoseconds(ns)); }
constexpr std::int64_t kSecond = 1'000'000'000;

TEST(Rfc3339, WritesAsManyDigitsAsTheTimeNeeds) {
  EXPECT_EQ(format_rfc3339(at(0)), "1970-01-01T00:00:00Z");
  EXPECT_EQ(format_rfc3339(at(1'700'000'000 * kSecond)), "2023-11-14T22:13:20Z");
  EXPECT_EQ(format_rfc3339(at(1'700'000'000 * kSecond + 5'000'000)), "2023-11-14T22:13:20.005Z");
  EXPECT_EQ(format_rfc3339(at(1'700'000'000 * kSecond + 120'000)), "2023-11-14T22:13:20.000120Z");
  EXPECT_EQ(format_rfc3339(at(1'700'000'000 * kSecond + 123'456'789)),
            "2023-11-14T22:13:20.123456789Z");
  EXPECT_EQ(format_rfc3339(at(-1)), "1969-12-31T23:59:59.999999999Z");
}

TEST(Rfc3339, ReadsOffsetsAndFractions) {
  const WallTime noon = at(1'699'963'200 * kSecond);  // 2023-11-14T12:00:00Z
  EXPECT_EQ(parse_rfc3339("2023-11-14T12:00:00Z"), noon);
  EXPECT_EQ(parse_rfc3339("2023-11-14t12:00:00z"), noon);
  EXPECT_EQ(parse_rfc3339("2023-11-14T14:30:00+02:30"), noon);
  EXPECT_EQ(parse_rfc3339("2023-11-14T00:00:00-12:00"), noon);
  EXPECT_EQ(parse_rfc3339("2023-11-14T12:00:00-00:00"), noon);
  EXPECT_EQ(parse_rfc3339("2023-11-14T12:00:00.5Z"), noon + std::chrono::milliseconds(500));
  EXPECT_EQ(parse_rfc3339("2023-11-14T12:00:00.000000001Z"), noon + std::chrono::nanoseconds(1));
  EXPECT_EQ(parse_rfc3339("2023-11-14T12:00:00.0000000019999Z"),
            noon + std::chrono::nanoseconds(1));
  EXPECT_EQ(parse_rfc3339("2016-12-31T23:59:60Z"), parse_rfc3339("2017-01-01T00:00:00Z"));
  EXPECT_NE(parse_rfc3339("2024-02-29T00:00:00Z"), std::nullopt);
}

TEST(Rfc3339, RefusesWhatIsNoTime) {
  for (const std::string text : {"",
                                 "now",
                                 "2023-11-14",
                                 "2023-11-14T12:00:00",
                                 "2023-11-14 12:00:00Z",
                                 "2023-13-01T00:00:00Z",
                                 "2023-02-29T00:00:00Z",
                                 "2023-00-10T00:00:00Z",
                                 "2023-11-14T24:00:00Z",
                                 "2023-11-14T12:60:00Z",
                                 "2023-11-14T12:00:61Z",
                                 "2023-11-14T12:00:00.Z",
                                 "2023-11-14T12:00:00+0200",
                                 "2023-11-14T12:00:00+24:00",
                                 "2023-11-14T12:00:00Z ",
                                 "2023-11-14T12:00:00ZZ",
                                 "23-11-14T12:00:00Z",
                                 "+2023-11-14T12:00:00Z",
                                 "2023-11-14T12:00:00,5Z",
                                 "1600-01-01T00:00:00Z",
                                 "2262-01-01T00:00:00Z",
                                 "9999-12-31T23:59:59Z"}) {
    EXPECT_EQ(parse_rfc3339(text), std::nullopt) << text;
  }
}

TEST(Rfc3339, WritesTheFirstAndTheLastTimeThereIs) {
  EXPECT_EQ(format_rfc3339(WallTime::min()), "1677-09-21T00:12:43.145224192Z");
  EXPECT_EQ(format_rfc3339(WallTime::max()), "2262-04-11T23:47:16.854775807Z");
}

TEST(Rfc3339, RestoresAnyNanosecond) {
  std::mt19937_64 random(9);
  std::uniform_int_distribution<std::int64_t> times(-9'000'000'000 * kSecond,
                                                    9'000'000'000 * kSecond);
  for (int i = 0; i < 2000; ++i) {
    const WallTime time = at(times(random));
    EXPECT_EQ(parse_rfc3339(format_rfc3339(time)), time) << format_rfc3339(time);
  }
}

}  // namespace
}  // namespace busway::detail
