#include "quality-monitor/alerts.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace quality_monitor {
namespace {

using namespace std::chrono_literals;

Totals totals(std::uint64_t successes, std::uint64_t failures,
              const std::vector<double>& durations = {}) {
  Totals out;
  out.successes = successes;
  out.failures = failures;
  for (const double one : durations) EXPECT_TRUE(out.durations_ms.add(one));
  return out;
}

TEST(Alerts, MoreThanThreeFailuresAreOneAlertHoweverManyFollow) {
  Alerts alerts;
  const Limits limits;
  for (std::uint64_t failures = 0; failures <= 3; ++failures) {
    EXPECT_TRUE(alerts.judge(totals(0, failures), limits, 5min).empty()) << failures;
  }
  const std::vector<Change> changes = alerts.judge(totals(0, 4), limits, 5min);
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].rule, Rule::failures);
  EXPECT_EQ(changes[0].kind, Change::Kind::broken);
  EXPECT_EQ(changes[0].value, 4);
  EXPECT_EQ(changes[0].limit, 3);
  EXPECT_EQ(changes[0].reason, "4 failures within 5m, more than 3");
  for (std::uint64_t failures = 5; failures < 100; ++failures) {
    EXPECT_TRUE(alerts.judge(totals(0, failures), limits, 5min).empty()) << failures;
  }
}

TEST(Alerts, AValueThatWaversAboutItsLimitIsOneAlert) {
  Alerts alerts;
  const Limits limits;
  EXPECT_EQ(alerts.judge(totals(0, 4), limits, 5min).size(), 1U);
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(alerts.judge(totals(0, 3), limits, 5min).empty()) << "not yet good enough";
    EXPECT_TRUE(alerts.judge(totals(0, 4), limits, 5min).empty());
  }
  const std::vector<Change> changes = alerts.judge(totals(1, 2), limits, 5min);
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].kind, Change::Kind::kept_again);
  EXPECT_EQ(changes[0].reason, "2 failures within 5m, at most 80 % of 3");
  EXPECT_FALSE(alerts.any());
  EXPECT_EQ(alerts.judge(totals(0, 4), limits, 5min).size(), 1U) << "a new one";
}

TEST(Alerts, ALimitOfNoFailureIsBrokenByOneAndKeptByNone) {
  Alerts alerts;
  const Limits limits{.failures_max = 0};
  EXPECT_TRUE(alerts.judge(totals(1, 0), limits, 5min).empty());
  EXPECT_EQ(alerts.judge(totals(1, 1), limits, 5min).size(), 1U);
  EXPECT_EQ(alerts.judge(totals(1, 0), limits, 5min).size(), 1U);
  EXPECT_FALSE(alerts.any());
}

TEST(Alerts, AShareOfFailuresNeedsEnoughExecutions) {
  Alerts alerts;
  const Limits limits{.failures_max = {}, .failure_rate_max = 0.5, .samples_min = 4};
  EXPECT_TRUE(alerts.judge(totals(0, 3), limits, 5min).empty());
  const std::vector<Change> changes = alerts.judge(totals(1, 3), limits, 5min);
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].rule, Rule::failure_rate);
  EXPECT_EQ(changes[0].reason, "75 % of 4 executions failed within 5m, more than 50 %");
  EXPECT_TRUE(alerts.judge(totals(1, 2), limits, 5min).empty()) << "too few to say that it is well";
  EXPECT_TRUE(alerts.judge(totals(5, 4), limits, 5min).empty());
  EXPECT_EQ(alerts.judge(totals(6, 4), limits, 5min).size(), 1U);
}

TEST(Alerts, AShareThatIsExactlyTheLimitIsNotMoreThanIt) {
  for (std::uint64_t failures = 1; failures < 100; ++failures) {
    Alerts alerts;
    const Limits limits{.failures_max = {},
                        .failure_rate_max = static_cast<double>(failures) / 100,
                        .samples_min = 10};
    EXPECT_TRUE(alerts.judge(totals(100 - failures, failures), limits, 5min).empty()) << failures;
    EXPECT_EQ(alerts.judge(totals(99 - failures, failures + 1), limits, 5min).size(), 1U);
  }
  Alerts alerts;
  const Limits limits{.failures_max = {}, .failure_rate_max = 0.3, .samples_min = 10};
  EXPECT_TRUE(alerts.judge(totals(7, 3), limits, 5min).empty());
}

TEST(Alerts, AShareThatIsExactlyGoodEnoughEndsAnAlert) {
  Alerts alerts;
  const Limits limits{
      .failures_max = {}, .failure_rate_max = 0.7, .samples_min = 10, .recovery = 0.8};
  EXPECT_EQ(alerts.judge(totals(0, 25), limits, 5min).size(), 1U);
  EXPECT_TRUE(alerts.judge(totals(10, 15), limits, 5min).empty()) << "60 %";
  const std::vector<Change> changes = alerts.judge(totals(11, 14), limits, 5min);
  ASSERT_EQ(changes.size(), 1U) << "56 %, and 80 % of 70 % are no more";
  EXPECT_EQ(changes[0].kind, Change::Kind::kept_again);
}

TEST(Alerts, ADurationIsJudgedByTheQuantileThatIsAskedFor) {
  const std::vector<double> mostly_fast{10, 10, 10, 10, 10, 10, 10, 10, 10, 900};
  const Totals found = totals(10, 0, mostly_fast);
  Alerts longest;
  const std::vector<Change> changes = longest.judge(found, {.duration_ms_max = 500}, 5min);
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].rule, Rule::duration);
  EXPECT_EQ(changes[0].reason, "the longest execution took 900 ms within 5m, more than 500 ms");
  Alerts median;
  EXPECT_TRUE(
      median.judge(found, {.duration_ms_max = 500, .duration_quantile = 0.5}, 5min).empty());
  EXPECT_EQ(median.judge(found, {.duration_ms_max = 5, .duration_quantile = 0.5}, 5min).size(), 1U);
}

TEST(Alerts, AnEmptyWindowAndARuleThatIsSwitchedOffEndAnAlert) {
  Alerts alerts;
  EXPECT_EQ(alerts.judge(totals(0, 9, {99}), {.duration_ms_max = 50}, 5min).size(), 2U);
  const std::vector<Change> off = alerts.judge(totals(0, 9, {99}), Limits(), 5min);
  ASSERT_EQ(off.size(), 1U);
  EXPECT_EQ(off[0].rule, Rule::duration);
  EXPECT_EQ(off[0].reason, "the rule was switched off");
  const std::vector<Change> quiet = alerts.judge(Totals(), Limits(), 5min);
  ASSERT_EQ(quiet.size(), 1U);
  EXPECT_EQ(quiet[0].reason, "nothing was executed within 5m, so nothing failed");
}

TEST(Alerts, ComeBackAsTheyWereSaved) {
  Alerts alerts;
  EXPECT_EQ(alerts.judge(totals(0, 9), Limits(), 5min).size(), 1U);
  Alerts again;
  again.load(alerts.save());
  EXPECT_TRUE(again.broken(Rule::failures));
  EXPECT_FALSE(again.broken(Rule::duration));
  EXPECT_EQ(again.save(), nlohmann::json::array({"failures"}));
}

}  // namespace
}  // namespace quality_monitor
