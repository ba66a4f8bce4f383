#include "plugin/denials.hpp"

#include <gtest/gtest.h>

namespace busway::plugin_host_detail {
namespace {

using std::chrono::milliseconds;

TEST(Denials, AreToldOnceASecondWithTheNumberOfTheOthers) {
  Denials denials;
  SteadyTime now{};
  EXPECT_EQ(denials.note(now), 0U);
  EXPECT_EQ(denials.note(now), std::nullopt);
  EXPECT_EQ(denials.note(now + milliseconds(999)), std::nullopt);
  now += milliseconds(1000);
  EXPECT_EQ(denials.note(now), 2U);
  EXPECT_EQ(denials.note(now), std::nullopt);
  EXPECT_EQ(denials.note(now + milliseconds(5000)), 1U);
  EXPECT_EQ(denials.note(now + milliseconds(9000)), 0U);
}

}  // namespace
}  // namespace busway::plugin_host_detail
