#include "cache/output_cache.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace cache {
namespace {

using namespace std::chrono_literals;

constexpr WallTime kNoon{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1}};

std::vector<std::string> keys(const OutputCache& cache) {
  std::vector<std::string> found;
  cache.for_each([&](const OutputCache::Entry& entry) {
    found.emplace_back(entry.key());
    return true;
  });
  return found;
}

TEST(OutputCache, FindsWhatWasKeptUnderBothNames) {
  OutputCache cache;
  EXPECT_TRUE(cache.keep("plan", "k1", "\"a\"", kNoon));
  EXPECT_EQ(cache.find("plan", "k1", kNoon), "\"a\"");
  EXPECT_FALSE(cache.find("plan", "k2", kNoon));
  EXPECT_FALSE(cache.find("write", "k1", kNoon));
  EXPECT_EQ(cache.counts().hits, 1U);
  EXPECT_EQ(cache.counts().misses, 2U);
}

TEST(OutputCache, ANameNeverReachesIntoAKey) {
  OutputCache cache;
  EXPECT_TRUE(cache.keep("plan", "write1", "1", kNoon));
  EXPECT_FALSE(cache.find("planwrite", "1", kNoon));
  EXPECT_TRUE(cache.keep(std::string("a\0b", 3), "c", "2", kNoon));
  EXPECT_FALSE(cache.find("a", std::string("b\0c", 3), kNoon));
  EXPECT_TRUE(cache.keep("1", "1:x", "3", kNoon));
  EXPECT_FALSE(cache.find("11:1", "x", kNoon));
  EXPECT_FALSE(cache.find("", "11:x", kNoon));
}

TEST(OutputCache, TheOnesAskedForLeastRecentlyGoFirst) {
  OutputCache cache({.entries_max = 3});
  for (const char* key : {"a", "b", "c"}) EXPECT_TRUE(cache.keep("p", key, "1", kNoon));
  EXPECT_TRUE(cache.find("p", "a", kNoon));
  EXPECT_TRUE(cache.keep("p", "d", "1", kNoon));
  EXPECT_EQ(keys(cache), (std::vector<std::string>{"d", "a", "c"}));
  EXPECT_EQ(cache.counts().evicted, 1U);
}

TEST(OutputCache, StaysWithinItsBytes) {
  OutputCache cache({.bytes_max = 10'000});
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(cache.keep("p", std::to_string(i), std::string(800, 'x'), kNoon));
    EXPECT_LE(cache.bytes(), 10'000U);
  }
  EXPECT_EQ(cache.entries(), 9U);
  EXPECT_EQ(cache.counts().evicted, 91U);
  EXPECT_EQ(cache.clear(std::nullopt), 9U);
  EXPECT_EQ(cache.bytes(), 0U);
}

TEST(OutputCache, OneThatIsTooLargeIsNotKeptAndPushesNothingOut) {
  OutputCache cache({.bytes_max = 10'000});
  EXPECT_TRUE(cache.keep("p", "small", "1", kNoon));
  EXPECT_TRUE(cache.keep("p", "grows", "1", kNoon));
  EXPECT_FALSE(cache.keep("p", "grows", std::string(20'000, 'x'), kNoon));
  EXPECT_TRUE(cache.find("p", "small", kNoon));
  EXPECT_FALSE(cache.find("p", "grows", kNoon)) << "it is no longer what the phase gives";
  EXPECT_EQ(cache.counts().too_large, 1U);
}

TEST(OutputCache, OneThatIsTooOldIsAsIfItWereNotThere) {
  OutputCache cache({.age_max = 1h});
  EXPECT_TRUE(cache.keep("p", "a", "1", kNoon));
  EXPECT_TRUE(cache.find("p", "a", kNoon + 1h));
  EXPECT_FALSE(cache.find("p", "a", kNoon + 1h + 1ns))
      << "that it was asked for keeps it no longer";
  EXPECT_EQ(cache.entries(), 0U);
  EXPECT_EQ(cache.bytes(), 0U);
  EXPECT_EQ(cache.counts().expired, 1U);
}

TEST(OutputCache, KeepingAgainRenews) {
  OutputCache cache({.age_max = 1h});
  EXPECT_TRUE(cache.keep("p", "a", "1", kNoon));
  EXPECT_TRUE(cache.keep("p", "a", "2", kNoon + 50min));
  EXPECT_EQ(cache.entries(), 1U);
  EXPECT_EQ(cache.find("p", "a", kNoon + 100min), "2");
}

TEST(OutputCache, ASweepTakesTheOldAndLeavesTheRest) {
  OutputCache cache({.age_max = 1h});
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(cache.keep("p", std::to_string(i), "1", kNoon + i * 10min));
  }
  cache.sweep(kNoon + 100min);
  EXPECT_EQ(keys(cache), (std::vector<std::string>{"9", "8", "7", "6", "5", "4"}));
  EXPECT_EQ(cache.counts().expired, 4U);
}

TEST(OutputCache, ClearsOnePhaseOrAll) {
  OutputCache cache;
  EXPECT_TRUE(cache.keep("p", "a", "1", kNoon));
  EXPECT_TRUE(cache.keep("pp", "a", "1", kNoon));
  EXPECT_TRUE(cache.keep("p", "b", "1", kNoon));
  EXPECT_EQ(cache.clear("p"), 2U);
  EXPECT_TRUE(cache.find("pp", "a", kNoon));
  EXPECT_EQ(cache.clear(std::nullopt), 1U);
}

}  // namespace
}  // namespace cache
