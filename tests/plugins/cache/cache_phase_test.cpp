// The plugin, linked in, beside the phases that ask it: a known output spares a phase its work.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "../plugin_on_a_clock.hpp"
#include "busway/events/cache_hit.hpp"
#include "busway/events/phase_event_data.hpp"
#include "busway/function_phase.hpp"
#include "busway/phase_orchestrator.hpp"
#include "busway/retryable_phase.hpp"
#include "busway/typed.hpp"

namespace busway {
namespace {

using namespace std::chrono_literals;
using phase::ChainResult;
using phase::make_phase;

class CachedPhases : public ::testing::Test {
 protected:
  /// A planner, and a writer that fails as often as it is told.
  ChainResult run_chain(const std::string& request = "buses") {
    const auto planner = make_phase("planner", [this](const phase::PhaseInput& input) {
      executed_.emplace_back("planner");
      return Json{{"about", input.request}};
    });
    const auto writer = make_phase("writer", [this](const Json& plan) {
      executed_.emplace_back("writer");
      if (failures_left_ > 0) {
        --failures_left_;
        throw std::runtime_error("out of ink");
      }
      return Json{{"text", "All about " + plan.at("about").get<std::string>()}};
    });
    const auto patient = std::make_shared<phase::RetryablePhase>(
        writer, run_.bus(), attempts_, phase::Backoff{.initial_delay = 0ns});
    ChainResult result = phase::PhaseOrchestrator(run_.bus())
                             .execute_chain({planner, patient}, {.request = request});
    run_.settle();
    return result;
  }

  /// What was executed since it was asked last, in order.
  std::vector<std::string> executed() { return std::exchange(executed_, {}); }

  PluginOnAClock run_{"busway_cache", Json::object(), PluginPlace::program};
  std::vector<std::string> executed_;
  int failures_left_ = 0;
  int attempts_ = 1;
};

using Names = std::vector<std::string>;

TEST_F(CachedPhases, TheSecondRunOfAChainExecutesNothing) {
  const ChainResult first = run_chain();
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(executed(), (Names{"planner", "writer"}));
  EXPECT_EQ(run_.count("cache.miss"), 2U);
  EXPECT_EQ(run_.count("cache.hit"), 0U);

  const ChainResult second = run_chain();
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(executed(), Names());
  EXPECT_EQ(second.output.data, first.output.data);
  EXPECT_EQ(second.completed_phases, (Names{"planner", "writer"}));
  EXPECT_EQ(run_.count("cache.miss"), 2U);
  ASSERT_EQ(run_.count("cache.hit"), 2U);
  EXPECT_EQ(run_.wait("cache.hit", 1).as<CacheHit>().phase_name, "writer");
  EXPECT_EQ(run_.wait("phase.completed", 3).as<PhaseEventData>().metadata.at("cached"), true);
  EXPECT_EQ(run_.ask("cache.stats").at("hits"), 2);
}

TEST_F(CachedPhases, AnotherInputIsExecuted) {
  ASSERT_TRUE(run_chain("buses").ok());
  (void)executed();
  EXPECT_EQ(run_chain("trains").output.data, (Json{{"text", "All about trains"}}));
  EXPECT_EQ(executed(), (Names{"planner", "writer"}));
}

TEST_F(CachedPhases, APhaseThatFailedIsNeverServed) {
  failures_left_ = 2;
  for (int run = 0; run < 2; ++run) {
    const ChainResult failed = run_chain();
    EXPECT_FALSE(failed.ok());
    EXPECT_EQ(failed.failed_phase, "writer");
    EXPECT_EQ(executed(), run == 0 ? (Names{"planner", "writer"}) : Names{"writer"});
  }
  EXPECT_EQ(run_chain().output.data, (Json{{"text", "All about buses"}}));
  EXPECT_EQ(executed(), Names{"writer"});
  EXPECT_TRUE(run_chain().ok());
  EXPECT_EQ(executed(), Names());
  EXPECT_EQ(run_.ask("cache.stats").at("kept"), 2) << "of the planner and the writer, once each";
}

TEST_F(CachedPhases, AnAttemptThatFailedIsNotServedToTheNextOne) {
  failures_left_ = 1;
  attempts_ = 2;
  EXPECT_EQ(run_chain().output.data, (Json{{"text", "All about buses"}}));
  EXPECT_EQ(executed(), (Names{"planner", "writer", "writer"}));
  EXPECT_TRUE(run_chain().ok());
  EXPECT_EQ(executed(), Names());
}

TEST_F(CachedPhases, WhatIsTooOldIsExecutedAgain) {
  ASSERT_TRUE(run_chain().ok());
  (void)executed();
  run_.clock().advance(1h + 1ns);
  ASSERT_TRUE(run_chain().ok());
  EXPECT_EQ(executed(), (Names{"planner", "writer"}));
}

}  // namespace
}  // namespace busway
