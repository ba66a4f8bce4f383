#include "base/nearest.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>

namespace busway {
namespace {

constexpr std::array<std::string_view, 6> kNames{"provider",    "mode",     "worker_count",
                                                 "buffer_size", "max_hops", "overflow"};

TEST(Nearest, FindsAMissingAnExtraAndAWrongLetter) {
  EXPECT_EQ(nearest("provder", kNames), "provider");
  EXPECT_EQ(nearest("modee", kNames), "mode");
  EXPECT_EQ(nearest("max_hips", kNames), "max_hops");
}

TEST(Nearest, CountsASwapOfNeighboursAsOne) {
  constexpr std::array<std::string_view, 2> names{"more", "mode"};
  // If swaps counted two, "moed" were as far from both, and the first would win.
  EXPECT_EQ(nearest("moed", names), "mode");
}

TEST(Nearest, TakesTheOtherCaseForTheSameLetter) {
  EXPECT_EQ(nearest("MODE", kNames), "mode");
  EXPECT_EQ(nearest("Buffer_Size", kNames), "buffer_size");
}

TEST(Nearest, TheExactNameWinsOverItsNeighbours) {
  constexpr std::array<std::string_view, 3> names{"modes", "node", "mode"};
  EXPECT_EQ(nearest("mode", names), "mode");
}

TEST(Nearest, TheFirstOfEqualsWins) {
  constexpr std::array<std::string_view, 2> names{"cat", "car"};
  EXPECT_EQ(nearest("caz", names), "cat");
}

TEST(Nearest, SuggestsNothingForAnotherWord) {
  EXPECT_EQ(nearest("zebra", kNames), "");
  EXPECT_EQ(nearest("buffer", kNames), "");  // five of eleven letters are missing
}

TEST(Nearest, AllowsAThirdOfALongNameAndNoMore) {
  constexpr std::array<std::string_view, 1> names{"worker_count"};  // twelve letters, four may go
  EXPECT_EQ(nearest("wrkr_cnt", names), "worker_count");
  EXPECT_EQ(nearest("wrkr_ct", names), "");
}

TEST(Nearest, AllowsTwoInAShortNameButNotAllOfIt) {
  constexpr std::array<std::string_view, 2> names{"id", "url"};
  EXPECT_EQ(nearest("uri", names), "url");
  EXPECT_EQ(nearest("ip", names), "id");
  EXPECT_EQ(nearest("xy", names), "");
  EXPECT_EQ(nearest("x", names), "");
}

TEST(Nearest, NothingIsNearNothing) {
  EXPECT_EQ(nearest("", kNames), "");
  EXPECT_EQ(nearest("mode", {}), "");
  constexpr std::array<std::string_view, 1> blank{""};
  EXPECT_EQ(nearest("a", blank), "");
}

TEST(Nearest, TakesWordsOf64BytesAndNoLongerOnes) {
  const std::string longest(64, 'a');
  const std::string longer(65, 'a');
  const std::array<std::string_view, 1> names{longest};
  EXPECT_EQ(nearest(longest.substr(1) + "b", names), longest);
  EXPECT_EQ(nearest(longer, names), "");
  const std::array<std::string_view, 1> too_long{longer};
  EXPECT_EQ(nearest(longest, too_long), "");
}

}  // namespace
}  // namespace busway
