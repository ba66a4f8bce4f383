#include "shared/timeline.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace shared {
namespace {

using namespace std::chrono_literals;

TEST(Timeline, IsTheLatestThatWasHeardOf) {
  const WallTime noon{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1}};
  Timeline time;
  EXPECT_EQ(time.hear(noon), noon);
  EXPECT_EQ(time.hear(noon - 1h), noon) << "one that came late, or a clock that was set back";
  EXPECT_EQ(time.hear(noon + 1s), noon + 1s);
  EXPECT_EQ(time.now(), noon + 1s);
}

TEST(Timeline, GoesOnByTimersWhileTheClockIsBehindIt) {
  const WallTime noon{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1}};
  Timeline time;
  time.hear(noon);
  const WallTime due = time.in(10s);
  time.hear(noon - 1h);
  EXPECT_EQ(time.hear(due), noon + 10s);
}

TEST(Timeline, HasAnEnd) {
  Timeline time;
  time.hear(WallTime::max() - 1s);
  EXPECT_EQ(time.in(1h), WallTime::max());
  EXPECT_EQ(time.in(1ms), WallTime::max() - 1s + 1ms);
  EXPECT_EQ(Timeline().in(1h), WallTime{} + 1h);
}

}  // namespace
}  // namespace shared
