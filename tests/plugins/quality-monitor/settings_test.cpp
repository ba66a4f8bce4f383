#include "quality-monitor/settings.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

namespace quality_monitor {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

std::string refusal(const json& config) {
  try {
    (void)read_settings(config);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "it was not refused";
}

TEST(QualityMonitorSettings, NothingMeansAnAlertAboveThreeFailures) {
  const Settings settings = read_settings(json::object());
  EXPECT_EQ(settings.window, 5min);
  EXPECT_EQ(settings.limits.failures_max, 3U);
  EXPECT_FALSE(settings.limits.failure_rate_max);
  EXPECT_FALSE(settings.limits.duration_ms_max);
}

TEST(QualityMonitorSettings, APhaseMayHaveLimitsOfItsOwn) {
  const Settings settings = read_settings({{"window", "1m"},
                                           {"failures_max", 5},
                                           {"duration_max", "2s"},
                                           {"phases", {{"writer", {{"failures_max", 0}}}}}});
  EXPECT_EQ(settings.window, 1min);
  EXPECT_EQ(settings.limits_of("critic").failures_max, 5U);
  EXPECT_EQ(settings.limits_of("writer").failures_max, 0U);
  EXPECT_EQ(settings.limits_of("writer").duration_ms_max, 2000) << "what it does not say";
}

TEST(QualityMonitorSettings, RefusesWhatIsWrongByName) {
  EXPECT_EQ(refusal({{"failure_rate_max", 1.5}}),
            "failure_rate_max: a number from 0.0 to 1.0 is wanted, not 1.5");
  EXPECT_NE(refusal({{"window", "500ms"}}).find("window: "), std::string::npos);
  EXPECT_NE(refusal({{"failure_max", 3}}).find("unknown key \"failure_max\""), std::string::npos);
  EXPECT_NE(refusal({{"phases", {{"writer", {{"failure_max", 3}}}}}})
                .find("unknown key \"phases.writer.failure_max\""),
            std::string::npos);
}

}  // namespace
}  // namespace quality_monitor
