#include "config/document.hpp"

#include <gtest/gtest.h>

#include <string>

#include "config/limits.hpp"
#include "problems.hpp"

namespace busway::config {
namespace {

Document parse(std::string_view text) { return parse_document(text, "f.yaml", with_variables({})); }

Lines refused(std::string_view text) {
  return errors_of([&] { (void)parse(text); });
}

std::string text_at(const Document& document, std::string_view path) {
  const Node* const node = document.root->find(path);
  return node == nullptr ? "(nothing)" : node->text;
}

TEST(Document, KeepsOrderTextAndPlaceOfEachValue) {
  const Document document = parse("b: one\na:\n  - x\n  - {k: 'two'}\n");
  ASSERT_EQ(document.root->entries.size(), 2U);
  EXPECT_EQ(document.root->entries[0].key, "b");
  EXPECT_EQ(text_at(document, "b"), "one");
  const Node* const deep = document.root->find("a[1].k");
  ASSERT_NE(deep, nullptr);
  EXPECT_EQ(deep->text, "two");
  EXPECT_EQ(deep->style, Node::Style::quoted);
  EXPECT_EQ(deep->at.line, 4);
  EXPECT_EQ(deep->at.column, 9);
}

TEST(Document, FindsNothingAtAPathThatDoesNotExist) {
  const Document document = parse("a: [x]\n");
  for (const char* path : {"b", "a[1]", "a[x]", "a[", "a.b", "a[0].b", "a[99999999999999999999]"}) {
    EXPECT_EQ(document.root->find(path), nullptr) << path;
  }
}

TEST(Document, PointsAnIssueToTheNearestParentThatExists) {
  const Document document = parse("a: 1\nb:\n  c: [x]\n");
  const auto issue = document.issue_at("b.c[7].d", "is odd", ConfigIssue::Severity::warning);
  EXPECT_EQ(to_string(issue), "f.yaml:3: b.c[7].d: is odd");
  EXPECT_EQ(to_string(document.issue_at("z", "is odd", ConfigIssue::Severity::error)),
            "f.yaml: z: is odd");
}

TEST(Document, SharesWhatAnAliasRepeats) {
  const Document document = parse("a: &x {k: v}\nb: *x\n");
  EXPECT_EQ(text_at(document, "b.k"), "v");
  EXPECT_EQ(document.root->find("a"), document.root->find("b"));
}

TEST(Document, OfCommentsOnlyIsAnEmptyMapWithAWarning) {
  const Document document = parse("# nothing yet\n");
  EXPECT_TRUE(document.root->entries.empty());
  ASSERT_EQ(document.warnings.size(), 1U);
  EXPECT_EQ(to_string(document.warnings[0]),
            "f.yaml: holds nothing but comments; every default applies");
}

TEST(Document, MustBeAMap) {
  EXPECT_EQ(
      refused("- a\n- b\n"),
      Lines{"f.yaml:1: the file must be a map of sections such as event_broker:, found a list"});
  EXPECT_EQ(refused("hello\n"), Lines{"f.yaml:1: the file must be a map of sections such as "
                                      "event_broker:, found a single value"});
}

TEST(Document, RefusesEachDuplicateKeyWithBothLines) {
  EXPECT_EQ(refused("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n\"a\": 2\n"),
            (Lines{"f.yaml:5: b.c: the key stands twice in this map, first in line 3; remove one",
                   "f.yaml:6: a: the key stands twice in this map, first in line 1; remove one"}));
  EXPECT_EQ(refused("a: {x: 1, x: 2}\n"),
            Lines{"f.yaml:1: a.x: the key stands twice in this map, first in line 1; remove one"});
}

TEST(Document, NamesTheTabWhereverTheParserStumbles) {
  const std::string said = "the line is indented with a tab; YAML wants spaces";
  EXPECT_EQ(refused("a:\n\tb: 1\n"), Lines{"f.yaml:2: " + said});
  EXPECT_EQ(refused("a:\n  b: 1\n\tc: 2\n"), Lines{"f.yaml:3: " + said});
  EXPECT_EQ(refused("\ta: 1\n"), Lines{"f.yaml:1: " + said});
  EXPECT_EQ(refused("a:\n  - 1\n\t- 2\n"), Lines{"f.yaml:3: " + said});
  EXPECT_EQ(refused("a:\n\t- 1\n"), Lines{"f.yaml:2: " + said});
}

TEST(Document, TakesATabThatIndentsNothing) {
  const Document document = parse("a: \t1\nb: [x,\n\ty]\n");
  EXPECT_EQ(text_at(document, "a"), "1");
  EXPECT_EQ(text_at(document, "b[1]"), "y");
}

TEST(Document, RefusesAQuoteThatIsNeverClosed) {
  const std::string said = ": the quote that opens here is never closed";
  EXPECT_EQ(refused("x: 1\na: \"b\nc: 1\n"), Lines{"f.yaml:2: a" + said});
  EXPECT_EQ(refused("a: 'it''s\nc: 1\n"), Lines{"f.yaml:1: a" + said});
  EXPECT_EQ(refused("a: \"b\\\"\n"), Lines{"f.yaml:1: a" + said});
  EXPECT_EQ(refused("a: &x !!str # c\n  \"b\nc: 1\n"), Lines{"f.yaml:1: a" + said});
  EXPECT_EQ(refused("\"a: 1\n").size(), 1U);
}

TEST(Document, TakesQuotesThatAreClosed) {
  const Document document =
      parse("é: 'it''s'\nb: \"a\\\"b\"\nc: [ \"é\", 'é', \"x\" ]\nd: \"one\n  two\" # '\n");
  EXPECT_EQ(text_at(document, "é"), "it's");
  EXPECT_EQ(text_at(document, "b"), "a\"b");
  EXPECT_EQ(text_at(document, "c[2]"), "x");
  EXPECT_EQ(text_at(document, "d"), "one two");
}

TEST(Document, RefusesBracketsThatAreNeverClosed) {
  for (const char* text : {"a: [1", "a: [1,", "a: [", "a: {b: 1", "a: {b: 1,", "a: {", "[", "{"}) {
    EXPECT_EQ(refused(text).size(), 1U) << text;
  }
}

TEST(Document, HoldsOneDocument) {
  EXPECT_EQ(refused("a: 1\n---\nb: 1\n"),
            Lines{"f.yaml:2: a second document begins here; a configuration file holds one"});
  EXPECT_EQ(refused("- a\nb: 1\n"),
            Lines{"f.yaml:2: this does not belong to what stands above; check the indentation"});
  EXPECT_EQ(refused(",").size(), 1U);
  EXPECT_EQ(refused("%YAML 1.2\n---\na: 1\n...\n"), Lines{});
}

TEST(Document, RefusesKeysThatAreNoWords) {
  EXPECT_EQ(refused("? [1]\n: 2\n"), Lines{"f.yaml:1: a key must be a word, not a map or a list"});
  EXPECT_EQ(refused("a: &x [1]\n*x : 2\n"),
            Lines{"f.yaml:2: a key must be a word, not a map or a list"});
  EXPECT_EQ(refused(": 2\n"), Lines{"f.yaml:1: a key is missing before ':'"});
}

TEST(Document, RefusesTagsAndMergeKeys) {
  EXPECT_EQ(refused("a: !foo x\n"),
            Lines{"f.yaml:1: a: the tag !foo is not supported; only !!str is"});
  EXPECT_EQ(refused("a: !!map {}\n").size(), 1U);
  EXPECT_EQ(
      refused("a:\n  <<: {b: 1}\n"),
      Lines{"f.yaml:2: a: merge keys (<<) are not supported; repeat the keys, or alias a whole "
            "value"});
  EXPECT_EQ(parse("a: !!str 5\n").root->find("a")->style, Node::Style::quoted);
}

TEST(Document, RefusesANulThatAnEscapeMakes) {
  EXPECT_EQ(refused("a: \"x\\0y\"\n"), Lines{"f.yaml:1: a: the text holds a NUL character (\\0)"});
}

TEST(Document, ExplainsWhatTheParserSays) {
  EXPECT_EQ(refused("a: b: c\n"),
            Lines{"f.yaml:1: not valid YAML: illegal map value; check the indentation, and put a "
                  "value that holds \": \" in quotes"});
  EXPECT_EQ(refused("a: @x\n"), Lines{"f.yaml:1: not valid YAML: unknown token; put a value that "
                                      "begins with @, ` or % in quotes"});
  EXPECT_EQ(refused("a: {b: ${X}}\n"),
            Lines{"f.yaml:1: not valid YAML: end of map flow not found; between { } or [ ] write "
                  "\"${NAME}\" in quotes"});
  EXPECT_NE(refused("a: *.x\n").at(0).find("a text that begins with * stands in quotes"),
            std::string::npos);
  EXPECT_NE(refused("a: \"\\q\"\n").at(0).find("a backslash is written \\\\"), std::string::npos);
}

// --- bounds ---

std::string alias_bomb() {
  std::string text = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string name = 'a' + std::to_string(i);
    const std::string before = "*a" + std::to_string(i - 1);
    text += name + ": &" + name + " [" + before;
    for (int k = 1; k < 9; ++k) text += ',' + before;
    text += "]\n";
  }
  return text;
}

TEST(Document, RefusesAnAliasBombAtTheNodeThatPassesTheBudget) {
  EXPECT_EQ(
      refused(alias_bomb()),
      Lines{"f.yaml:6: a5[0]: the file holds more than 100000 nodes, each counted as often as "
            "an alias repeats it"});
}

TEST(Document, RefusesAnAliasInsideTheValueItRepeats) {
  const std::string said = "the alias stands inside the very value it repeats";
  EXPECT_EQ(refused("a: &x [*x]\n"), Lines{"f.yaml:1: a[0]: " + said});
  EXPECT_EQ(refused("a: &x\n  b:\n    - *x\n"), Lines{"f.yaml:3: a.b[0]: " + said});
}

TEST(Document, CountsNodesWithoutAliasesToo) {
  std::string text = "a: [";
  for (std::size_t i = 0; i < kNodesMax; ++i) text += "x,";
  EXPECT_EQ(refused(text + "]\n").size(), 1U);
}

TEST(Document, BoundsTheTextThatAliasesRepeat) {
  std::string text = "a: &a " + std::string(100'000, 'x') + "\nb: [*a";
  for (int i = 0; i < 50; ++i) text += ", *a";
  EXPECT_EQ(
      refused(text + "]\n"),
      Lines{"f.yaml:2: b[40]: the file holds more than 4194304 bytes of text once aliases and "
            "variables are expanded"});
}

TEST(Document, BoundsTheTextThatVariablesMake) {
  const ReadOptions options = with_variables({{"BIG", std::string(100'000, 'x')}});
  std::string text = "a:\n";
  for (int i = 0; i < 50; ++i) text += "  - ${BIG}\n";
  const Lines found = errors_of([&] { (void)parse_document(text, "f.yaml", options); });
  ASSERT_EQ(found.size(), 1U);
  EXPECT_NE(found[0].find("more than 4194304 bytes"), std::string::npos) << found[0];
}

TEST(Document, BoundsAKey) {
  EXPECT_EQ(refused(std::string(kKeyBytesMax, 'k') + ": 1\n"), Lines{});
  const Lines found = refused(std::string(kKeyBytesMax + 1, 'k') + ": 1\n");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_NE(found[0].find("has more than 256 bytes"), std::string::npos) << found[0];
}

TEST(Document, BoundsNesting) {
  const auto nested = [](std::size_t depth) {
    return "a: " + std::string(depth - 1, '[') + std::string(depth - 1, ']') + "\n";
  };
  EXPECT_EQ(refused(nested(kDepthMax)), Lines{});
  EXPECT_EQ(refused(nested(kDepthMax + 1)).size(), 1U);
  EXPECT_NE(refused(nested(100'000)).at(0).find("nested more than 64 deep"), std::string::npos);
}

TEST(Document, ReportsAtMostAHundredProblemsAndCountsTheRest) {
  std::string text;
  for (int i = 0; i < 150; ++i) text += "k" + std::to_string(i) + ": ${NONE}\n";
  const Lines found = refused(text);
  ASSERT_EQ(found.size(), kIssuesMax + 1);
  EXPECT_EQ(found[0],
            "f.yaml:1: k0: the variable NONE is not set; set it, or write ${NONE:-default}");
  EXPECT_EQ(found.back(), "f.yaml: and 50 more problems");
}

}  // namespace
}  // namespace busway::config
