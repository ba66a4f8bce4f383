#include "busway/pattern.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <unordered_set>

#include "busway/error.hpp"

namespace busway {
namespace {

enum class As { exact, glob, segments, regex, plain, plain_segments };
enum class Is { no, yes, refused };

struct Fact {
  As as;
  std::string_view pattern;
  std::string_view name;
  Is is;
};

Pattern make(As as, std::string_view text) {
  switch (as) {
    case As::exact: return Pattern::exact(text);
    case As::glob: return Pattern::glob(text);
    case As::segments: return Pattern::segments(text);
    case As::regex: return Pattern::regex(text);
    case As::plain: return Pattern::parse(text);
    case As::plain_segments: return Pattern::parse(text, Wildcards::segments);
  }
  throw std::logic_error("no such kind");
}

Is outcome(const Fact& fact) {
  try {
    return make(fact.as, fact.pattern).matches(fact.name) ? Is::yes : Is::no;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_pattern);
    return Is::refused;
  }
}

// The message of a refusal, "" when the pattern is accepted.
std::string refusal(As as, std::string_view text) {
  try {
    static_cast<void>(make(as, text));
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_pattern);
    return error.what();
  }
}

bool mentions(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// Names with a blank, a star, a bracket or a line end are no topics: they show the matcher alone.
constexpr Fact kFacts[] = {
    {As::exact, "phase.started", "phase.started", Is::yes},
    {As::exact, "phase.started", "phase.Started", Is::no},   // letters keep their case
    {As::exact, "phase.started", "phase.started ", Is::no},  // nothing is trimmed
    {As::exact, "phase.started", "phaseXstarted", Is::no},   // a dot is a dot

    {As::glob, "*", "a\nb", Is::yes},  // unlike .* of a regular expression
    {As::glob, "*.*", "phase", Is::no},
    {As::glob, "*.created", "public.users.created", Is::yes},  // over several words
    {As::glob, "PHASE.*", "phase.started", Is::no},
    {As::glob, "[*]", "*", Is::yes},
    {As::glob, "[]]x", "]x", Is::yes},
    {As::glob, "a.**.c", "a.b.c", Is::yes},
    {As::glob, "a\\*b", "a\\xb", Is::yes},  // a backslash is no escape
    {As::glob, "a\\*b", "a*b", Is::no},
    {As::glob, "phase.*", "phaseXYZ", Is::no},
    {As::glob, "phase.?", "phase.ab", Is::no},
    {As::glob, "phase.?", "phase..", Is::yes},
    {As::glob, "phase.[!sc]*", "phase.failed", Is::yes},
    {As::glob, "phase.[^s]*", "phase.started", Is::yes},  // ^ is a member, not a negation
    {As::glob, "phase.[sc]*", "phase.started", Is::yes},
    {As::glob, "phase.[sc]*", "phase.failed", Is::no},
    {As::glob, "task_?reated", "task_created", Is::yes},
    {As::glob, "task_manager:*", "task_manager:task_created", Is::yes},
    {As::glob, "{a,b}.x", "a.x", Is::no},  // braces are literal

    {As::regex, "(?i)^PHASE\\.", "phase.started", Is::yes},
    {As::regex, "(a)\\1", "aa", Is::refused},
    {As::regex, "*.created", "x.created", Is::refused},
    {As::regex, "^(started|completed)$", "startedX", Is::no},
    {As::regex, "^.$", "\xC3\xA9", Is::yes},        // one character
    {As::regex, "^\\w+$", "na\xC3\xAFve", Is::no},  // \w is ASCII
    {As::regex, "^a$", "a\n", Is::no},              // $ is the end of the text
    {As::regex, "^phase\\.(started|completed)$", "phase.started.x", Is::no},
    {As::regex, "^phase\\.[^.]+$", "phase.a.b", Is::no},
    {As::regex, "^started|completed$", "startedX", Is::yes},  // | binds looser than ^ and $
    {As::regex, "a.**", "a.b", Is::refused},
    {As::regex, "phase.*", "phase", Is::yes},
    {As::regex, "phase.*", "phaseXYZ", Is::yes},
    {As::regex, "phase.?", "phase", Is::yes},
    {As::regex, "phase.[!s]tarted", "phase.started", Is::yes},  // a set of ! and s
    {As::regex, "phase.started", "phaseXstarted", Is::yes},
    {As::regex, "phase\\..*", "phaseXYZ", Is::no},

    {As::segments, "*.*.**", "a.b.c", Is::yes},
    {As::segments, "*.*.created", "public.users.created", Is::yes},
    {As::segments, "*.created", "users.created", Is::yes},
    {As::segments, "*.created", "public.users.created", Is::no},
    {As::segments, "a..b", "a..b", Is::refused},
    {As::segments, "phase.*", "phase", Is::no},
    {As::segments, "phase.*", "phase.", Is::no},
    {As::segments, "phase.**", "phase.started", Is::yes},
    {As::segments, "phase.s*", "phase.started", Is::refused},
    {As::segments, "public.*.create", "public.users.create", Is::yes},
    {As::segments, "task_manager:*", "task_manager:task_created", Is::refused},

    {As::plain, "phase.*", "phase.started", Is::yes},
    {As::plain, "phase.*", "phase.a.b", Is::yes},
    {As::plain, "phase.*", "phaseXstarted", Is::no},
    {As::plain, ".*", "any.event", Is::yes},
    {As::plain, "*", "a.b.c", Is::yes},
    {As::plain, "public.users.*", "public.users.create", Is::yes},
    {As::plain, "*.*.create", "public.users.create", Is::yes},
    {As::plain, "public.*.*", "auth.users.create", Is::no},
    {As::plain, "^phase\\.(started|completed)$", "phase.failed", Is::no},
    {As::plain, "phase\\.(started|completed)", "phase.completed", Is::yes},
    {As::plain, "task_manager:*", "task_manager:task_created", Is::yes},
    {As::plain, "user.login", "user.login", Is::yes},
    {As::plain, "input..*", "input.a", Is::refused},
    {As::plain, "", "a", Is::refused},
    {As::plain_segments, "public.users.*", "public.users.a.b", Is::no},
    {As::plain_segments, "*", "a.b.c", Is::yes},
    {As::plain_segments, "phase.s*", "phase.started", Is::refused},

    // Beyond the table of agreed cases:
    {As::segments, "**", "a", Is::yes},
    {As::segments, "**", "a.b.c", Is::yes},
    {As::segments, "**", "a..c", Is::no},
    {As::segments, "*", "a..c", Is::yes},  // * alone is everything
    {As::segments, "a.**", "a", Is::no},
    {As::segments, "a.*.c", "a.b.d", Is::no},
    {As::segments, "a.**.c", "a.b.c", Is::refused},
    {As::segments, "a.***", "a.b", Is::refused},
    {As::glob, "h?llo", "h\xC3\xA9llo", Is::yes},  // ? is one character, not one byte
    {As::glob, "h??llo", "h\xC3\xA9llo", Is::no},
    {As::glob, "[\xC3\xA0-\xC3\xBF]", "\xC3\xA9", Is::yes},
    {As::glob, "[!\xC3\xA0-\xC3\xBF]", "\xC3\xA9", Is::no},
    {As::glob, "a[", "a[", Is::yes},
    {As::glob, "[!]", "[!]", Is::yes},  // not closed, so literal
    {As::glob, "[a-]", "-", Is::yes},
    {As::glob, "[-a]", "-", Is::yes},
    {As::glob, "[z-ab]", "b", Is::yes},  // a range that runs backwards is empty
    {As::glob, "[z-ab]", "z", Is::no},
    {As::plain, "re:phase.*", "phase", Is::yes},
    {As::plain, "glob:phase.*", "phase", Is::no},
    {As::plain, "seg:phase.*", "phase.a.b", Is::no},
    {As::plain, "exact:phase.*", "phase.*", Is::yes},
    {As::plain_segments, "glob:phase.s*", "phase.started", Is::yes},
    {As::plain_segments, ".*", "any.event", Is::yes},
    {As::plain, ".*\\.done", "a.done", Is::yes},
};

TEST(Pattern, AgreesWithEveryFactOfTheTable) {
  for (const Fact& fact : kFacts) {
    EXPECT_EQ(static_cast<int>(outcome(fact)), static_cast<int>(fact.is))
        << "pattern " << fact.pattern << " as " << static_cast<int>(fact.as) << " on " << fact.name;
  }
}

TEST(Pattern, APlainStringIsReadByItsCharacters) {
  const struct {
    std::string_view text;
    PatternKind with_glob;
    PatternKind with_segments;
  } kReadings[] = {
      {"user.login", PatternKind::exact, PatternKind::exact},
      {"*", PatternKind::glob, PatternKind::segments},
      {"phase.*", PatternKind::glob, PatternKind::segments},
      {"a.*.b", PatternKind::glob, PatternKind::segments},
      {".*", PatternKind::regex, PatternKind::regex},
      {".*.created", PatternKind::regex, PatternKind::regex},
      {"^a", PatternKind::regex, PatternKind::regex},
      {"a$", PatternKind::regex, PatternKind::regex},
      {"a\\.b", PatternKind::regex, PatternKind::regex},
      {"(a)", PatternKind::regex, PatternKind::regex},
      {"a|b", PatternKind::regex, PatternKind::regex},
      {"a.b+", PatternKind::regex, PatternKind::regex},
      {"a{2}", PatternKind::regex, PatternKind::regex},
      {"exact:a", PatternKind::exact, PatternKind::exact},
      {"glob:a", PatternKind::glob, PatternKind::glob},
      {"seg:a", PatternKind::segments, PatternKind::segments},
      {"re:a", PatternKind::regex, PatternKind::regex},
  };
  for (const auto& reading : kReadings) {
    EXPECT_EQ(Pattern::parse(reading.text).kind(), reading.with_glob) << reading.text;
    EXPECT_EQ(Pattern::parse(reading.text, Wildcards::segments).kind(), reading.with_segments)
        << reading.text;
  }
}

TEST(Pattern, ExplainSaysHowAStringWasReadAndWhy) {
  EXPECT_EQ(Pattern::parse("phase.*").explain(),
            "\"phase.*\" is read as a glob, because it has the wildcard * and no character of a "
            "regular expression: * stands for any text and ? for one character, dots included");
  EXPECT_EQ(Pattern::parse("user.login").explain(),
            "\"user.login\" is read as exact, because it has none of the wildcards * ? [: it "
            "matches this one name, byte for byte");
  EXPECT_TRUE(mentions(Pattern::parse("a.#").explain(), "seg:a.**"));
  EXPECT_TRUE(mentions(Pattern::parse("a|b").explain(), "because it has the character |"));
  EXPECT_TRUE(mentions(Pattern::parse(".*").explain(), "because it begins with .*"));
  EXPECT_TRUE(mentions(Pattern::parse("seg:a.*").explain(), "as its prefix seg: says"));
  EXPECT_TRUE(mentions(Pattern::regex("a").explain(), "as the program says"));
  EXPECT_TRUE(mentions(Pattern::parse("*").explain(), "every topic"));
  EXPECT_TRUE(mentions(Pattern::glob("a\n*").explain(), "a\\n*")) << "shown escaped";
}

TEST(Pattern, AGlobThatCanMatchNoLegalTopicIsRefusedWithASuggestion) {
  EXPECT_TRUE(mentions(refusal(As::plain, "input..*"), "\"input.*\""))
      << refusal(As::plain, "input..*");
  EXPECT_TRUE(mentions(refusal(As::plain, "input..*"), "\"re:input..*\""));
  EXPECT_TRUE(mentions(refusal(As::plain, "input..*"), "offset 6"));
  for (const std::string_view text : {"input..*", "*..b", ".?", "*.", "?.", "a.[.]b", "[.]a",
                                      "*.[.]", "re:*", "[z-a]", "*[.].?", "exact:*", "..", ".*"}) {
    EXPECT_NE(refusal(As::glob, text), "") << text;
  }
  EXPECT_NE(refusal(As::glob, std::string(256, '?')), "");
  EXPECT_NE(refusal(As::glob, "*" + std::string(256, 'a')), "");
  for (const std::string_view text :
       {"?", "?.?", "*.*", "**", "a.[.b]c", "[.a]b", "*a", "[!.]", "[!a]", "re*", "a?b"}) {
    EXPECT_EQ(refusal(As::glob, text), "") << text;
  }
  EXPECT_EQ(refusal(As::glob, "*" + std::string(255, 'a')), "");
}

TEST(Pattern, APlainStringThatNeedsACharacterNoTopicHasIsRefused) {
  EXPECT_TRUE(mentions(refusal(As::plain, "user *"), "offset 4"));
  EXPECT_TRUE(mentions(refusal(As::plain, "[*]"), "\"[*]\""));
  EXPECT_TRUE(mentions(refusal(As::plain, "a.[] ]x"), "\"[] ]\"")) << refusal(As::plain, "a.[] ]x");
  EXPECT_EQ(refusal(As::plain, "a.[!a]"), "");
  EXPECT_EQ(refusal(As::plain, "a.[ a]"), "") << "a set needs one character that topics have";
  EXPECT_EQ(refusal(As::glob, "user *"), "") << "said outright, a glob takes any character";
}

TEST(Pattern, APlainStringWithoutWildcardMustBeATopic) {
  const std::string blank = refusal(As::plain, "user login");
  EXPECT_TRUE(mentions(blank, "0x20")) << blank;
  EXPECT_TRUE(mentions(blank, "offset 4")) << blank;
  EXPECT_TRUE(mentions(refusal(As::plain, "a..b"), "doubles a dot"));
  EXPECT_TRUE(mentions(refusal(As::plain, "phase.>"), "seg:a.**"));
  EXPECT_TRUE(mentions(refusal(As::plain, "a\nb"), "a\\nb"));
  EXPECT_NE(refusal(As::plain, std::string(256, 'a')), "");
  EXPECT_EQ(refusal(As::exact, "user login"), "") << "said outright, any text is taken";
}

TEST(Pattern, TheWholeNameOfAKindIsNoPrefix) {
  EXPECT_TRUE(
      mentions(refusal(As::plain, "regex:a.*"),
               R"(probably meant: "re:a.*", or for a topic of this name "exact:regex:a.*")"));
  EXPECT_TRUE(mentions(refusal(As::plain, "segments:order.*"), R"(probably meant: "seg:order.*")"));
  EXPECT_EQ(Pattern::parse("exact:regex:a").text(), "regex:a");
}

TEST(Pattern, EmptyPatternsAreRefusedWithAndWithoutAPrefix) {
  for (const As as :
       {As::exact, As::glob, As::segments, As::regex, As::plain, As::plain_segments}) {
    EXPECT_TRUE(mentions(refusal(as, ""), "empty"));
  }
  for (const std::string_view text : {"exact:", "glob:", "seg:", "re:"}) {
    EXPECT_TRUE(mentions(refusal(As::plain, text), "follow its prefix")) << text;
  }
}

TEST(Pattern, SegmentsRefusalsNameTheGlob) {
  for (const std::string_view text :
       {"phase.s*", "*a", "a*b.c", "phase.?", "a.[bc].d", "task_manager:*"}) {
    EXPECT_TRUE(mentions(refusal(As::segments, text), "glob")) << text;
    EXPECT_TRUE(mentions(refusal(As::plain_segments, text), "glob")) << text;
  }
  for (const std::string_view text : {".a", "a.", "a..b", "."}) {
    EXPECT_TRUE(mentions(refusal(As::segments, text), "empty")) << text;
  }
  EXPECT_TRUE(mentions(refusal(As::segments, "a.**.b"), "end"));
  EXPECT_TRUE(mentions(refusal(As::segments, "a b.*"), "offset 1"));
  EXPECT_NE(refusal(As::segments, "*." + std::string(254, 'a')), "");
  EXPECT_EQ(refusal(As::segments, "*." + std::string(253, 'a')), "");
}

TEST(Pattern, RegexRefusalsCarryTheSentenceOfTheEngine) {
  EXPECT_TRUE(mentions(refusal(As::regex, "(a)\\1"), "back-references"));
  EXPECT_TRUE(mentions(refusal(As::regex, "*.created"), "no argument for repetition operator"));
  EXPECT_TRUE(mentions(refusal(As::regex, "*.created"), "glob:"));
  EXPECT_TRUE(mentions(refusal(As::regex, "a(b"), "missing"));
  EXPECT_TRUE(mentions(refusal(As::regex, "a(b"), "a literal parenthesis is written \\( or \\)"));
  EXPECT_TRUE(mentions(refusal(As::regex, "a)b"), "a literal parenthesis is written \\( or \\)"));
  EXPECT_TRUE(mentions(refusal(As::regex, "a[b"), "a literal bracket is written \\["));
  EXPECT_TRUE(mentions(refusal(As::regex, "((a{100}){100}){100}"), "repetition size"));
  EXPECT_TRUE(mentions(refusal(As::regex, "(\\pL{5}x){20}"), "too large"));
  EXPECT_EQ(refusal(As::regex, "[^a]{300}"), "");
  EXPECT_EQ(refusal(As::regex, "\\pL{20}"), "") << "fits into the large budget";
}

TEST(Pattern, RefusalsShowTheTextAsItWasWritten) {
  for (const std::string text : {"re:(", "seg:phase.s*", "glob:input..*"}) {
    EXPECT_TRUE(mentions(refusal(As::plain, text), '"' + text + '"')) << text;
  }
  EXPECT_TRUE(mentions(refusal(As::regex, "("), "\"(\""));
}

TEST(Pattern, PatternsThatAreTooLongOrNotUtf8AreRefused) {
  EXPECT_TRUE(mentions(refusal(As::regex, std::string(kPatternBytesMax + 1, 'a')), "1025 bytes"));
  EXPECT_EQ(refusal(As::regex, std::string(kPatternBytesMax, 'a')), "");
  for (const As as : {As::exact, As::glob, As::segments, As::regex}) {
    EXPECT_TRUE(mentions(refusal(as, "ab\xFF*"), "offset 2"));
  }
}

TEST(Pattern, EqualityAndHashLookAtKindAndTextOnly) {
  EXPECT_EQ(Pattern::parse("glob:a.*"), Pattern::glob("a.*"));
  EXPECT_NE(Pattern::segments("a.*"), Pattern::glob("a.*"));
  EXPECT_NE(Pattern::glob("a.*"), Pattern::glob("b.*"));
  std::unordered_set<Pattern> set{Pattern::parse("a.*"), Pattern::glob("a.*"),
                                  Pattern::regex("a.*")};
  EXPECT_EQ(set.size(), 2U);
}

TEST(Pattern, CopiesAndMovesKeepTheText) {
  std::optional<Pattern> first = Pattern::glob("a.*");
  Pattern copy = *first;
  const Pattern moved = std::move(*first);
  first.reset();
  EXPECT_EQ(copy, moved);
  copy = Pattern::exact("b");
  EXPECT_EQ(copy.text(), "b");
  EXPECT_EQ(moved.text(), "a.*");
  copy = *&copy;
  EXPECT_EQ(copy.text(), "b");
}

TEST(Pattern, ToStringGoesThroughParseUnchanged) {
  for (const Pattern& pattern : {Pattern::exact("[*]"), Pattern::glob("a.?"),
                                 Pattern::segments("a.**"), Pattern::regex("^a.b$")}) {
    EXPECT_EQ(Pattern::parse(to_string(pattern)), pattern);
    EXPECT_EQ(Pattern::parse(to_string(pattern), Wildcards::segments), pattern);
  }
  EXPECT_EQ(to_string(Pattern::segments("a.**")), "seg:a.**");
}

TEST(Pattern, AGlobFullOfStarsAndBracketsTakesBoundedTime) {
  // Exponential matchers never end here.
  std::string stars;
  for (int i = 0; i < 120; ++i) stars += "*a";
  EXPECT_FALSE(Pattern::glob(stars + "b").matches(std::string(255, 'a')));
  EXPECT_FALSE(Pattern::glob("*" + std::string(200, '[')).matches(std::string(255, 'a')));
  EXPECT_FALSE(Pattern::regex("(a+)+(a+)+b").matches(std::string(255, 'a')));
}

}  // namespace
}  // namespace busway
