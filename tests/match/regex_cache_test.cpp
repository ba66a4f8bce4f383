#include "match/regex_cache.hpp"

#include <gtest/gtest.h>
#include <re2/re2.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "busway/pattern.hpp"
#include "random_patterns.hpp"

namespace busway::match_detail {
namespace {

using Hint = std::atomic<std::uint32_t>;

TEST(RegexCache, EqualTextsShareOneProgram) {
  RegexCache cache(4);
  Hint first{0};
  Hint second{0};
  EXPECT_EQ(cache.get("a+b", first), cache.get("a+b", second));
  EXPECT_EQ(cache.size(), 1U);
}

TEST(RegexCache, AFaultyTextIsAnsweredAndNotKept) {
  RegexCache cache(4);
  Hint hint{0};
  EXPECT_FALSE(cache.get("a(", hint)->ok());
  EXPECT_EQ(cache.size(), 0U);
}

TEST(RegexCache, StaysWithinItsWeightAndKeepsWhatIsUsed) {
  RegexCache cache(8);
  Hint used_hint{0};
  const auto used = cache.get("used", used_hint);
  for (int i = 0; i < 100; ++i) {
    Hint hint{0};
    EXPECT_TRUE(cache.get("other" + std::to_string(i), hint)->ok());
    EXPECT_LE(cache.weight(), 8U);
    ASSERT_EQ(cache.get("used", used_hint), used) << "driven out after " << i;
  }
  EXPECT_EQ(cache.size(), 8U);
}

TEST(RegexCache, ALargeProgramCountsAsManySmallOnes) {
  RegexCache cache(34);
  for (int i = 0; i < 34; ++i) {
    Hint hint{0};
    static_cast<void>(cache.get("small" + std::to_string(i), hint));
  }
  EXPECT_EQ(cache.size(), 34U);
  Hint hint{0};
  EXPECT_TRUE(cache.get("\\pL{20}", hint)->ok());
  EXPECT_EQ(cache.weight(), 34U);
  EXPECT_EQ(cache.size(), 3U);
  Hint after{0};
  EXPECT_TRUE(cache.get("after", after)->ok());
  EXPECT_LE(cache.weight(), 34U);
}

TEST(RegexCache, AStaleHintLeadsToTheRightProgram) {
  RegexCache cache(2);
  Hint hint{0};
  const auto first = cache.get("first", hint);
  Hint others{0};
  for (const std::string text : {"b", "c", "d", "e"}) static_cast<void>(cache.get(text, others));
  EXPECT_EQ(cache.get("first", hint)->pattern(), "first");
  hint = 77;
  EXPECT_EQ(cache.get("first", hint)->pattern(), "first");
}

TEST(RegexCache, ThreadsShareItSafely) {
  RegexCache cache(16);
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (std::size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Hint hint{0};
      for (std::size_t i = 0; i < 400; ++i) {
        const std::string text = "x" + std::to_string((i * (t + 1)) % 40);
        if (cache.get(text, hint)->pattern() != text) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_LE(cache.weight(), 16U);
}

TEST(RegexPattern, AgreesWithTheEngineAlone) {
  match_test::Random random(404);
  int matched = 0;
  for (int round = 0; round < 1500; ++round) {
    const std::string text = match_test::random_regex(random);
    const re2::RE2 engine(text, re2::RE2::Quiet);
    if (!engine.ok()) continue;
    const Pattern pattern = Pattern::regex(text);
    for (int i = 0; i < 10; ++i) {
      const std::string name = match_test::random_name(random);
      const bool answer = pattern.matches(name);
      ASSERT_EQ(answer, re2::RE2::PartialMatch(name, engine)) << text << " on " << name;
      matched += answer ? 1 : 0;
    }
  }
  EXPECT_GT(matched, 1000);
}

}  // namespace
}  // namespace busway::match_detail
