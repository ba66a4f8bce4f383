#include "config/expand.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <string>

#include "config/limits.hpp"
#include "problems.hpp"

namespace busway::config {
namespace {

const Variables& variables() {
  static const Variables known =
      with_variables({{"A", "one"}, {"EMPTY", ""}, {"NESTED", "${A}"}, {"BAD", "\xff"}}).variables;
  return known;
}

std::string text_of(std::string_view text) {
  const Expansion result = expand(text, variables(), kTextBytesMax);
  EXPECT_EQ(result.problem, "") << text;
  return result.text;
}

std::string problem_of(std::string_view text) {
  return expand(text, variables(), kTextBytesMax).problem;
}

TEST(Expand, PutsTheValueInPlaceOfTheVariable) {
  EXPECT_EQ(text_of("${A}"), "one");
  EXPECT_EQ(text_of("<${A}-${A}>"), "<one-one>");
  EXPECT_EQ(text_of("[${EMPTY}]"), "[]");
}

TEST(Expand, TakesTheDefaultForWhatIsUnsetOrEmpty) {
  EXPECT_EQ(text_of("${NONE:-x y}"), "x y");
  EXPECT_EQ(text_of("${EMPTY:-x}"), "x");
  EXPECT_EQ(text_of("${A:-x}"), "one");
  EXPECT_EQ(text_of("${NONE:-}"), "");
  EXPECT_EQ(text_of("${NONE:-${A}-${NONE:-z}}"), "one-z");
}

TEST(Expand, LooksAtADefaultOnlyWhenItIsNeeded) { EXPECT_EQ(text_of("${A:-${NONE}}"), "one"); }

TEST(Expand, LeavesEveryOtherDollarAlone) {
  EXPECT_EQ(text_of("^a$|$b $A $$ 5$"), "^a$|$b $A $$ 5$");
  EXPECT_EQ(text_of("$${A}"), "${A}");
  EXPECT_EQ(text_of("$$${A}"), "$${A}");
}

TEST(Expand, DoesNotExpandAValueAgain) { EXPECT_EQ(text_of("${NESTED}"), "${A}"); }

TEST(Expand, NamesTheVariableThatIsNotSet) {
  EXPECT_EQ(problem_of("x${NONE}"),
            "the variable NONE is not set; set it, or write ${NONE:-default}");
}

TEST(Expand, RefusesWhatIsNoVariable) {
  EXPECT_EQ(problem_of("${A"), "${ is not closed by }; write $${ where a literal ${ is meant");
  for (const char* text : {"${}", "${1A}", "${A-B}", "${A:?x}", "${ A}"}) {
    const std::string inside(text + 2, std::string_view(text).size() - 3);
    EXPECT_EQ(problem_of(text), "${" + inside +
                                    "} is not a variable: write ${NAME} or "
                                    "${NAME:-default}, or $${ for a literal ${");
  }
}

TEST(Expand, RefusesAValueThatIsNotUtf8) {
  EXPECT_EQ(problem_of("${BAD}"), "the variable BAD holds bytes that are not UTF-8");
}

TEST(Expand, BoundsTheDepthOfDefaults) {
  std::string text = "x";
  for (std::size_t i = 0; i < kVariableDepthMax; ++i) text = "${NONE:-" + text + "}";
  EXPECT_EQ(text_of(text), "x");
  EXPECT_EQ(problem_of("${NONE:-" + text + "}"),
            "variables stand within each other's defaults more than 8 deep");
}

TEST(Expand, SaysWhetherAVariableTookPart) {
  EXPECT_EQ(expand("$${A}", variables(), 10).source, Node::Source::literal);
  EXPECT_EQ(expand("${NONE:-}", variables(), 10).source, Node::Source::variable);
}

TEST(ProcessVariable, KnowsTheHostsNameEvenWhereNoneIsExported) {
  std::array<char, 256> host{};
  ASSERT_EQ(::gethostname(host.data(), host.size() - 1), 0);
  const char* const before = ::getenv("HOSTNAME");
  const std::string kept = before == nullptr ? "" : before;
  ::unsetenv("HOSTNAME");
  EXPECT_EQ(process_variable("HOSTNAME"), std::string(host.data()));
  ::setenv("HOSTNAME", "other", 1);
  EXPECT_EQ(process_variable("HOSTNAME"), "other");
  if (before == nullptr) ::unsetenv("HOSTNAME");
  if (before != nullptr) ::setenv("HOSTNAME", kept.c_str(), 1);
  EXPECT_EQ(process_variable("BUSWAY_TEST_NO_SUCH_VARIABLE"), std::nullopt);
}

// --- in a file ---

TEST(VariablesInAFile, AreReadAsTheTypeOfTheirKey) {
  const ReadOptions options = with_variables({{"N", "7"}, {"HOST", "db"}, {"ON", "true"}});
  const Config config = config_of(
      "event_broker:\n  enabled: ${ON}\n  worker_count: \"${N}\"\n  redis: {host: \"r.${HOST}\"}\n"
      "history:\n  size: ${NONE:-1}${N}\n",
      options);
  EXPECT_TRUE(config.event_broker.enabled);
  EXPECT_EQ(config.event_broker.worker_count, 7U);
  EXPECT_EQ(config.event_broker.redis.host, "r.db");
  EXPECT_EQ(config.history.size, 17U);
}

TEST(VariablesInAFile, CannotAddStructure) {
  const ReadOptions options = with_variables({{"EVIL", "x\n  enabled: false"}, {"MAP", "{a: 1}"}});
  EXPECT_EQ(errors_in("event_broker:\n  instance_id: ${EVIL}\n", options).size(), 1U);
  EXPECT_EQ(config_of("event_broker:\n  instance_id: ${MAP}\n", options).event_broker.instance_id,
            "{a: 1}");
}

TEST(VariablesInAFile, ThatAreNotSetAreNamedWithTheirLineBesideAllOtherErrors) {
  EXPECT_EQ(errors_in("event_broker:\n  worker_count: ${NONE}\n  mode: asink\n"),
            (Lines{"f.yaml:2: event_broker.worker_count: the variable NONE is not set; set it, or "
                   "write ${NONE:-default}",
                   "f.yaml:3: event_broker.mode: \"asink\" is not one of sync, async; did you mean "
                   "async?"}));
}

TEST(VariablesInAFile, ThatFailedCauseNoSecondError) {
  EXPECT_EQ(
      errors_in("event_broker:\n  provider: postgres\n  postgres: {url: \"${NONE}\"}\n").size(),
      1U);
}

TEST(VariablesInAFile, AreNotExpandedInKeys) {
  EXPECT_EQ(
      errors_in("${A}: 1\n", with_variables({{"A", "history"}})),
      Lines{
          "f.yaml:1: ${A}: unknown key; it is one of event_broker, plugins, history, secret_keys"});
}

}  // namespace
}  // namespace busway::config
