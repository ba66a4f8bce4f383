#include "analytics/executions.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace analytics {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

constexpr WallTime kMidday{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1} + 12h};
const std::vector<double> kMedian{0.5};

Executions three() {
  Executions executions(100);
  executions.add({"tasks", "alice", 10, kMidday});
  executions.add({"tasks", "bob", 30, kMidday + 1s});
  executions.add({"calendar", "alice", 50, kMidday + 2s});
  return executions;
}

TEST(Executions, AnswersForAll) {
  const json answer = three().answer({}, kMedian);
  EXPECT_EQ(answer.at("count"), 3);
  EXPECT_EQ(answer.at("mean"), 30.0);
  EXPECT_EQ(answer.at("max"), 50.0);
  EXPECT_EQ(answer.at("plugins").at("tasks").at("count"), 2);
  EXPECT_EQ(answer.at("plugins").at("calendar").at("max"), 50.0);
  EXPECT_EQ(answer.at("users").at("alice").at("mean"), 30.0);
  ASSERT_EQ(answer.at("executions").size(), 3U);
  EXPECT_EQ(answer.at("executions")[0], (json{{"plugin", "calendar"},
                                              {"user", "alice"},
                                              {"execution_time_ms", 50.0},
                                              {"time", "2026-03-01T12:00:02Z"}}))
      << "the newest first";
}

TEST(Executions, AnswersForAPluginAUserOrBoth) {
  const Executions executions = three();
  EXPECT_EQ(executions.answer({.plugin = "tasks"}, kMedian).at("count"), 2);
  EXPECT_EQ(executions.answer({.user = "alice"}, kMedian).at("count"), 2);
  const json both = executions.answer({.plugin = "tasks", .user = "alice"}, kMedian);
  EXPECT_EQ(both.at("count"), 1);
  EXPECT_EQ(both.at("executions").size(), 1U);
  EXPECT_EQ(executions.answer({.plugin = "nobody"}, kMedian),
            (json{{"count", 0},
                  {"plugins", json::object()},
                  {"users", json::object()},
                  {"executions", json::array()}}));
  EXPECT_EQ(executions.answer({.limit = 2}, kMedian).at("executions").size(), 2U);
}

TEST(Executions, KeepsTheLastOnesAndSumsUpAll) {
  Executions executions(10);
  for (int i = 0; i < 5'000; ++i) {
    executions.add({"tasks", "user " + std::to_string(i), 1, kMidday});
  }
  const json answer = executions.answer({.limit = 1'000}, kMedian);
  EXPECT_EQ(answer.at("executions").size(), 10U);
  EXPECT_EQ(answer.at("count"), 5'000);
  EXPECT_EQ(answer.at("users").size(), Executions::kPairsMax + 1);
  EXPECT_EQ(answer.at("users").at("(other)").at("count"), 5'000 - Executions::kPairsMax);
}

TEST(Executions, ComeBackAsTheyWereSaved) {
  const Executions executions = three();
  Executions again(2);
  again.load(json::parse(executions.save(1'000'000).dump()));
  const json answer = again.answer({}, kMedian);
  EXPECT_EQ(answer.at("count"), 3);
  EXPECT_EQ(answer.at("plugins"), executions.answer({}, kMedian).at("plugins"));
  ASSERT_EQ(answer.at("executions").size(), 2U) << "a smaller configuration";
  EXPECT_EQ(answer.at("executions")[1].at("user"), "bob");
  EXPECT_THROW(again.load(json::object()), json::exception);

  Executions cut(100);
  cut.load(executions.save(50));  // room for one
  const json last = cut.answer({}, kMedian);
  EXPECT_EQ(last.at("count"), 3) << "the sums are whole";
  ASSERT_EQ(last.at("executions").size(), 1U);
  EXPECT_EQ(last.at("executions")[0].at("plugin"), "calendar");
}

}  // namespace
}  // namespace analytics
