#include "match/pattern_cover.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "busway/error.hpp"
#include "random_patterns.hpp"

namespace busway::match_detail {
namespace {

using match_test::Random;

bool covers(std::string_view outer, std::string_view inner) {
  return surely_covers(Pattern::parse(outer), Pattern::parse(inner));
}

struct Pair {
  std::string_view outer;
  std::string_view inner;
};

TEST(PatternCover, IsSureOfTheseTwo) {
  const std::vector<Pair> pairs{
      {"a.b", "a.b"},
      {"re:^a", "re:^a"},
      {"*", "re:^a"},
      {"seg:*", "glob:*"},
      {"seg:**", "a.*"},
      {"re:.*", "*"},
      {"a.*", "a.b"},
      {"re:^a\\.", "a.b"},
      {"seg:a.*", "a.b"},
      {"a.*", "a.b.*"},
      {"a.*", "a.?"},
      {"a.*", "a.**"},
      {"a.?*", "a.*?"},
      {"a.*.c", "a.*b*.c"},
      {"a.[bc]", "a.[bc]"},
      {"a.[a-c]x", "exact:a.bx"},
      {"a.[a-c]*", "a.b*"},
      {"a.[!x]*", "a.b*"},
      {"a.?", "a.[bc]"},
      {"seg:a.**", "seg:a.b"},
      {"seg:a.**", "seg:a.*.**"},
      {"seg:a.*", "seg:a.*"},
      {"seg:*.b", "seg:a.b"},
      {"seg:*.**", "seg:a.*"},
      {"a.*", "seg:a.*"},
      {"a.*", "seg:a.*.**"},
      {"*.b", "seg:*.b"},
      {"seg:a.**", "a.*"},
      {"seg:a.*.**", "a.b.c*"},
      {"seg:*.b.**", "a.b.*"},
  };
  for (const auto& [outer, inner] : pairs) EXPECT_TRUE(covers(outer, inner)) << outer << inner;
}

TEST(PatternCover, IsNotSureOfThese) {
  const std::vector<Pair> pairs{
      {"a.b", "a.c"},        {"a.b", "a.*"},          {"a.*", "*"},          {"a.*", "a*"},
      {"a.*", "b.*"},        {"a.?", "a.*"},          {"a.b*", "a.*"},       {"a.*.c", "a.*"},
      {"a.[bc]", "a.?"},     {"a.[bc]", "a.d"},       {"re:^a", "re:^ab"},   {"re:^a", "a*"},
      {"a*", "re:^a"},       {"seg:a.*", "seg:a.**"}, {"seg:a.*", "seg:a"},  {"seg:a.**", "seg:a"},
      {"seg:a.**", "seg:*"}, {"seg:a.**", "seg:*.b"}, {"a.?", "seg:a.*"},    {"a.*.b", "seg:a.b"},
      {"seg:a.*", "a.*"},    {"seg:a.**", "a*"},      {"seg:a.b.**", "a.*"}, {"seg:a.b.**", "a.b*"},
      {"seg:a.b", "a.*"},
  };
  for (const auto& [outer, inner] : pairs) EXPECT_FALSE(covers(outer, inner)) << outer << inner;
}

std::optional<Pattern> random_pattern(Random& random) {
  try {
    switch (random.below(3)) {
      case 0: return Pattern::exact(match_test::random_topic(random));
      case 1: return Pattern::glob(match_test::random_glob(random));
      default: return Pattern::segments(match_test::random_segments(random));
    }
  } catch (const Error&) {
    return std::nullopt;  // some random texts are no patterns
  }
}

// Whatever the inner one matches, the outer one must: on topics that meet them often.
TEST(PatternCover, IsNeverSureOfWhatIsNotSo) {
  Random random(4711);
  std::size_t sure = 0;
  std::size_t met = 0;
  for (int i = 0; i < 60'000; ++i) {
    const std::optional<Pattern> outer = random_pattern(random);
    const std::optional<Pattern> inner = random_pattern(random);
    if (!outer || !inner || *outer == *inner || !surely_covers(*outer, *inner)) continue;
    ++sure;
    for (int k = 0; k < 60; ++k) {
      const std::string topic = match_test::random_topic(random);
      if (!inner->matches(topic)) continue;
      ++met;
      ASSERT_TRUE(outer->matches(topic))
          << *outer << " is said to cover " << *inner << ", but not " << topic;
    }
  }
  EXPECT_GT(sure, 500U);
  EXPECT_GT(met, 500U);
}

}  // namespace
}  // namespace busway::match_detail
