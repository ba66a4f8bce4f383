#include "busway/phase_context.hpp"

#include "phase_fixture.hpp"

namespace busway::phase {
namespace {

TEST(PhaseContext, OfNobodyIsTheFirstAttemptWithoutADeadline) {
  const PhaseContext context;
  EXPECT_EQ(context.attempt(), 1);
  EXPECT_EQ(context.max_attempts(), 1);
  EXPECT_EQ(context.deadline(), std::nullopt);
  EXPECT_FALSE(context.stop_requested());
}

TEST(PhaseContext, SharesTheStopStateOfWhoMadeIt) {
  Stopper stop;
  const PhaseContext context(stop.get_token(), SteadyTime(std::chrono::seconds(5)));
  const PhaseContext copy = context;
  stop.request_stop();
  EXPECT_TRUE(context.stop_requested());
  EXPECT_TRUE(copy.stop_token().stop_requested());
  EXPECT_EQ(copy.deadline(), SteadyTime(std::chrono::seconds(5)));
}

}  // namespace
}  // namespace busway::phase
