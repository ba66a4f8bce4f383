// Phases that execute other phases with the context that they were given.
#include "busway/event_aware_phase.hpp"
#include "busway/retryable_phase.hpp"
#include "phase_fixture.hpp"

namespace busway::phase {
namespace {

using namespace std::chrono_literals;

/// Executes the inner one with its own context.
Shared around(Shared inner, PhaseOptions options = {}) {
  return make_phase(
      "outer",
      [inner = std::move(inner)](const PhaseInput& input, PhaseContext& context) {
        return inner->execute(input, context);
      },
      std::move(options));
}

class PhaseNesting : public ::testing::Test {
 protected:
  /// Notes the deadline and the attempt that it is told, and fails so many times.
  Shared noting(int failures = 0) {
    return make_phase("inner", [this, failures](const Json&, PhaseContext& context) -> Json {
      deadlines_.push_back(context.deadline());
      attempts_.emplace_back(context.attempt(), context.max_attempts());
      if (static_cast<int>(attempts_.size()) <= failures) throw std::runtime_error("not yet");
      return {};
    });
  }
  Shared event_aware(const Shared& phase) { return std::make_shared<EventAwarePhase>(phase, bus_); }
  [[nodiscard]] std::vector<std::pair<int, int>> told(const std::string& name) const {
    std::vector<std::pair<int, int>> told;
    for (const auto& data : heard_.of<PhaseEventData>("phase.started")) {
      if (data.phase_name == name) told.emplace_back(data.attempt, data.max_attempts);
    }
    return told;
  }

  using Attempts = std::vector<std::pair<int, int>>;
  const std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>();
  Bus bus_{quiet({.clock = clock_})};
  const Heard heard_{bus_};
  std::vector<std::optional<SteadyTime>> deadlines_;
  Attempts attempts_;
};

TEST_F(PhaseNesting, GivesTheTimeOutOfAStepToThatStepAlone) {
  const PhaseOrchestrator orchestrator(bus_);
  // Time has passed before the inner one begins: its own time-out would end later.
  const auto outer = make_phase(
      "outer", [&, inner = event_aware(noting())](const PhaseInput& input, PhaseContext& context) {
        clock_->advance(2s);
        return inner->execute(input, context);
      });
  const ChainResult result = orchestrator.execute_graph({{.phase = outer, .timeout = 5s}});
  ASSERT_TRUE(result.ok()) << result.error->message;
  ASSERT_EQ(deadlines_.size(), 1U);
  EXPECT_EQ(deadlines_[0], clock_->steady() + 3s) << "the deadline of the step bounds both";
}

TEST_F(PhaseNesting, LetsAPhaseWithinHaveATimeOutOfItsOwn) {
  const PhaseOrchestrator orchestrator(bus_);
  const auto inner = make_phase("inner",
                                [&](const Json&, PhaseContext& context) {
                                  deadlines_.push_back(context.deadline());
                                  return Json();
                                },
                                {.timeout = 1s});
  const ChainResult result =
      orchestrator.execute_graph({{.phase = around(event_aware(inner)), .timeout = 5s}});
  ASSERT_TRUE(result.ok()) << result.error->message;
  ASSERT_EQ(deadlines_.size(), 1U);
  EXPECT_EQ(deadlines_[0], clock_->steady() + 1s);
}

TEST_F(PhaseNesting, CountsTheAttemptsOfThePhaseThatIsTriedAgainAlone) {
  RetryablePhase outer(around(event_aware(noting(2))), bus_, 3, {.initial_delay = 0ns});
  run(outer);
  EXPECT_EQ(told("outer"), (Attempts{{1, 3}, {2, 3}, {3, 3}}));
  EXPECT_EQ(told("inner"), (Attempts{{1, 1}, {1, 1}, {1, 1}}));
  EXPECT_EQ(attempts_, (Attempts{{1, 1}, {1, 1}, {1, 1}}));
}

TEST_F(PhaseNesting, CountsTheAttemptsOfAPhaseWithinThatIsTriedAgain) {
  const auto inner =
      std::make_shared<RetryablePhase>(noting(1), bus_, 2, Backoff{.initial_delay = 0ns});
  RetryablePhase outer(around(inner), bus_, 5, {.initial_delay = 0ns});
  run(outer);
  EXPECT_EQ(told("outer"), (Attempts{{1, 5}}));
  EXPECT_EQ(told("inner"), (Attempts{{1, 2}, {2, 2}}));
  EXPECT_EQ(attempts_, (Attempts{{1, 2}, {2, 2}}));
}

TEST_F(PhaseNesting, TellsThePhaseItselfItsAttempts) {
  RetryablePhase phase(noting(1), bus_, 4, {.initial_delay = 0ns});
  run(phase);
  EXPECT_EQ(attempts_, (Attempts{{1, 4}, {2, 4}}));
}

}  // namespace
}  // namespace busway::phase
