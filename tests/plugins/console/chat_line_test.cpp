#include "../../../plugins/console/chat_line.hpp"

#include <gtest/gtest.h>

#include <string>

namespace console {
namespace {

std::string shown(std::string_view line) {
  const auto said = parse_chat_line(line);
  if (!said) return "notice";
  return std::string(said->time) + "|" + std::string(said->name) + "|" + std::string(said->text);
}

TEST(ChatLine, ALogLineHasTimeNameAndText) {
  EXPECT_EQ(shown("[09:03] <alice> hello"), "09:03|alice|hello");
  EXPECT_EQ(shown("[23:59:07] <alice> hello"), "23:59:07|alice|hello");
}

TEST(ChatLine, TextIsKeptAsItIs) {
  EXPECT_EQ(shown("[09:03] <alice>  two blanks "), "09:03|alice| two blanks ");
  EXPECT_EQ(shown("[09:03] <alice> bob: hi <you>"), "09:03|alice|bob: hi <you>");
  EXPECT_EQ(shown("alice: see http://example.org: nice"), "|alice|see http://example.org: nice");
}

TEST(ChatLine, SomebodyMaySayNothing) {
  EXPECT_EQ(shown("[09:03] <alice> "), "09:03|alice|");
  EXPECT_EQ(shown("[09:03] <alice>"), "09:03|alice|");
  EXPECT_EQ(shown("alice: "), "|alice|");
}

TEST(ChatLine, NicknamesOfIrcAreNames) {
  EXPECT_EQ(shown("[09:03] <[m]ichi`|_away^> re"), "09:03|[m]ichi`|_away^|re");
  EXPECT_EQ(shown("[m]ichi`: re"), "|[m]ichi`|re");
}

TEST(ChatLine, WhatIsNotSaidIsANotice) {
  for (const char* line :
       {"", " ", "=== alice [n=alice@example.org] has joined #busway",
        "=== bob has left (bye: see you)", "[09:03] * alice waves", "[09:03] alice: hi",
        "[9:03] <alice> hi", "[09:03 <alice> hi", "[09:03] <alice hi", "[09:03] <> hi",
        "[09:03] <alice>hi", "[aa:bb] <alice> hi", "<alice> hi", "two words: hi",
        "http://example.org", "!quote: hi", ": hi", "just words"}) {
    EXPECT_EQ(shown(line), "notice") << line;
  }
}

TEST(ChatLine, ANameHasABound) {
  EXPECT_EQ(shown(std::string(64, 'a') + ": hi"), "|" + std::string(64, 'a') + "|hi");
  EXPECT_EQ(shown(std::string(65, 'a') + ": hi"), "notice");
  EXPECT_EQ(shown("[09:03] <" + std::string(65, 'a') + "> hi"), "notice");
}

}  // namespace
}  // namespace console
