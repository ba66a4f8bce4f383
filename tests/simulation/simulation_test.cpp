// Does the simulation find defects, and does a seed always run the same?
#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <string_view>

#include "base/planted_defect.hpp"
#include "run.hpp"

namespace busway::simulation {
namespace {

using detail::Defect;

constexpr std::uint64_t kSeeds = 2000;  // as many as a normal run of the tests has

/// Fails the test unless a seed says that this invariant does not hold.
void expect_found(std::string_view invariant, Misled misled = Misled::in_nothing) {
  std::string others;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const RunResult result = run_seed(seed, Trace::Show::nothing, misled);
    if (!result.violation) continue;
    if (result.violation->invariant != invariant) {
      others += " " + std::to_string(seed) + ": " + result.violation->invariant;
      continue;
    }
    std::printf("seed %llu found it%s\n%s", static_cast<unsigned long long>(seed),
                others.empty() ? "" : (";" + others).c_str(), result.report.c_str());
    EXPECT_NE(result.report.find("must hold: " + std::string(invariant)), std::string::npos);
    EXPECT_NE(result.report.find("--seed " + std::to_string(seed) + " --trace"), std::string::npos);
    return;
  }
  ADD_FAILURE() << "no seed found that \"" << invariant << "\" does not hold;" << others;
}

class PlantedDefect : public ::testing::Test {
 protected:
  ~PlantedDefect() override { detail::planted_now = Defect::none; }

  static void expect_found(Defect defect, std::string_view invariant) {
    detail::planted_now = defect;
    simulation::expect_found(invariant);
  }
};

TEST_F(PlantedDefect, ADeliveryAfterTheUnsubscribeIsFound) {
  expect_found(Defect::after_close, "no delivery after the unsubscribe or before the subscribe");
}

TEST_F(PlantedDefect, ADeliveryWhilePausedIsFound) {
  expect_found(Defect::after_close, "a paused subscription is not called");
}

TEST_F(PlantedDefect, AStrictRetryThatIsPassedIsFound) {
  expect_found(Defect::strict_is_passed, "strict order: nothing passes a retry that waits");
}

TEST_F(PlantedDefect, ARetryThatIsLostIsFound) {
  expect_found(Defect::retry_is_lost, "what is ready runs");
}

TEST_F(PlantedDefect, ADropThatIsNotCountedIsFound) {
  expect_found(Defect::dropped_not_counted, "counters add up and agree with what happened");
}

TEST_F(PlantedDefect, WithoutOneTheSameProgramFindsNothing) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const RunResult result = run_seed(seed);
    EXPECT_FALSE(result.violation) << result.report;
  }
}

TEST(MisledBus, OfLongerTimeoutsIsFound) {
  expect_found("a handler is told its deadline", Misled::in_timeouts);
}

TEST(MisledBus, ThatKeepsDeadlinesLateIsFound) {
  expect_found("a call that passes its deadline is given up", Misled::in_timeouts_unseen);
}

TEST(MisledBus, OfMoreJitterIsFound) { expect_found("no retry is early", Misled::in_jitter); }

TEST(Seed, RunsTheSameAloneAndAmongOthers) {
  const RunResult first = run_seed(7);
  for (std::uint64_t seed = 100; seed < 120; ++seed) {
    EXPECT_NE(run_seed(seed).trace_hash, first.trace_hash);
  }
  const RunResult again = run_seed(7);
  EXPECT_EQ(again.trace_hash, first.trace_hash);
  EXPECT_EQ(again.steps, first.steps);
  EXPECT_GT(first.deliveries, 0U);
}

}  // namespace
}  // namespace busway::simulation
