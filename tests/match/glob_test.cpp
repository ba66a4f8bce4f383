#include "match/glob.hpp"

#include <gtest/gtest.h>
#include <re2/re2.h>

#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include "base/utf8.hpp"
#include "random_patterns.hpp"

namespace busway::match_detail {
namespace {

using match_test::Random;

bool matches(std::string_view glob, std::string_view name) {
  return glob_matches(glob, glob_literal_from(glob), name);
}

std::vector<std::uint32_t> characters(std::string_view text) {
  std::vector<std::uint32_t> out;
  while (!text.empty()) {
    const Utf8Char c = decode_utf8(text);
    out.push_back(c.code_point);
    text.remove_prefix(c.size);
  }
  return out;
}

// The rules read off the documentation of fnmatch, on code points, by plain recursion.
class NaiveGlob {
 public:
  explicit NaiveGlob(std::string_view glob) : glob_(characters(glob)) {}

  [[nodiscard]] bool matches(std::string_view name) const { return from(0, characters(name), 0); }

 private:
  using Text = std::vector<std::uint32_t>;

  [[nodiscard]] bool from(std::size_t g, const Text& name, std::size_t n) const {
    if (g == glob_.size()) return n == name.size();
    if (glob_[g] == '*') return from(g + 1, name, n) || (n < name.size() && from(g, name, n + 1));
    if (n == name.size()) return false;
    if (glob_[g] == '?') return from(g + 1, name, n + 1);
    const std::size_t end = glob_[g] == '[' ? set_end(g) : 0;
    if (end == 0) return glob_[g] == name[n] && from(g + 1, name, n + 1);
    return in_set(g + 1, end, name[n]) && from(end + 1, name, n + 1);
  }

  // The place of the closing bracket; 0 when there is none.
  [[nodiscard]] std::size_t set_end(std::size_t open) const {
    std::size_t i = open + 1;
    if (i < glob_.size() && glob_[i] == '!') ++i;
    if (i < glob_.size() && glob_[i] == ']') ++i;
    while (i < glob_.size() && glob_[i] != ']') ++i;
    return i < glob_.size() ? i : 0;
  }

  [[nodiscard]] bool in_set(std::size_t begin, std::size_t end, std::uint32_t c) const {
    const bool negated = glob_[begin] == '!';
    bool found = false;
    for (std::size_t i = begin + (negated ? 1 : 0); i < end; ++i) {
      if (i + 2 < end && glob_[i + 1] == '-') {
        found = found || (glob_[i] <= c && c <= glob_[i + 2]);
        i += 2;
      } else {
        found = found || glob_[i] == c;
      }
    }
    return found != negated;
  }

  Text glob_;
};

std::string code_point_for_re2(std::uint32_t c) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "\\x{%x}", c);
  return text.data();
}

// What fnmatch.translate makes of a glob, in the syntax of RE2.
std::string translated(std::string_view glob) {
  const std::vector<std::uint32_t> text = characters(glob);
  std::string out = "(?s)\\A";
  for (std::size_t i = 0; i < text.size();) {
    const std::uint32_t c = text[i++];
    if (c == '*') {
      out += ".*";
    } else if (c == '?') {
      out += '.';
    } else if (c != '[') {
      out += code_point_for_re2(c);
    } else {
      std::size_t end = i;
      if (end < text.size() && text[end] == '!') ++end;
      if (end < text.size() && text[end] == ']') ++end;
      while (end < text.size() && text[end] != ']') ++end;
      if (end == text.size()) {
        out += "\\[";
        continue;
      }
      const bool negated = text[i] == '!';
      std::string members;
      for (std::size_t m = i + (negated ? 1 : 0); m < end; ++m) {
        const bool range = m + 2 < end && text[m + 1] == '-';
        const std::uint32_t last = range ? text[m + 2] : text[m];
        if (text[m] <= last)
          members += code_point_for_re2(text[m]) + "-" + code_point_for_re2(last);
        m += range ? 2 : 0;
      }
      if (members.empty()) {
        out += negated ? "." : "[^\\x{0}-\\x{10FFFF}]";
      } else {
        out += (negated ? "[^" : "[") + members + "]";
      }
      i = end + 1;
    }
  }
  return out + "\\z";
}

TEST(Glob, AgreesWithItsTranslationToRe2AndWithPlainRecursion) {
  Random random(31);
  int matched = 0;
  for (int round = 0; round < 4000; ++round) {
    const std::string glob = match_test::random_glob(random);
    const re2::RE2 engine(translated(glob), re2::RE2::Quiet);
    ASSERT_TRUE(engine.ok()) << glob << " became " << engine.pattern() << ": " << engine.error();
    const NaiveGlob naive(glob);
    for (int i = 0; i < 20; ++i) {
      const std::string name =
          random.one_in(2) ? match_test::random_name(random) : match_test::random_topic(random);
      const bool answer = matches(glob, name);
      ASSERT_EQ(answer, re2::RE2::PartialMatch(name, engine)) << glob << " on " << name;
      ASSERT_EQ(answer, naive.matches(name)) << glob << " on " << name;
      matched += answer ? 1 : 0;
    }
  }
  EXPECT_GT(matched, 3000);
}

TEST(Glob, EveryShortGlobOnEveryShortNameAgreesWithPlainRecursion) {
  constexpr std::string_view kGlobLetters = "a.*?[]!-";
  constexpr std::string_view kNameLetters = "a.-]";
  std::vector<std::string> names = {""};
  for (std::size_t from = 0; names.back().size() < 3; ++from) {
    for (const char c : kNameLetters) names.push_back(names[from] + c);
  }
  std::vector<std::string> globs = {""};
  for (std::size_t from = 0; globs.back().size() < 4; ++from) {
    for (const char c : kGlobLetters) globs.push_back(globs[from] + c);
  }
  for (const std::string& glob : globs) {
    const NaiveGlob naive(glob);
    for (const std::string& name : names) {
      ASSERT_EQ(matches(glob, name), naive.matches(name)) << glob << " on " << name;
    }
  }
}

TEST(Glob, ANameThatIsNotUtf8IsMatchedByteByByte) {
  EXPECT_TRUE(matches("a?b",
                      "a\xFF"
                      "b"));
  EXPECT_TRUE(matches("*b",
                      "\xFF\xFE"
                      "b"));
  EXPECT_TRUE(matches("[!a]", "\xFF"));
  EXPECT_FALSE(matches("?", "\xC3\xA9\xC3"));
}

// A flaw may only be found where no legal topic matches.
TEST(Glob, AFlawMeansThatNoTopicMatches) {
  Random random(77);
  int flawed = 0;
  for (int round = 0; round < 8000; ++round) {
    const std::string glob = match_test::random_glob(random);
    const std::size_t literal_from = glob_literal_from(glob);
    if (!glob_flaw(glob, literal_from, GlobAlphabet::topic_character)) continue;
    ++flawed;
    for (int i = 0; i < 20; ++i) {
      const std::string topic = match_test::random_topic(random);
      ASSERT_FALSE(matches(glob, topic)) << glob << " on " << topic;
    }
  }
  EXPECT_GT(flawed, 500);
}

}  // namespace
}  // namespace busway::match_detail
