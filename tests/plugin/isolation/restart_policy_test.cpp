#include "plugin/isolation/restart_policy.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <vector>

namespace busway::plugin_host_detail {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;

/// A policy and a time that the test moves.
struct Ends {
  explicit Ends(const PluginRules& rules) : policy(rules) {}
  std::optional<nanoseconds> after(nanoseconds passed) {
    now += passed;
    return policy.ended(now);
  }
  RestartPolicy policy;
  RestartPolicy::Time now{hours(1)};
};

PluginRules many() {
  PluginRules rules;
  rules.restarts_max = 1000;
  rules.restart_delay = milliseconds(10);
  rules.restart_delay_max = seconds(5);
  return rules;
}

/// Between half of it and all of it.
void expect_about(std::optional<nanoseconds> delay, nanoseconds whole) {
  ASSERT_TRUE(delay);
  EXPECT_GE(delay->count(), (whole / 2).count());
  EXPECT_LE(delay->count(), whole.count());
}

TEST(RestartPolicy, StartsTheFirstAtOnceAndTheNextAfterDelaysThatDouble) {
  Ends ends(many());
  EXPECT_EQ(ends.after({}), nanoseconds(0));
  for (nanoseconds whole = milliseconds(10); whole < seconds(5); whole *= 2)
    expect_about(ends.after(milliseconds(1)), whole);
  for (int i = 0; i < 200; ++i) expect_about(ends.after(milliseconds(1)), seconds(5));
}

TEST(RestartPolicy, SpreadsTheDelaysOverTheWholeHalf) {
  std::set<nanoseconds> seen;
  nanoseconds least = seconds(1);
  nanoseconds most{};
  for (int i = 0; i < 400; ++i) {
    PluginRules rules = many();
    rules.restart_delay = seconds(1);
    Ends ends(rules);
    (void)ends.after({});
    const nanoseconds delay = ends.after(milliseconds(1)).value_or(nanoseconds(-1));
    seen.insert(delay);
    least = std::min(least, delay);
    most = std::max(most, delay);
  }
  EXPECT_GT(seen.size(), 350U) << "those that fell together would rise together";
  EXPECT_LT(least.count(), nanoseconds(milliseconds(600)).count());
  EXPECT_GT(most.count(), nanoseconds(milliseconds(900)).count());
}

TEST(RestartPolicy, ADelayThatIsLargerThanTheLargestIsThat) {
  PluginRules rules = many();
  rules.restart_delay = hours(1);
  rules.restart_delay_max = milliseconds(40);
  Ends ends(rules);
  EXPECT_EQ(ends.after({}), nanoseconds(0));
  for (int i = 0; i < 5; ++i) expect_about(ends.after(milliseconds(1)), milliseconds(40));
}

TEST(RestartPolicy, ADelayOfNothingOrOfOneNanosecondStaysThat) {
  for (const nanoseconds one : {nanoseconds(0), nanoseconds(1)}) {
    PluginRules rules = many();
    rules.restart_delay = one;
    rules.restart_delay_max = one;
    Ends ends(rules);
    EXPECT_EQ(ends.after({}), nanoseconds(0));
    EXPECT_EQ(ends.after({}), one);
    EXPECT_EQ(ends.after({}), one);
  }
}

TEST(RestartPolicy, TheLargestDelayThereIsDoesNotOverflow) {
  PluginRules rules = many();
  rules.restart_delay_max = nanoseconds::max();
  Ends ends(rules);
  for (int i = 0; i < 100; ++i) {
    const std::optional<nanoseconds> delay = ends.after({});
    ASSERT_TRUE(delay);
    ASSERT_GE(delay->count(), 0) << i;
  }
  expect_about(ends.after({}), nanoseconds::max());
}

TEST(RestartPolicy, MoreThanSoManyWithinTheWindowAreTooMany) {
  PluginRules rules = many();
  rules.restarts_max = 3;
  rules.restarts_within = minutes(1);
  Ends ends(rules);
  EXPECT_EQ(ends.policy.max(), 3U);
  EXPECT_EQ(ends.policy.within(), minutes(1));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(ends.after(seconds(1))) << i;
  EXPECT_FALSE(ends.after(seconds(1)));
}

TEST(RestartPolicy, TheWindowSlides) {
  PluginRules rules = many();
  rules.restarts_max = 3;
  rules.restarts_within = minutes(1);
  Ends ends(rules);
  // One in twenty seconds: with each that comes one has gone.
  for (int i = 0; i < 50; ++i)
    EXPECT_TRUE(ends.after(nanoseconds(seconds(20)) + nanoseconds(1))) << i;
  EXPECT_FALSE(ends.after(seconds(1))) << "three others are within the last minute";
}

TEST(RestartPolicy, AnEndAtTheVeryEdgeOfTheWindowCounts) {
  PluginRules rules = many();
  rules.restarts_max = 1;
  rules.restarts_within = minutes(1);
  Ends at(rules);
  EXPECT_TRUE(at.after({}));
  EXPECT_FALSE(at.after(minutes(1)));
  Ends past(rules);
  EXPECT_TRUE(past.after({}));
  EXPECT_TRUE(past.after(nanoseconds(minutes(1)) + nanoseconds(1)));
}

TEST(RestartPolicy, AQuietTimeMakesTheNextStartTheFirst) {
  Ends ends(many());
  EXPECT_EQ(ends.after({}), nanoseconds(0));
  expect_about(ends.after(milliseconds(1)), milliseconds(10));
  expect_about(ends.after(nanoseconds(seconds(10)) - nanoseconds(1)), milliseconds(20));
  EXPECT_EQ(ends.after(seconds(10)), nanoseconds(0));
  expect_about(ends.after(milliseconds(1)), milliseconds(10));
}

TEST(RestartPolicy, NoneMayBeAllowed) {
  PluginRules rules = many();
  rules.restarts_max = 0;
  Ends ends(rules);
  EXPECT_FALSE(ends.after({}));
  EXPECT_FALSE(ends.after(hours(1))) << "nor after a quiet time";
}

TEST(RestartPolicy, IsTwoRestartsInFiveMinutesUnlessToldOtherwise) {
  Ends ends(PluginRules{});
  EXPECT_EQ(ends.policy.max(), 2U);
  EXPECT_EQ(ends.policy.within(), minutes(5));
  EXPECT_EQ(ends.after({}), nanoseconds(0));
  expect_about(ends.after(milliseconds(1)), milliseconds(10));
  EXPECT_FALSE(ends.after(minutes(4)));
}

}  // namespace
}  // namespace busway::plugin_host_detail
