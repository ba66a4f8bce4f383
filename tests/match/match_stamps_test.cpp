#include "match/match_stamps.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "busway/error.hpp"
#include "random_patterns.hpp"

namespace busway {
namespace {

using match_test::Random;

bool changes(const Pattern& pattern, std::string_view topic) {
  MatchStamps stamps;
  const auto keys = MatchStamps::keys_of(topic);
  const std::uint64_t before = stamps.stamp(keys);
  stamps.bump(pattern);
  return stamps.stamp(keys) != before;
}

TEST(MatchStamps, AChangeTouchesTopicsThatShareTheLiteralWord) {
  EXPECT_TRUE(changes(Pattern::glob("trivia.*"), "trivia.started"));
  EXPECT_TRUE(changes(Pattern::glob("*.created"), "public.users.created"));
  EXPECT_TRUE(changes(Pattern::segments("*.users.*"), "public.users.created"));
  EXPECT_TRUE(changes(Pattern::regex("^phase\\.(started|completed)$"), "phase.started"));
  EXPECT_TRUE(changes(Pattern::regex("(?i)^PHASE\\."), "phase.started"));
  EXPECT_TRUE(changes(Pattern::exact("user.login"), "user.login"));
}

TEST(MatchStamps, AChangeLeavesOtherTopicsAlone) {
  EXPECT_FALSE(changes(Pattern::glob("trivia.*"), "chat.message"));
  EXPECT_FALSE(changes(Pattern::glob("*.created"), "public.users.deleted"));
  EXPECT_FALSE(changes(Pattern::segments("*.users.*"), "users.public.created"));
  EXPECT_FALSE(changes(Pattern::regex("^phase\\.(started|completed)$"), "chain.started"));
  EXPECT_FALSE(changes(Pattern::regex("\\.(done|over)\\.end$"), "a.b.done"));
}

TEST(MatchStamps, PatternsWithoutAWholeWordCountForAllTopics) {
  for (const Pattern& pattern :
       {Pattern::glob("*"), Pattern::glob("trivia*"), Pattern::segments("*.*"),
        Pattern::regex("created"), Pattern::regex("^(a|b)\\.")}) {
    EXPECT_EQ(MatchStamps::counter_of(pattern), MatchStamps::kCounters) << pattern;
    EXPECT_TRUE(changes(pattern, "any.topic"));
  }
}

TEST(MatchStamps, LiteralWordsBeyondTheReachCountForAllTopics) {
  const std::string stars = "*.*.*.*.*.*.*.*.";
  EXPECT_EQ(MatchStamps::counter_of(Pattern::segments(stars + "x.**")), MatchStamps::kCounters);
  EXPECT_NE(MatchStamps::counter_of(Pattern::segments(stars + "x.*")), MatchStamps::kCounters);
  EXPECT_TRUE(changes(Pattern::segments(stars + "x.*"), "a.a.a.a.a.a.a.a.x.a"));
}

TEST(MatchStamps, WordsSpreadOverManyCounters) {
  std::set<std::size_t> counters;
  for (int i = 0; i < 1000; ++i) {
    counters.insert(MatchStamps::counter_of(Pattern::glob("svc" + std::to_string(i) + ".*")));
  }
  EXPECT_GT(counters.size(), 800U);
}

// The one promise: where a pattern matches, its change changes the stamp.
TEST(MatchStamps, EveryPatternThatMatchesATopicChangesItsStamp) {
  Random random(99);
  int matched = 0;
  int narrow = 0;
  for (int round = 0; round < 12000; ++round) {
    try {
      const std::size_t kind = random.below(4);
      const Pattern pattern = kind == 0   ? Pattern::glob(match_test::random_glob(random))
                              : kind == 1 ? Pattern::segments(match_test::random_segments(random))
                              : kind == 2 ? Pattern::regex(match_test::random_regex(random, 2))
                                          : Pattern::exact(match_test::random_name(random));
      const std::size_t counter = MatchStamps::counter_of(pattern);
      narrow += counter != MatchStamps::kCounters ? 1 : 0;
      for (int i = 0; i < 20; ++i) {
        const std::string name = kind == 3          ? std::string(pattern.text())
                                 : random.one_in(3) ? match_test::random_name(random)
                                                    : match_test::random_topic(random);
        if (!pattern.matches(name)) continue;
        ++matched;
        const auto keys = MatchStamps::keys_of(name);
        const auto* const end = keys.counters.data() + keys.count;
        ASSERT_TRUE(counter == MatchStamps::kCounters ||
                    std::find(keys.counters.data(), end, counter) != end)
            << pattern << " matches " << name;
      }
    } catch (const Error&) {  // some random texts are no patterns
    }
  }
  EXPECT_GT(matched, 5000);
  EXPECT_GT(narrow, 2000);
}

}  // namespace
}  // namespace busway
