#include "match/condition.hpp"

#include <gtest/gtest.h>
#include <re2/re2.h>

#include <string>

#include "busway/error.hpp"
#include "random_patterns.hpp"

namespace busway::match_detail {
namespace {

using match_test::Random;

// The clauses as text: strings joined by |, clauses by &, marks shown as < and >.
std::string show(const Clauses& clauses) {
  std::string out;
  for (const Strings& clause : clauses) {
    if (!out.empty()) out += " & ";
    for (const std::string& string : clause) {
      if (&string != &clause.front()) out += '|';
      for (const char c : string) out += c == kTextBegin ? '<' : c == kTextEnd ? '>' : c;
    }
  }
  return out;
}

std::string of_regex(std::string_view regex) { return show(condition_of(Pattern::regex(regex))); }
std::string of_glob(std::string_view glob) { return show(condition_of(Pattern::glob(glob))); }

TEST(Condition, AnAnchoredAlternativeIsAFiniteSetOfWords) {
  EXPECT_EQ(of_regex("^phase\\.(started|completed)$"), "<phase.completed>|<phase.started>");
  EXPECT_EQ(of_regex("^a[bc]?$"), "<a>|<ab>|<ac>");
  EXPECT_EQ(of_regex("\\Aab{2}\\z"), "<abb>");
}

TEST(Condition, PrefixesSuffixesAndInnerLiteralsAreAllKept) {
  EXPECT_EQ(of_regex("^svc12\\..*\\.done$"), "<svc12. & .done>");
  EXPECT_EQ(of_regex("^a\\.\\w+\\.mid\\.\\w+\\.z$"), ".mid. & <a. & .z>");
  EXPECT_EQ(of_regex("error\\d+"), "error");
  EXPECT_EQ(of_regex("(ab|cd)+x"), "ab|cd & abx|cdx");
  EXPECT_EQ(of_glob("trivia.*"), "<trivia.");
  EXPECT_EQ(of_glob("*.created"), ".created>");
  EXPECT_EQ(of_glob("a[bc]d?e"), "<abd|<acd & e>");
}

TEST(Condition, NothingIsClaimedWhereNothingIsNecessary) {
  for (const std::string_view regex : {".*", "a|", "a*", "(?:abc)?", "a{0}", "(abc)*", "a|.",
                                       "\\w+\\d", "^", "^|$", "[^a]", "()", "[a-z]"}) {
    EXPECT_EQ(of_regex(regex), "") << regex;
  }
  EXPECT_EQ(of_glob("*"), "");
}

TEST(Condition, LettersWithPartnersBeyondAsciiAreLeftOutWhenCaseIsIgnored) {
  EXPECT_EQ(of_regex("(?i)^desk$"), "<de");
  EXPECT_EQ(of_regex("(?i)^PHASE\\."), "<pha & e.");
  EXPECT_EQ(of_regex("(?i:a)k"), "ak");
  EXPECT_EQ(of_regex("(?i)[ks]"), "");
}

TEST(Condition, BracesThatAreNoRepeatAreLiteral) {
  EXPECT_EQ(of_regex("ab{,2}"), show({{mark_topic("ab{,2}").substr(1, 6)}}));
  EXPECT_EQ(of_regex("ab{2,}"), "abb");
}

TEST(Condition, WhatIsNotUnderstoodIsNotUsed) {
  EXPECT_EQ(of_regex("a\\Qbc\\E*"), "");
  EXPECT_EQ(of_regex("ab(?i)*"), "") << "the repeat reaches back to the b";
}

TEST(Condition, EveryRegexMatchMeetsTheCondition) {
  Random random(20240601);
  re2::RE2::Options options(re2::RE2::Quiet);
  options.set_never_capture(true);
  int matches = 0;
  int telling = 0;
  for (int round = 0; round < 6000; ++round) {
    const std::string text = match_test::random_regex(random);
    const re2::RE2 engine(text, options);
    if (!engine.ok()) continue;
    const Clauses clauses = literals_of_regex(text).into_clauses();
    telling += clauses.empty() ? 0 : 1;
    for (int i = 0; i < 25; ++i) {
      const std::string name = match_test::random_name(random);
      if (!re2::RE2::PartialMatch(name, engine)) continue;
      ++matches;
      ASSERT_TRUE(meets(clauses, mark_topic(name)))
          << "regex " << text << "\nname  " << name << "\nclauses " << show(clauses);
    }
  }
  EXPECT_GT(matches, 10000);
  EXPECT_GT(telling, 1000);
}

TEST(Condition, EveryGlobAndSegmentsMatchMeetsTheCondition) {
  Random random(7);
  int matches = 0;
  for (int round = 0; round < 6000; ++round) {
    const bool glob = random.one_in(2);
    const std::string text =
        glob ? match_test::random_glob(random) : match_test::random_segments(random);
    try {
      const Pattern pattern = glob ? Pattern::glob(text) : Pattern::segments(text);
      const Clauses clauses = condition_of(pattern);
      for (int i = 0; i < 25; ++i) {
        const std::string name =
            random.one_in(2) ? match_test::random_name(random) : match_test::random_topic(random);
        if (!pattern.matches(name)) continue;
        ++matches;
        ASSERT_TRUE(meets(clauses, mark_topic(name)))
            << pattern << " on " << name << ": " << show(clauses);
      }
    } catch (const Error&) {  // some random texts are no patterns
    }
  }
  EXPECT_GT(matches, 5000);
}

}  // namespace
}  // namespace busway::match_detail
