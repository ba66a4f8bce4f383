#include "shared/rfc3339.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <string>

#include "event/cloud_events/rfc3339.hpp"

namespace shared {
namespace {

using namespace std::chrono_literals;

constexpr WallTime kNoon = std::chrono::sys_days(std::chrono::year(2026) / 3 / 1) + 12h;

TEST(PluginRfc3339, HasAsManyDigitsAsTheTimeNeeds) {
  EXPECT_EQ(format_rfc3339(kNoon), "2026-03-01T12:00:00Z");
  EXPECT_EQ(format_rfc3339(kNoon + 250ms), "2026-03-01T12:00:00.250Z");
  EXPECT_EQ(format_rfc3339(kNoon + 7us), "2026-03-01T12:00:00.000007Z");
  EXPECT_EQ(format_rfc3339(kNoon + 1ns), "2026-03-01T12:00:00.000000001Z");
  EXPECT_EQ(format_rfc3339(WallTime(-1s)), "1969-12-31T23:59:59Z");
}

TEST(PluginRfc3339, ReadsOffsetsAndFractions) {
  EXPECT_EQ(parse_rfc3339("2026-03-01T12:00:00Z"), kNoon);
  EXPECT_EQ(parse_rfc3339("2026-03-01t14:30:00.5+02:30"), kNoon + 500ms);
  EXPECT_EQ(parse_rfc3339("2026-03-01T11:59:60z"), kNoon);
}

TEST(PluginRfc3339, ReadsAndWritesWhatTheHostDoes) {
  std::mt19937_64 random(7);
  std::uniform_int_distribution<std::int64_t> seconds(-9'000'000'000, 9'000'000'000);
  std::uniform_int_distribution<std::int64_t> digits(0, 999'999'999);
  for (int i = 0; i < 2000; ++i) {
    const WallTime time{std::chrono::seconds(seconds(random)) +
                        std::chrono::nanoseconds(i % 3 == 0 ? 0 : digits(random))};
    const std::string text = format_rfc3339(time);
    ASSERT_EQ(text, busway::detail::format_rfc3339(time));
    ASSERT_EQ(parse_rfc3339(text), time) << text;
  }
  for (const WallTime time : {WallTime::min(), WallTime::max()}) {
    EXPECT_EQ(format_rfc3339(time), busway::detail::format_rfc3339(time));
  }
  for (const char* text :
       {"", "2026", "2026-03-01", "2026-03-01 12:00:00Z", "2026-02-30T12:00:00Z",
        "2026-03-01T24:00:00Z", "2026-03-01T12:60:00Z", "2026-03-01T12:00:61Z",
        "2026-03-01T12:00:00", "2026-03-01T12:00:00.Z", "2026-03-01T12:00:00+24:00",
        "2026-03-01T12:00:00Zx", "1677-12-31T00:00:00Z", "2262-01-01T00:00:00Z",
        "2026-03-01T12:00:00.123456789123-00:00", "+026-03-01T12:00:00Z"}) {
    EXPECT_EQ(parse_rfc3339(text), busway::detail::parse_rfc3339(text)) << text;
  }
}

}  // namespace
}  // namespace shared
