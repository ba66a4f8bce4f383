#include "busway/clock.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace busway {
namespace {

using namespace std::chrono_literals;

TEST(SystemClock, IsOneObject) { EXPECT_EQ(Clock::system().get(), Clock::system().get()); }

TEST(SystemClock, AgreesWithTheStandardLibrarysClocks) {
  // A reading may be off by what the counter's rate errs between two comparisons: far below 1 ms.
  const auto& clock = *Clock::system();
  const auto wall_before = std::chrono::system_clock::now();
  const WallTime wall = clock.wall();
  const auto wall_after = std::chrono::system_clock::now();
  EXPECT_GE(wall, wall_before - 1ms);
  EXPECT_LE(wall, wall_after + 1ms);
  const auto steady_before = std::chrono::steady_clock::now();
  const SteadyTime steady = clock.steady();
  const auto steady_after = std::chrono::steady_clock::now();
  EXPECT_GE(steady, steady_before - 1ms);
  EXPECT_LE(steady, steady_after + 1ms);
}

TEST(SystemClock, RunsByItselfSoThatNobodyNeedsToWatchIt) {
  bool called = false;
  EXPECT_FALSE(Clock::system()->is_manual());
  EXPECT_EQ(Clock::system()->watch([&] { called = true; }), nullptr);
  EXPECT_FALSE(called);
}

TEST(SystemClock, LeavesIdsRandom) { EXPECT_FALSE(Clock::system()->id_seed().has_value()); }

}  // namespace
}  // namespace busway
