#include <gtest/gtest.h>

#include <string>

#include <test_paths.hpp>
#include "layer_rules.hpp"
#include "planted_tree.hpp"

namespace busway::structure {
namespace {

TEST(Contracts, OfThePublicHeadersAreWhole) {
  const Report report = check_contracts(BUSWAY_SOURCE_DIR);
  EXPECT_EQ(to_string(report), "");
  EXPECT_GE(report.files, 2U) << "the check has not seen the headers";
}

TEST(ContractCheck, AcceptsAWholeOneAlsoInCComments) {
  const PlantedTree tree;
  tree.plant_header("event.hpp", "event");
  tree.plant_header("detail/text.hpp", "event");
  tree.plant("include/busway/plugin.h",
             "/* busway/plugin.h -- the ABI.\n * Layer: plugin\n *\n * Model      M\n"
             " * Threads    T\n * Ownership  O\n * Errors     E\n * Cost       C\n"
             " * Example    X\n */\n#ifndef X\n#endif\n");
  EXPECT_EQ(to_string(check_contracts(tree.root())), "");
}

TEST(ContractCheck, NamesEachMissingLine) {
  const PlantedTree tree;
  tree.plant("include/busway/event.hpp",
             "// busway/event.hpp -- an event.\n// Layer: event\n//\n// Model      M\n"
             "// Ownership  O\n// Errors\n// Cost       C\n// Example    X\n#pragma once\n");
  EXPECT_EQ(to_string(check_contracts(tree.root())),
            "include/busway/event.hpp:1: its contract has no line \"Threads\" before the code\n"
            "include/busway/event.hpp:1: its contract has no line \"Errors\" before the code\n");
}

TEST(ContractCheck, DoesNotTakeALineBelowTheCode) {
  const PlantedTree tree;
  tree.plant("include/busway/event.hpp",
             "// busway/event.hpp -- an event.\n// Layer: event\n//\n// Model      M\n"
             "// Ownership  O\n// Errors     E\n// Cost       C\n// Example    X\n#pragma once\n"
             "// Threads    T\n");
  EXPECT_EQ(check_contracts(tree.root()).findings.size(), 1U);
}

TEST(ContractCheck, WantsTheHeadersOwnNameInItsFirstLine) {
  const PlantedTree tree;
  tree.plant_header("event.hpp", "event");
  std::filesystem::rename(tree.root() / "include/busway/event.hpp",
                          tree.root() / "include/busway/renamed.hpp");
  EXPECT_EQ(to_string(check_contracts(tree.root())),
            "include/busway/renamed.hpp:1: does not begin with \"// busway/renamed.hpp -- what it "
            "is\"\n");
}

TEST(ContractCheck, FindsAnExampleThatDoesNotExist) {
  const PlantedTree tree;
  tree.plant("tests/event/event_test.cpp", "");
  tree.plant("examples/01_hello/main.cpp", "");
  const std::string contract =
      "// busway/event.hpp -- an event.\n// Layer: event\n//\n// Model      M\n// Threads    T\n"
      "// Ownership  O\n// Errors     E\n// Cost       C\n// Example    ";
  tree.plant("include/busway/event.hpp",
             contract + "tests/event/event_test.cpp, examples/01_hello\n#pragma once\n");
  EXPECT_EQ(to_string(check_contracts(tree.root())), "");

  tree.plant("include/busway/event.hpp",
             contract + "tests/event/gone_test.cpp, examples/01_hello\n#pragma once\n");
  EXPECT_EQ(to_string(check_contracts(tree.root())),
            "include/busway/event.hpp:9: its example tests/event/gone_test.cpp does not exist\n");
}

TEST(Leftovers, AreNowhereInThisProject) {
  const Report report = check_leftovers(BUSWAY_SOURCE_DIR);
  EXPECT_EQ(to_string(report), "");
  EXPECT_GE(report.files, 20U) << "the check has not seen the project";
}

TEST(LeftoverCheck, FindsEachKindOfNoteInCodeDocsAndScripts) {
  const PlantedTree tree;
  const std::string todo = std::string("TO") + "DO";
  const std::string fixme = std::string("FIX") + "ME";
  const std::string triple = std::string("XX") + "X";
  tree.plant("src/base/a.cpp", "int a;  // " + todo + ": later\n");
  tree.plant("docs/b.md", "fine\n" + fixme + "(me) this\n");
  tree.plant("script/c", "# " + triple + "\n");
  EXPECT_EQ(to_string(check_leftovers(tree.root())), "docs/b.md:2: has a note \"" + fixme +
                                                         "\" of unfinished work\n"
                                                         "src/base/a.cpp:1: has a note \"" +
                                                         todo +
                                                         "\" of unfinished work\n"
                                                         "script/c:1: has a note \"" +
                                                         triple + "\" of unfinished work\n");
}

TEST(LeftoverCheck, LeavesWordsAloneThatOnlyContainOne) {
  const PlantedTree tree;
  tree.plant("script/c", std::string("mktemp /tmp/XX") + "XXXX\nMASTO" + "DON\n");
  tree.plant("build/generated.cpp", std::string("// TO") + "DO\n");
  EXPECT_EQ(to_string(check_leftovers(tree.root())), "");
}

}  // namespace
}  // namespace busway::structure
