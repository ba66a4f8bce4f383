#include "match/pattern_index.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "busway/error.hpp"
#include "random_patterns.hpp"

namespace busway {
namespace {

using match_test::Random;
using Values = std::vector<PatternIndex::Value>;

Values matches(const PatternIndex& index, std::string_view topic) {
  Values out;
  index.match(topic, out);
  std::sort(out.begin(), out.end());
  return out;
}

std::optional<Pattern> random_pattern(Random& random) {
  try {
    switch (random.below(5)) {
      case 0: return Pattern::glob(match_test::random_glob(random));
      case 1:
      case 2: return Pattern::segments(match_test::random_segments(random));
      case 3: return Pattern::regex(match_test::random_regex(random, 2));
      default: return Pattern::exact(match_test::random_topic(random));
    }
  } catch (const Error&) {
    return std::nullopt;
  }
}

TEST(PatternIndex, FindsEachKindOfPattern) {
  PatternIndex index;
  static_cast<void>(index.add(Pattern::exact("phase.started"), 1));
  static_cast<void>(index.add(Pattern::glob("phase.*"), 2));
  static_cast<void>(index.add(Pattern::segments("*.started"), 3));
  static_cast<void>(index.add(Pattern::regex("^phase\\.(started|completed)$"), 4));
  static_cast<void>(index.add(Pattern::regex("\\w"), 5));
  static_cast<void>(index.add(Pattern::segments("*"), 6));
  static_cast<void>(index.add(Pattern::exact("phase.failed"), 7));
  EXPECT_EQ(matches(index, "phase.started"), (Values{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(matches(index, "phase.completed"), (Values{2, 4, 5, 6}));
  EXPECT_EQ(matches(index, "chain.started"), (Values{3, 5, 6}));
  EXPECT_EQ(matches(index, "\xC3\xA9"), (Values{6}));
  EXPECT_EQ(index.unfiled(), 2U) << "\\w and * say nothing about a topic";
}

TEST(PatternIndex, EqualPatternsShareTheirTextAndKeepEachValue) {
  PatternIndex index;
  const auto first = index.add(Pattern::glob("a.*"), 10);
  const auto second = index.add(Pattern::parse("glob:a.*"), 11);
  const auto same_value = index.add(Pattern::glob("a.*"), 10);
  EXPECT_EQ(matches(index, "a.b"), (Values{10, 10, 11}));
  EXPECT_EQ(index.pattern(first).text().data(), index.pattern(second).text().data());
  EXPECT_EQ(index.value(second), 11U);
  index.remove(first);
  EXPECT_EQ(matches(index, "a.b"), (Values{10, 11}));
  EXPECT_EQ(index.value(second), 11U);
  EXPECT_EQ(index.value(same_value), 10U);
  index.remove(second);
  index.remove(same_value);
  EXPECT_EQ(matches(index, "a.b"), Values{});
  EXPECT_EQ(index.size(), 0U);
}

TEST(PatternIndex, AManyfoldNameGivesAllItsValuesAndLosesThemOneByOne) {
  PatternIndex index;
  constexpr std::size_t kCount = 40000;
  std::vector<PatternIndex::Handle> handles;
  for (std::size_t i = 0; i < kCount; ++i) handles.push_back(index.add(Pattern::exact("hot"), i));
  EXPECT_EQ(matches(index, "hot").size(), kCount);
  Random random(5);
  Values left;
  for (std::size_t i = 0; i < kCount; ++i) {
    ASSERT_EQ(index.value(handles[i]), i);
    if (i % 1000 == 7) {
      left.push_back(i);
    } else {
      index.remove(handles[i]);
    }
  }
  EXPECT_EQ(matches(index, "hot"), left);
  for (const std::size_t i : left) ASSERT_EQ(index.value(handles[i]), i);
}

TEST(PatternIndex, MoreShapesThanTheTableHoldsStillMatch) {
  PatternIndex index;
  Values expected;
  for (std::size_t mask = 0; mask < 256; ++mask) {
    std::string text;
    for (std::size_t bit = 0; bit < 8; ++bit) {
      text += (mask >> bit & 1U) != 0 ? "w" : "*";
      if (bit < 7) text += '.';
    }
    static_cast<void>(index.add(Pattern::segments(text), mask));
    expected.push_back(mask);
  }
  EXPECT_EQ(matches(index, "w.w.w.w.w.w.w.w"), expected);
  EXPECT_EQ(matches(index, "x.x.x.x.x.x.x.x"), (Values{0}));
  EXPECT_EQ(matches(index, "w.x.x.x.x.x.x.x"), (Values{0, 1}));
}

TEST(PatternIndex, AShapeThatBecomesFreeIsUsedAgainWithoutFindingTwice) {
  PatternIndex index;
  std::vector<PatternIndex::Handle> fillers;
  for (std::size_t words = 1; words <= match_detail::kShapesMax; ++words) {
    std::string text = "a";
    for (std::size_t i = 1; i < words; ++i) text += ".a";
    fillers.push_back(index.add(Pattern::segments(text), words));
  }
  static_cast<void>(index.add(Pattern::segments("*.b"), 1000));  // no shape is left for it
  for (const auto handle : fillers) index.remove(handle);
  static_cast<void>(index.add(Pattern::segments("*.c"), 1001));  // takes that shape
  static_cast<void>(index.add(Pattern::segments("*.b"), 1002));
  EXPECT_EQ(matches(index, "x.b"), (Values{1000, 1002}));
  EXPECT_EQ(matches(index, "x.c"), (Values{1001}));
}

TEST(PatternIndex, SegmentsOfManyWordsMatch) {
  PatternIndex index;
  std::string pattern = "*";
  std::string topic = "a";
  for (int i = 1; i < 100; ++i) {
    pattern += ".a";
    topic += ".a";
  }
  static_cast<void>(index.add(Pattern::segments(pattern), 1));
  static_cast<void>(index.add(Pattern::segments("a.**"), 2));
  EXPECT_EQ(matches(index, topic), (Values{1, 2}));
}

TEST(PatternIndex, TextsThatAreNoTopicsAreAnsweredRightToo) {
  PatternIndex index;
  static_cast<void>(index.add(Pattern::glob("*"), 1));
  static_cast<void>(index.add(Pattern::regex("^$"), 2));
  static_cast<void>(index.add(Pattern::regex("x$"), 3));
  static_cast<void>(index.add(Pattern::segments("**"), 4));
  EXPECT_EQ(matches(index, ""), (Values{1, 2}));
  EXPECT_EQ(matches(index, std::string(1000, 'x')), (Values{1, 3, 4}));
  EXPECT_EQ(matches(index, "a..x"), (Values{1, 3}));
  EXPECT_EQ(matches(index, std::string(255, '.')), (Values{1}));
}

// The same subscriptions in the index and in a list that is searched from end to end.
TEST(PatternIndex, AgreesWithAScanOfAllThroughAddsAndRemoves) {
  struct Subscribed {
    Pattern pattern;
    PatternIndex::Handle handle;
    PatternIndex::Value value;
  };
  int found = 0;
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    Random random(seed);
    PatternIndex index;
    std::vector<Subscribed> all;
    PatternIndex::Value next_value = 0;
    for (int step = 0; step < 1500; ++step) {
      const bool shrinking = (step / 300) % 2 == 1;
      if (!all.empty() && random.below(3) < (shrinking ? 2U : 1U)) {
        const std::size_t victim = random.below(all.size());
        index.remove(all[victim].handle);
        all[victim] = all.back();
        all.pop_back();
      } else if (const auto pattern = random_pattern(random)) {
        all.push_back({*pattern, index.add(*pattern, next_value), next_value});
        ++next_value;
      }
      if (step % 5 != 0) continue;
      const std::string name =
          random.one_in(3) ? match_test::random_name(random) : match_test::random_topic(random);
      Values expected;
      for (const Subscribed& one : all) {
        if (one.pattern.matches(name)) expected.push_back(one.value);
      }
      std::sort(expected.begin(), expected.end());
      ASSERT_EQ(matches(index, name), expected)
          << "seed " << seed << " step " << step << " name " << name;
      found += static_cast<int>(expected.size());
    }
    ASSERT_EQ(index.size(), all.size());
    for (const Subscribed& one : all) {
      ASSERT_EQ(index.pattern(one.handle), one.pattern);
      ASSERT_EQ(index.value(one.handle), one.value);
      index.remove(one.handle);
    }
    EXPECT_EQ(index.size(), 0U);
    EXPECT_EQ(matches(index, "a.b"), Values{});
  }
  EXPECT_GT(found, 5000);
}

// Enough distinct patterns to split segments of the tables many times, and to empty them again.
TEST(PatternIndex, GrowsAndShrinksThroughManyDistinctPatterns) {
  PatternIndex index;
  std::vector<PatternIndex::Handle> handles;
  constexpr std::size_t kCount = 6000;
  for (std::size_t i = 0; i < kCount; ++i) {
    const std::string n = std::to_string(i);
    switch (i % 4) {
      case 0: handles.push_back(index.add(Pattern::exact("svc" + n + ".x.y"), i)); break;
      case 1: handles.push_back(index.add(Pattern::segments("svc" + n + ".*.y"), i)); break;
      case 2: handles.push_back(index.add(Pattern::glob("svc" + n + ".*"), i)); break;
      default: handles.push_back(index.add(Pattern::glob("*.ent" + n + ".*y"), i)); break;
    }
  }
  EXPECT_EQ(index.unfiled(), 0U);
  for (std::size_t i = 0; i < kCount; ++i) {
    const std::string n = std::to_string(i);
    const std::string topic = i % 4 == 3 ? "a.ent" + n + ".xy" : "svc" + n + ".x.y";
    ASSERT_EQ(matches(index, topic), Values{i}) << topic;
  }
  for (std::size_t i = 0; i < kCount; i += 2) index.remove(handles[i]);
  for (std::size_t i = 0; i < kCount; ++i) {
    const std::string n = std::to_string(i);
    const std::string topic = i % 4 == 3 ? "a.ent" + n + ".xy" : "svc" + n + ".x.y";
    ASSERT_EQ(matches(index, topic), i % 2 == 0 ? Values{} : Values{i}) << topic;
  }
}

}  // namespace
}  // namespace busway
