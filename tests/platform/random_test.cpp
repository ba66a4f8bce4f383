#include "platform/random.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <set>

namespace busway::platform_detail {
namespace {

TEST(Random, SystemRandomNumbersDiffer) {
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(system_random());
  EXPECT_EQ(seen.size(), 1000U);
}

TEST(RandomStream, RepeatsForTheSameSeedAndDiffersForAnother) {
  RandomStream a(1, 2);
  RandomStream b(1, 2);
  RandomStream c(2, 2);
  int same_as_other_seed = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t value = a.next();
    EXPECT_EQ(value, b.next());
    if (value == c.next()) ++same_as_other_seed;
  }
  EXPECT_EQ(same_as_other_seed, 0);
}

TEST(RandomStream, SetsEveryBitAboutHalfTheTime) {
  constexpr int kDraws = 100'000;
  RandomStream stream(0x0123456789ABCDEFULL, 0x5DEECE66DULL);
  std::array<int, 64> set{};
  for (int i = 0; i < kDraws; ++i) {
    const std::uint64_t value = stream.next();
    for (std::size_t bit = 0; bit < 64; ++bit) set[bit] += static_cast<int>(value >> bit & 1U);
  }
  // Six standard deviations of a fair coin are 950.
  for (const int count : set) EXPECT_NEAR(count, kDraws / 2, 950);
}

TEST(Random, ForkGenerationGrowsInTheChildAndStaysInTheParent) {
  const std::uint32_t before = fork_generation();
  EXPECT_NE(before, 0U);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) _exit(fork_generation() == before + 1 ? 0 : 1);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_EQ(fork_generation(), before);
}

}  // namespace
}  // namespace busway::platform_detail
