#include <gtest/gtest.h>

#include <string>

#include <test_paths.hpp>
#include "layer_rules.hpp"
#include "planted_tree.hpp"

namespace busway::structure {
namespace {

std::string check(const PlantedTree& tree) { return to_string(check_layers(tree.root())); }

TEST(Layers, OfThisProjectHold) {
  const Report report = check_layers(BUSWAY_SOURCE_DIR);
  EXPECT_EQ(to_string(report), "");
  EXPECT_GE(report.files, 10U) << "the check has not seen the project";
}

TEST(LayerCheck, LetsALayerUseItselfAndEarlierOnes) {
  const PlantedTree tree;
  tree.plant_header("error.hpp", "base");
  tree.plant_header("event.hpp", "event", "#include <string>\n#include \"busway/error.hpp\"\n");
  tree.plant("src/base/text.hpp", "#include \"busway/error.hpp\"\n");
  tree.plant("src/match/trie.hpp", "");
  tree.plant("src/match/trie.cpp",
             "#include \"match/trie.hpp\"\n#include \"base/text.hpp\"\n#include <re2/re2.h>\n"
             "#include \"busway/event.hpp\"\n");
  EXPECT_EQ(check(tree), "");
}

TEST(LayerCheck, FindsAPrivateHeaderOfALaterLayer) {
  const PlantedTree tree;
  tree.plant("src/bus/routes.hpp", "");
  tree.plant("src/match/trie.cpp", "\n#include \"bus/routes.hpp\"\n");
  EXPECT_EQ(check(tree),
            "src/match/trie.cpp:2: includes \"bus/routes.hpp\": layer match may not include bus, a "
            "later layer\n");
}

TEST(LayerCheck, FindsItInAngleBracketsAndWithOddSpaces) {
  const PlantedTree tree;
  tree.plant("src/bus/routes.hpp", "");
  tree.plant("src/match/trie.cpp",
             "#include <bus/routes.hpp>\n  #  include   \"bus/routes.hpp\"\n");
  const Report report = check_layers(tree.root());
  ASSERT_EQ(report.findings.size(), 2U) << to_string(report);
  EXPECT_EQ(report.findings[0].line, 1U);
  EXPECT_EQ(report.findings[1].line, 2U);
}

TEST(LayerCheck, FindsAPublicHeaderOfALaterLayer) {
  const PlantedTree tree;
  tree.plant_header("bus.hpp", "bus");
  tree.plant_header("event.hpp", "event", "#include <busway/bus.hpp>\n");
  EXPECT_EQ(check(tree),
            "include/busway/event.hpp:11: includes \"busway/bus.hpp\": layer event may not include "
            "bus, a later layer\n");
}

TEST(LayerCheck, FindsSiblings) {
  const PlantedTree tree;
  tree.plant("src/phase/chain.hpp", "");
  tree.plant("src/plugin/worker.cpp", "#include \"phase/chain.hpp\"\n");
  tree.plant("src/store/memory.cpp", "#include \"delivery/mailbox.hpp\"\n");
  tree.plant("src/delivery/mailbox.hpp", "");
  EXPECT_EQ(
      check(tree),
      "src/plugin/worker.cpp:1: includes \"phase/chain.hpp\": layer plugin may not include "
      "its sibling phase\n"
      "src/store/memory.cpp:1: includes \"delivery/mailbox.hpp\": layer store may not include "
      "its sibling delivery\n");
}

TEST(LayerCheck, FindsAPublicHeaderThatNeedsAPrivateOne) {
  const PlantedTree tree;
  tree.plant("src/base/text.hpp", "");
  tree.plant_header("event.hpp", "event", "#include \"base/text.hpp\"\n");
  EXPECT_EQ(check(tree),
            "include/busway/event.hpp:11: includes \"base/text.hpp\": a public header may not "
            "include a private one\n");
}

TEST(LayerCheck, FollowsARelativePath) {
  const PlantedTree tree;
  tree.plant("src/bus/routes.hpp", "");
  tree.plant("src/match/trie.cpp", "#include \"../bus/routes.hpp\"\n");
  EXPECT_NE(check(tree).find("layer match may not include bus"), std::string::npos);
}

TEST(LayerCheck, FindsAHeaderWithoutALayerOrWithAnUnknownOne) {
  const PlantedTree tree;
  tree.plant("include/busway/none.hpp", "#pragma once\n");
  tree.plant_header("odd.hpp", "util");
  EXPECT_EQ(check(tree),
            "include/busway/none.hpp:1: has no line \"// Layer: ...\" among its first five\n"
            "include/busway/odd.hpp:1: names the layer util, which does not exist\n");
}

TEST(LayerCheck, FindsAFolderThatIsNoLayer) {
  const PlantedTree tree;
  tree.plant("src/util/misc.cpp", "");
  EXPECT_EQ(check(tree), "src/util/misc.cpp:1: src/util is no layer\n");
}

TEST(LayerCheck, FindsAnIncludeOfNoFile) {
  const PlantedTree tree;
  tree.plant("src/base/text.cpp", "#include \"base/gone.hpp\"\n#include <busway/gone.hpp>\n");
  EXPECT_EQ(check_layers(tree.root()).findings.size(), 2U) << check(tree);
}

TEST(LayerCheck, KeepsStoresApart) {
  const PlantedTree tree;
  tree.plant_header("store.hpp", "store");
  tree.plant_header("bus.hpp", "bus");
  tree.plant("stores/redis/include/busway/redis_store.hpp", "#include \"busway/store.hpp\"\n");
  tree.plant("stores/nats/src/nats.hpp", "");
  tree.plant("stores/nats/src/nats.cpp", "#include \"nats.hpp\"\n");
  EXPECT_EQ(check(tree), "");

  tree.plant("stores/nats/src/nats.cpp",
             "#include \"busway/redis_store.hpp\"\n#include \"busway/bus.hpp\"\n");
  EXPECT_EQ(check(tree),
            "stores/nats/src/nats.cpp:1: includes \"busway/redis_store.hpp\": a store is used by "
            "itself, by host, by apps and examples, through its public header\n"
            "stores/nats/src/nats.cpp:2: includes \"busway/bus.hpp\": a store driver may use store "
            "and what is below it, not bus\n");
}

TEST(LayerCheck, LeavesAPluginNothingButThePluginHeaderAndItsFolder) {
  const PlantedTree tree;
  tree.plant_header("plugin.h", "plugin");
  tree.plant_header("plugin.hpp", "plugin", "#include \"busway/plugin.h\"\n");
  tree.plant_header("bus.hpp", "bus");
  tree.plant("plugins/clock/ticks.hpp", "");
  tree.plant("plugins/clock/clock.cpp", "#include <busway/plugin.hpp>\n#include \"ticks.hpp\"\n");
  tree.plant("plugins/logger/logger.cpp", "#include <busway/plugin.h>\n#include <string>\n");
  EXPECT_EQ(check(tree), "");

  const std::string refusal =
      ": a plugin uses only busway/plugin.h, busway/plugin.hpp, its own folder and, if it ships, "
      "plugins/shared\n";
  tree.plant("plugins/logger/logger.cpp",
             "#include <busway/bus.hpp>\n#include \"../clock/ticks.hpp\"\n");
  EXPECT_EQ(check(tree), "plugins/logger/logger.cpp:1: includes \"busway/bus.hpp\"" + refusal +
                             "plugins/logger/logger.cpp:2: includes \"../clock/ticks.hpp\"" +
                             refusal);
}

TEST(LayerCheck, LetsThePluginsThatShipShareAFolderThatAppsMayReadToo) {
  const PlantedTree tree;
  tree.plant_header("plugin.hpp", "plugin");
  tree.plant_header("bus.hpp", "bus");
  tree.plant("plugins/shared/ticks.hpp", "");
  tree.plant("plugins/clock/clock.cpp", "#include \"shared/ticks.hpp\"\n");
  tree.plant("tests/plugins/shared/ticks_test.cpp", "#include \"shared/ticks.hpp\"\n");
  tree.plant("apps/busway/main.cpp", "#include \"shared/ticks.hpp\"\n");
  EXPECT_EQ(check(tree), "");

  tree.plant("plugins/shared/days.hpp", "#include <busway/bus.hpp>\n");
  tree.plant("examples/bot/trivia.cpp",
             "#include <busway/plugin.hpp>\n#include \"../../plugins/shared/ticks.hpp\"\n"
             "BUSWAY_PLUGIN(Trivia)\n");
  tree.plant("src/host/host.cpp", "#include \"../../plugins/shared/ticks.hpp\"\n");
  EXPECT_EQ(check_layers(tree.root()).findings.size(), 3U) << check(tree);
}

TEST(LayerCheck, HoldsThePluginsOfAnExampleToTheSameRule) {
  const PlantedTree tree;
  tree.plant_header("plugin.hpp", "plugin");
  tree.plant_header("bus.hpp", "bus");
  tree.plant("examples/bot/stats/stats.hpp", "");
  tree.plant("examples/bot/main.cpp", "#include <busway/bus.hpp>\n");
  tree.plant("examples/bot/trivia/trivia.cpp",
             "#include <busway/plugin.hpp>\nBUSWAY_PLUGIN(Trivia)\n");
  EXPECT_EQ(check(tree), "");

  tree.plant("examples/bot/trivia/trivia.cpp",
             "#include <busway/plugin.hpp>\n#include <busway/bus.hpp>\n"
             "#include \"../stats/stats.hpp\"\nBUSWAY_PLUGIN(Trivia)\n");
  EXPECT_EQ(check_layers(tree.root()).findings.size(), 2U) << check(tree);
}

TEST(LayerCheck, KeepsExamplesToThePublicHeaders) {
  const PlantedTree tree;
  tree.plant("src/base/text.hpp", "");
  tree.plant("examples/01_hello/main.cpp", "#include \"base/text.hpp\"\n");
  EXPECT_EQ(
      check(tree),
      "examples/01_hello/main.cpp:1: includes \"base/text.hpp\": an example may not include a "
      "private header\n");
}

TEST(LayerCheck, LetsNothingIncludeAppsTestsOrTheTestLibrary) {
  const PlantedTree tree;
  tree.plant("apps/busway/command.hpp", "");
  tree.plant("apps/busway/main.cpp", "#include \"command.hpp\"\n");
  tree.plant("tests/base/helper.hpp", "");
  tree.plant("testing/include/busway/testing/manual_clock.hpp", "");
  tree.plant("tests/base/clock_test.cpp", "#include \"busway/testing/manual_clock.hpp\"\n");
  EXPECT_EQ(check(tree), "");

  tree.plant(
      "src/host/host.cpp",
      "#include \"../../apps/busway/command.hpp\"\n#include \"../../tests/base/helper.hpp\"\n"
      "#include \"busway/testing/manual_clock.hpp\"\n");
  EXPECT_EQ(check_layers(tree.root()).findings.size(), 3U) << check(tree);
}

TEST(LayerCheck, KeepsTheTestLibraryBelowTheHost) {
  const PlantedTree tree;
  tree.plant_header("clock.hpp", "base");
  tree.plant_header("host.hpp", "host");
  tree.plant("testing/src/clock.cpp", "#include \"busway/clock.hpp\"\n");
  EXPECT_EQ(check(tree), "");
  tree.plant("testing/src/clock.cpp", "#include \"busway/host.hpp\"\n");
  EXPECT_EQ(check_layers(tree.root()).findings.size(), 1U) << check(tree);
}

}  // namespace
}  // namespace busway::structure
