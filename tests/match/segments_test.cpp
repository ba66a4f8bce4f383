#include "match/segments.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "random_patterns.hpp"

namespace busway::match_detail {
namespace {

using match_test::Random;

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> words(1);
  for (const char c : text) {
    if (c == '.') {
      words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  return words;
}

bool plain_match(const std::string& pattern, const std::string& topic) {
  if (pattern == "*") return true;
  std::vector<std::string> want = split(pattern);
  const std::vector<std::string> have = split(topic);
  if (std::find(have.begin(), have.end(), "") != have.end()) return false;
  const bool tail = want.back() == "**";
  if (tail) want.pop_back();
  if (tail ? have.size() <= want.size() : have.size() != want.size()) return false;
  for (std::size_t i = 0; i < want.size(); ++i) {
    if (want[i] != "*" && want[i] != have[i]) return false;
  }
  return true;
}

TEST(Segments, AgreeWithAPlainSplitAtTheDots) {
  Random random(12);
  int matched = 0;
  for (int round = 0; round < 60000; ++round) {
    const std::string pattern = match_test::random_segments(random);
    const std::string topic =
        random.one_in(5) ? match_test::random_name(random) : match_test::random_topic(random);
    ASSERT_FALSE(segments_flaw(pattern)) << pattern;
    const bool answer = segments_match(pattern, topic);
    ASSERT_EQ(answer, plain_match(pattern, topic)) << pattern << " on " << topic;
    matched += answer ? 1 : 0;
  }
  EXPECT_GT(matched, 3000);
}

}  // namespace
}  // namespace busway::match_detail
