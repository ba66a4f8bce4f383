#include "base/escape.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <string_view>

#include "base/utf8.hpp"

namespace busway {
namespace {

using namespace std::string_literals;

TEST(Escape, LeavesPlainTextAlone) {
  EXPECT_EQ(escape("order.created"), "order.created");
  EXPECT_EQ(escape("two words, \"quoted\""), "two words, \"quoted\"");
  EXPECT_EQ(escape("\xC3\xA9tude \xE6\xB1\x89 \xF0\x9F\x9A\x8C"),
            "\xC3\xA9tude \xE6\xB1\x89 \xF0\x9F\x9A\x8C");
  EXPECT_EQ(escape(""), "");
}

TEST(Escape, WritesCommonControlsByTheirLetters) {
  EXPECT_EQ(escape("a\nb\rc\td\\e"), R"(a\nb\rc\td\\e)");
}

TEST(Escape, DisarmsTerminalSequences) {
  EXPECT_EQ(escape("\x1B[2J\x07"), R"(\x1b[2J\x07)");
  EXPECT_EQ(escape("\x7F"), R"(\x7f)");
  EXPECT_EQ(escape("\xC2\x9B"
                   "31m"),
            R"(\u{9b}31m)");  // the one-character form of ESC [
}

TEST(Escape, ShowsZeroBytes) { EXPECT_EQ(escape("a\0b"s), R"(a\x00b)"); }

TEST(Escape, ShowsWhatCannotBeSeenByItsNumber) {
  EXPECT_EQ(escape("\xC2\xA0"), R"(\u{a0})");             // no-break space
  EXPECT_EQ(escape("\xE2\x80\x8B"), R"(\u{200b})");       // zero-width space
  EXPECT_EQ(escape("\xE2\x80\xAE"), R"(\u{202e})");       // right-to-left override
  EXPECT_EQ(escape("\xE2\x81\xA6"), R"(\u{2066})");       // left-to-right isolate
  EXPECT_EQ(escape("\xE2\x80\xA8"), R"(\u{2028})");       // line separator
  EXPECT_EQ(escape("\xEF\xBB\xBF"), R"(\u{feff})");       // byte order mark
  EXPECT_EQ(escape("\xF3\xA0\x81\x81"), R"(\u{e0041})");  // tag letter
}

TEST(Escape, ShowsBytesThatAreNotUtf8OneByOne) {
  EXPECT_EQ(escape("a\xFF\xC3(b"), R"(a\xff\xc3(b)");
  EXPECT_EQ(escape("\xED\xA0\x80"), R"(\xed\xa0\x80)");  // a surrogate
}

TEST(Escape, TellsABadByteFromTheCharacterOfThatNumber) {
  EXPECT_NE(escape("\x85"), escape("\xC2\x85"));
}

TEST(Escape, TextOfExactlyTheLimitIsWhole) {
  EXPECT_EQ(escape("12345", 5), "12345");
  EXPECT_EQ(escape(std::string(200, 'x')), std::string(200, 'x'));
}

TEST(Escape, SaysHowMuchALongTextWasCutBy) {
  EXPECT_EQ(escape("123456", 5), "12345... (1 more byte)");
  EXPECT_EQ(escape(std::string(1000, 'x')), std::string(200, 'x') + "... (800 more bytes)");
  EXPECT_EQ(escape("abc", 0), "... (3 more bytes)");
}

TEST(Escape, NeverCutsInsideACharacter) {
  const std::string bus = "\xF0\x9F\x9A\x8C";
  EXPECT_EQ(escape("ab" + bus, 6), "ab" + bus);
  for (std::size_t limit = 2; limit < 6; ++limit) {
    EXPECT_EQ(escape("ab" + bus, limit), "ab... (4 more bytes)") << limit;
  }
}

TEST(Quote, EscapesQuotesInsideAndPutsThemAround) {
  EXPECT_EQ(quote("say \"hi\""), R"("say \"hi\"")");
  EXPECT_EQ(quote("\\"), R"("\\")");
  EXPECT_EQ(quote(""), R"("")");
}

TEST(Quote, TheNoteOfACutStandsOutside) {
  EXPECT_EQ(quote("abcdef", 3), "\"abc\"... (3 more bytes)");
}

// Whatever comes in, what goes out is one line of valid UTF-8 without controls, and no two short
// texts look alike.
TEST(Escape, AnyBytesComeOutSafeAndDistinct) {
  std::mt19937 random(20240601);
  std::uniform_int_distribution<int> length(0, 24);
  std::uniform_int_distribution<int> byte(0, 255);
  std::map<std::string, std::string> seen;
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (int i = length(random); i > 0; --i) text += static_cast<char>(byte(random));
    const std::string shown = escape(text);
    EXPECT_EQ(find_invalid_utf8(shown), std::string_view::npos);
    EXPECT_LE(shown.size(), 4 * text.size());
    for (const char c : shown) {
      EXPECT_TRUE(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F) << shown;
    }
    const auto [entry, fresh] = seen.try_emplace(shown, text);
    EXPECT_TRUE(fresh || entry->second == text) << shown;
  }
}

}  // namespace
}  // namespace busway
