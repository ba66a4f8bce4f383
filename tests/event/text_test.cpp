#include "busway/detail/text.hpp"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <random>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "busway/limits.hpp"

namespace busway::detail {
namespace {

TEST(Text, OfEqualCharactersIsInternedOnce) {
  const Text a("order.created");
  const Text b(std::string("order.") + "created");
  EXPECT_EQ(a.view(), "order.created");
  EXPECT_EQ(a.rep(), b.rep());
  EXPECT_EQ(a.rep()->hash, hash_text("order.created"));
  EXPECT_FALSE(is_counted(a.rep()));
  EXPECT_EQ(find_interned("order.created", hash_text("order.created")), a.rep());
}

TEST(Text, ThatIsEmptyIsNull) {
  EXPECT_EQ(Text("").rep(), nullptr);
  EXPECT_EQ(Text().view(), "");
  EXPECT_EQ(Text(Text()).view(), "");
}

TEST(Text, LooksUpWithoutAdding) {
  EXPECT_EQ(find_interned("never.seen", hash_text("never.seen")), nullptr);
  EXPECT_EQ(find_interned("never.seen", hash_text("never.seen")), nullptr);
}

TEST(Text, ThatIsLongIsCounted) {
  const std::string long_text(kInternedTextBytesMax + 1, 'x');
  Text first(long_text);
  ASSERT_TRUE(is_counted(first.rep()));
  EXPECT_EQ(first.rep()->references, 1U);
  const Text copy = first;
  EXPECT_EQ(copy.rep(), first.rep());
  EXPECT_EQ(copy.rep()->references, 2U);
  first = Text("short");
  EXPECT_EQ(copy.rep()->references, 1U);
  EXPECT_EQ(copy.view(), long_text);
  EXPECT_FALSE(is_counted(Text(std::string(kInternedTextBytesMax, 'x')).rep()));
}

TEST(Text, MovesWithoutCounting) {
  Text first(std::string(1000, 'm'));
  const TextRep* const rep = first.rep();
  const Text second = std::move(first);
  EXPECT_EQ(second.rep(), rep);
  EXPECT_EQ(rep->references, 1U);
}

TEST(Text, FromManyThreadsIsInternedOnce) {
  constexpr std::size_t kThreads = 4;
  constexpr std::size_t kTexts = 500;
  std::array<std::vector<const TextRep*>, kThreads> seen;
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&seen, t] {
      for (std::size_t i = 0; i < kTexts; ++i) {
        seen[t].push_back(intern("contended." + std::to_string(i)));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < kTexts; ++i) {
    EXPECT_EQ(seen[0][i]->view(), "contended." + std::to_string(i));
    for (std::size_t t = 1; t < kThreads; ++t) EXPECT_EQ(seen[t][i], seen[0][i]);
  }
}

// Fills the table for the rest of the process, so everything here must work with a full one too.
TEST(Text, BeyondTheBoundIsCountedAndFreed) {
  const Text early("interned.before.the.table.was.full");
  std::size_t interned = 0;
  for (std::size_t i = 0; i < limits::kInternedTexts + 1000; ++i) {
    const Text text("filler." + std::to_string(i));
    EXPECT_EQ(text.view(), "filler." + std::to_string(i));
    if (!is_counted(text.rep())) ++interned;
  }
  EXPECT_LE(interned, limits::kInternedTexts);
  EXPECT_GT(interned, limits::kInternedTexts * 9 / 10);
  EXPECT_EQ(Text("interned.before.the.table.was.full").rep(), early.rep());

  const Text late("interned.after.the.table.was.full");
  const Text again("interned.after.the.table.was.full");
  EXPECT_TRUE(is_counted(late.rep()));
  EXPECT_EQ(late.view(), again.view());
}

TEST(HashText, SeparatesNamesThatDifferInOneNumber) {
  std::unordered_set<std::uint64_t> hashes;
  constexpr std::size_t kNames = 200'000;
  for (std::size_t i = 0; i < kNames; ++i) {
    hashes.insert(hash_text("device." + std::to_string(i) + ".temp"));
  }
  EXPECT_EQ(hashes.size(), kNames);
}

TEST(HashText, SeparatesRunsOfOneCharacterByLength) {
  std::unordered_set<std::uint64_t> hashes;
  for (std::size_t size = 0; size < 300; ++size) hashes.insert(hash_text(std::string(size, 'a')));
  EXPECT_EQ(hashes.size(), 300U);
}

TEST(HashText, SpreadsNamesEvenlyOverTheLowBits) {
  constexpr std::size_t kBuckets = 4096;
  constexpr double kEach = 16;
  std::vector<double> buckets(kBuckets);
  for (std::size_t i = 0; i < kBuckets * 16; ++i) {
    buckets[hash_text("t" + std::to_string(i)) % kBuckets] += 1;
  }
  double chi_squared = 0;
  for (const double count : buckets) chi_squared += (count - kEach) * (count - kEach) / kEach;
  // Deterministic; a fair hash lies within 1 +- 0.1 (four standard deviations).
  EXPECT_NEAR(chi_squared / (kBuckets - 1), 1.0, 0.1);
}

TEST(HashText, FlipsHalfOfTheBitsWhenOneBitChanges) {
  std::mt19937_64 random(20260131);
  for (const std::size_t size : {4U, 7U, 8U, 15U, 16U, 17U, 25U, 33U, 100U}) {
    double flipped = 0;
    double trials = 0;
    for (int round = 0; round < 20; ++round) {
      std::string text(size, ' ');
      for (char& c : text) c = static_cast<char>('a' + random() % 26);
      for (std::size_t bit = 0; bit < size * 8; ++bit) {
        std::string other = text;
        other[bit / 8] = static_cast<char>(other[bit / 8] ^ static_cast<char>(1U << (bit % 8)));
        flipped += std::popcount(hash_text(text) ^ hash_text(other));
        trials += 1;
      }
    }
    EXPECT_NEAR(flipped / trials, 32.0, 1.5) << size << " bytes";
  }
}

}  // namespace
}  // namespace busway::detail
