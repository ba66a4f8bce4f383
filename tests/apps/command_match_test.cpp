#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "process.hpp"

namespace busway::app {
namespace {

using nlohmann::json;

TEST(Match, PrintsOneLineANameAndHowThePatternWasReadOnStandardError) {
  const Ended ended = busway({"match", "trivia.*", "trivia.started", "trivia", "trivia.a.b"});
  EXPECT_EQ(ended.code, 0);
  EXPECT_EQ(ended.out, "trivia.started\tyes\ntrivia\tno\ntrivia.a.b\tyes\n");
  EXPECT_TRUE(has(ended.err, "glob")) << ended.err;
}

TEST(Match, ExplainsThePatternAloneWhenNoNameIsGiven) {
  const Ended ended = busway({"match", "a*"});
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_EQ(ended.out, "");
  EXPECT_TRUE(has(ended.err, "\"a*\" is read as a glob")) << ended.err;
  EXPECT_EQ(json::parse(busway({"match", "--json", "a*"}).out).at("names"), json::array());
}

TEST(Match, ReadsRegularExpressionsExactNamesAndPrefixes) {
  EXPECT_EQ(
      busway({"match", R"(^phase\.(started|completed)$)", "phase.started", "phase.failed"}).out,
      "phase.started\tyes\nphase.failed\tno\n");
  EXPECT_EQ(busway({"match", "user:login", "user:login", "user.login"}).out,
            "user:login\tyes\nuser.login\tno\n");
  EXPECT_EQ(busway({"match", "seg:*.*.delete", "public.users.delete", "a.b.c.delete"}).out,
            "public.users.delete\tyes\na.b.c.delete\tno\n");
}

TEST(Match, ReadsPlainWildcardsAsItIsTold) {
  EXPECT_EQ(busway({"match", "a.*", "a.b.c"}).out, "a.b.c\tyes\n");
  EXPECT_EQ(busway({"match", "--wildcards", "segments", "a.*", "a.b.c"}).out, "a.b.c\tno\n");
  EXPECT_EQ(busway({"match", "--wildcards", "words", "a.*", "a.b"}).code, 2);
}

TEST(Match, RefusesABadPatternWithOneErrorThatShowsIt) {
  for (const std::string pattern : {"", "re:(", "input..*", "seg:phase.s*", "(?=a)"}) {
    const Ended ended = busway({"match", pattern, "a.b"});
    EXPECT_EQ(ended.code, 2) << pattern;
    EXPECT_EQ(ended.out, "") << pattern;
    EXPECT_EQ(ended.err.rfind("busway: error: ", 0), 0U) << ended.err;
    EXPECT_EQ(ended.err.find('\n'), ended.err.size() - 1) << ended.err;
  }
}

TEST(Match, ShowsNamesEscapedAndSaysWhichAreNoTopics) {
  const Ended ended = busway({"match", "*", "a b", "x\x1b[31m", "a..b", "fine"});
  EXPECT_EQ(ended.code, 0);
  EXPECT_EQ(ended.out, "a b\tyes\nx\\x1b[31m\tyes\na..b\tyes\nfine\tyes\n");
  EXPECT_TRUE(has(ended.err, "offset 1")) << ended.err;
  EXPECT_FALSE(has(ended.err, "\x1b")) << ended.err;
  EXPECT_FALSE(has(ended.err, "\"fine\"")) << ended.err;
}

TEST(Match, PrintsOneObjectWithJson) {
  const Ended ended = busway({"match", "--json", "a.*", "a.b", "a..b"});
  EXPECT_EQ(ended.code, 0);
  EXPECT_EQ(ended.err, "");
  const json all = json::parse(ended.out);
  EXPECT_EQ(all.at("kind"), "glob");
  EXPECT_EQ(all.at("text"), "a.*");
  EXPECT_FALSE(all.at("explanation").get<std::string>().empty());
  EXPECT_EQ(all.at("names"), json::parse(R"([{"name":"a.b","matches":true,"topic":true},
                            {"name":"a..b","matches":true,"topic":false}])"));
}

TEST(Match, GivesNoColoursToAPipe) {
  EXPECT_FALSE(has(busway({"match", "a.*", "a.b"}).out, "\x1b"));
}

TEST(Match, AnswersAtOnceForAPatternThatBlowsUpElsewhere) {
  const Ended ended = busway({"match", "re:(a+)+$", std::string(200, 'a') + "!"});
  EXPECT_EQ(ended.code, 0);
  EXPECT_TRUE(has(ended.out, "!\tno\n")) << ended.out;
}

}  // namespace
}  // namespace busway::app
