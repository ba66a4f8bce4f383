#include "report/table.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace busway::bench {
namespace {

Row row_of(std::vector<Check> checks) { return {"work", "target", std::move(checks)}; }

TEST(BenchTable, ARowWithAllFiguresWithinTheirLimitsIsOk) {
  const Row row = row_of({{"", 220, "", 220}, {"", 0.8, "", 0.8, Bound::at_least}});
  EXPECT_EQ(verdict_of(row), Verdict::ok);
  EXPECT_FALSE(lacks_peer(row));
}

TEST(BenchTable, ARowFallsShortWhenAFigureIsAboveAtMostOrBelowAtLeast) {
  EXPECT_EQ(verdict_of(row_of({{"", 221, "", 220}})), Verdict::falls_short);
  EXPECT_EQ(verdict_of(row_of({{"", 0.79, "", 0.8, Bound::at_least}})), Verdict::falls_short);
}

TEST(BenchTable, AMissingFigureThatIsJudgedMeansNoPeer) {
  const Row row = row_of({{"", std::nullopt, "x eventpp", 0.5}});
  EXPECT_EQ(verdict_of(row), Verdict::no_peer);
  EXPECT_TRUE(lacks_peer(row));
}

TEST(BenchTable, AMissingFigureThatIsOnlyShownDoesNotMatter) {
  const Row row = row_of({{"", 1, "", 2}, {"eventpp", std::nullopt, " ns"}});
  EXPECT_EQ(verdict_of(row), Verdict::ok);
  EXPECT_FALSE(lacks_peer(row));
}

TEST(BenchTable, ARowThatFallsShortStillTellsThatAPeerIsMissing) {
  const Row row = row_of({{"", 3, "", 2}, {"", std::nullopt, "x eventpp", 0.5}});
  EXPECT_EQ(verdict_of(row), Verdict::falls_short);
  EXPECT_TRUE(lacks_peer(row));
}

TEST(BenchTable, PrintsTheFailingFigureWithAMarkAndCountsTheVerdicts) {
  testing::internal::CaptureStdout();
  print_table({row_of({{"", 0.75, "x eventpp", 0.7}}), row_of({{"", 1, " /", 2}, {"", 2, " ns"}}),
               row_of({{"", std::nullopt, "x sigslot", 1}})},
              {"a note"});
  const std::string text = testing::internal::GetCapturedStdout();
  EXPECT_NE(text.find("0.750x (!) eventpp"), std::string::npos) << text;
  EXPECT_NE(text.find("falls short"), std::string::npos) << text;
  EXPECT_NE(text.find("1.00 / 2.00 ns"), std::string::npos) << text;
  EXPECT_NE(text.find("no peer"), std::string::npos) << text;
  EXPECT_NE(text.find("a note"), std::string::npos) << text;
  EXPECT_NE(text.find("3 rows: 1 ok, 1 fall short, 1 without a peer"), std::string::npos) << text;
}

TEST(BenchTable, NumbersHaveThreeDigitsAndNoExponent) {
  EXPECT_EQ(short_number(0), "0");
  EXPECT_EQ(short_number(0.2841), "0.284");
  EXPECT_EQ(short_number(1.105), "1.10");
  EXPECT_EQ(short_number(19.06), "19.1");
  EXPECT_EQ(short_number(1240.4), "1240");
  EXPECT_EQ(short_number(46144000), "46144000");
}

}  // namespace
}  // namespace busway::bench
