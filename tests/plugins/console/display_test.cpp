#include "../../../plugins/console/display.hpp"

#include <gtest/gtest.h>

#include <string_view>

namespace console {
namespace {

TEST(Printable, LeavesTextOfAllLanguagesAsItIs) {
  for (const char* text :
       {"", "plain \\ \"quoted\"", "na\xC3\xAFve", "\xE2\x82\xAC \xE2\x80\x9Cquotes\xE2\x80\x9D",
        "\xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D", "\xF0\x9F\x9A\x8C"}) {
    EXPECT_EQ(printable(text), text);
  }
}

TEST(Printable, ShowsControlsInsteadOfSendingThem) {
  EXPECT_EQ(printable("\x1B[2Jgone\r\nalice: forged\t\x7F"),
            "\\x1B[2Jgone\\x0D\\x0Aalice: forged\\x09\\x7F");
  EXPECT_EQ(printable(std::string_view("a\0b", 3)),
            "a\\x00"
            "b");
  EXPECT_EQ(printable("\xC2\x9B"
                      "31m"),
            "\\u{009B}31m");
}

TEST(Printable, ShowsWhatBreaksLinesOrTurnsDirections) {
  EXPECT_EQ(printable("a\xE2\x80\xA8"
                      "b\xE2\x80\xA9"),
            "a\\u{2028}b\\u{2029}");
  EXPECT_EQ(printable("\xE2\x80\xAE"
                      "evil\xE2\x81\xA9\xD8\x9C"),
            "\\u{202E}evil\\u{2069}\\u{061C}");
}

TEST(Printable, SurvivesTextThatEndsWithinACharacter) {
  EXPECT_EQ(printable("\xE2\x80"), "\xE2\x80");
  EXPECT_EQ(printable("\xE2"), "\xE2");
}

}  // namespace
}  // namespace console
