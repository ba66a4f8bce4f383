#include "quality-monitor/phase_window.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace quality_monitor {
namespace {

using namespace std::chrono_literals;

constexpr WallTime kNoon{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1}};

TEST(PhaseWindow, CountsWhatEndedWellAndBadly) {
  PhaseWindow window(30s);
  EXPECT_TRUE(window.empty());
  EXPECT_EQ(window.totals().success_rate(), 1) << "nothing is known to be bad";
  window.add(kNoon, Ended::well, 10);
  window.add(kNoon + 5s, Ended::well, 30);
  window.add(kNoon + 9s, Ended::well, 20);
  window.add(kNoon + 9s, Ended::badly, 0);
  const Totals totals = window.totals();
  EXPECT_EQ(totals.successes, 3U);
  EXPECT_EQ(totals.failures, 1U);
  EXPECT_EQ(totals.success_rate(), 0.75);
  EXPECT_EQ(totals.durations_ms.count(), 3U) << "that of the failure is not known";
  EXPECT_EQ(totals.durations_ms.max(), 30);
  EXPECT_EQ(totals.durations_ms.mean(), 20);
}

TEST(PhaseWindow, KeepsAnExecutionForItsLengthAndAtMostASliceMore) {
  for (const auto offset : {0ms, 1ms, 500ms, 999ms}) {
    PhaseWindow window(30s);
    window.add(kNoon + offset, Ended::badly, 0);
    window.advance(kNoon + offset + 30s);
    EXPECT_FALSE(window.empty()) << offset.count();
    window.advance(kNoon + offset + 31s);
    EXPECT_TRUE(window.empty()) << offset.count();
  }
}

TEST(PhaseWindow, SlidesSliceBySlice) {
  PhaseWindow window(30s);
  for (int second = 0; second < 100; ++second) {
    window.add(kNoon + std::chrono::seconds(second), Ended::badly, 0);
  }
  EXPECT_EQ(window.totals().failures, 31U) << "30 slices and the one that is under way";
  window.advance(kNoon + 1h);
  EXPECT_TRUE(window.empty());
}

TEST(PhaseWindow, ComesBackAsItWasSaved) {
  PhaseWindow window(30s);
  window.add(kNoon, Ended::well, 12.5);
  window.add(kNoon + 10s, Ended::badly, 0);
  PhaseWindow again(30s);
  again.load(nlohmann::json::parse(window.save().dump()));
  EXPECT_EQ(again.save(), window.save());
  again.advance(kNoon + 35s);
  EXPECT_EQ(again.totals().successes, 0U);
  EXPECT_EQ(again.totals().failures, 1U);

  nlohmann::json bad = window.save();
  bad.push_back(bad.front());
  EXPECT_THROW(again.load(bad), std::invalid_argument);
  EXPECT_THROW(again.load({{{"begin", "noon"}}}), nlohmann::json::exception);
  EXPECT_EQ(again.totals().failures, 1U) << "what was refused has changed nothing";
}

}  // namespace
}  // namespace quality_monitor
