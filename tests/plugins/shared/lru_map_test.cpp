#include "shared/lru_map.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace shared {
namespace {

std::vector<std::string> keys(const LruMap<int>& map) {
  std::vector<std::string> found;
  for (const auto& [key, value] : map) found.push_back(key);
  return found;
}

TEST(LruMap, HoldsAsManyAsItMayAndForgetsWhatWasNotUsedLongest) {
  LruMap<int> map(3);
  for (const char* key : {"a", "b", "c"}) ++map.touch(key);
  ++map.touch("a");
  EXPECT_EQ(keys(map), (std::vector<std::string>{"a", "c", "b"}));
  ++map.touch("d");
  EXPECT_EQ(keys(map), (std::vector<std::string>{"d", "a", "c"}));
  EXPECT_EQ(map.evicted(), 1U);
  EXPECT_EQ(map.find("b"), nullptr);
  ASSERT_NE(map.find("a"), nullptr);
  EXPECT_EQ(*map.find("a"), 2);
}

TEST(LruMap, KeepsTheOrderOfWhatIsOnlyLookedAt) {
  LruMap<int> map(2);
  map.touch("a") = 1;
  map.touch("b") = 2;
  ASSERT_NE(map.peek("a"), nullptr);
  EXPECT_EQ(*map.peek("a"), 1);
  EXPECT_EQ(map.peek("none"), nullptr);
  EXPECT_EQ(keys(map), (std::vector<std::string>{"b", "a"}));
}

TEST(LruMap, ErasesWhatIsThereAndNothingElse) {
  LruMap<int> map(3);
  map.touch("a") = 1;
  map.touch("b") = 2;
  map.erase("a");
  map.erase("none");
  EXPECT_EQ(keys(map), std::vector<std::string>{"b"});
  EXPECT_EQ(map.touch("a"), 0);
  EXPECT_EQ(map.size(), 2U);
}

}  // namespace
}  // namespace shared
