#include "config/plugin_section.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "problems.hpp"

namespace busway::config {
namespace {

TEST(PluginSection, IsAListOfPluginsInTheOrderOfTheFile) {
  const std::vector<PluginSection> plugins =
      config_of(
          "plugins:\n"
          "  - path: plugins/trivia.so\n    id: quiz\n    config: {rounds: 3, greeting: '5'}\n"
          "  - {static: stats, enabled: false}\n")
          .plugins;
  ASSERT_EQ(plugins.size(), 2U);
  EXPECT_EQ(plugins[0].path, "plugins/trivia.so");
  EXPECT_EQ(plugins[0].id, "quiz");
  EXPECT_TRUE(plugins[0].enabled);
  EXPECT_EQ(plugins[0].rules.reload, std::nullopt);
  EXPECT_EQ(plugins[0].config, nlohmann::json::parse(R"({"rounds":3,"greeting":"5"})"));
  EXPECT_EQ(plugins[1].static_name, "stats");
  EXPECT_EQ(plugins[1].id, std::nullopt);
  EXPECT_FALSE(plugins[1].enabled);
  EXPECT_EQ(plugins[1].config, nlohmann::json::object());
}

TEST(PluginSection, SaysHowALaterBuildTakesItsPlace) {
  const auto plugins = config_of(
                           "plugins:\n  - {path: a.so, reload: stop_first}\n"
                           "  - {path: b.so, reload: none}\n")
                           .plugins;
  EXPECT_EQ(plugins[0].rules.reload, PluginReload::stop_first);
  EXPECT_EQ(plugins[1].rules.reload, PluginReload::none);
  EXPECT_EQ(
      errors_in("plugins:\n  - {path: a.so, reload: never}\n"),
      Lines{"f.yaml:2: plugins[0].reload: \"never\" is not one of overlap, stop_first, none"});
}

TEST(PluginSection, SaysWhatWaitsForItInAStore) {
  const auto plugins = config_of(
                           "plugins:\n  - {path: a.so, durable: shared}\n"
                           "  - {path: b.so, durable: none}\n  - {path: c.so, durable: instance}\n"
                           "  - {path: d.so}\n")
                           .plugins;
  EXPECT_EQ(plugins[0].rules.durable, PluginDurability::shared);
  EXPECT_EQ(plugins[1].rules.durable, PluginDurability::none);
  EXPECT_EQ(plugins[2].rules.durable, PluginDurability::instance);
  EXPECT_EQ(plugins[3].rules.durable, std::nullopt);
  EXPECT_EQ(errors_in("plugins:\n  - {path: a.so, durable: true}\n"),
            Lines{"f.yaml:2: plugins[0].durable: \"true\" is not one of instance, shared, none"});
}

TEST(PluginSection, TakesTheRulesOfAManifestButNotItsTopics) {
  const auto plugins =
      config_of(
          "plugins:\n  - {path: a.so, isolation: process, mailbox: {capacity: 8}}\n"
          "  - {path: b.so, deadlines: {hard: 9s}}\n")
          .plugins;
  EXPECT_EQ(plugins[0].rules.isolation, PluginIsolation::process);
  EXPECT_EQ(plugins[0].rules.queue_capacity, 8U);
  EXPECT_EQ(plugins[1].rules.isolation, std::nullopt);
  EXPECT_EQ(plugins[1].rules.hard_deadline, std::chrono::seconds(9));
  EXPECT_EQ(
      errors_in("plugins:\n  - {path: a.so, publish: ['*']}\n"
                "  - {path: b.so, deadlines: {soft: 2s, hard: 1s}}\n"),
      (Lines{
          "f.yaml:2: plugins[0].publish: unknown key; it is one of path, static, id, "
          "enabled, config, isolation, reload, durable, deadlines, mailbox, state, restart, limits",
          "f.yaml:3: plugins[1].deadlines.soft: soft (2s) is not shorter than hard (1s), so "
          "that no call would ever be reported first"}));
}

TEST(PluginSection, MayBeEmpty) {
  EXPECT_TRUE(config_of("plugins:\n").plugins.empty());
  EXPECT_TRUE(config_of("plugins: []\n").plugins.empty());
}

TEST(PluginSection, NeedsExactlyOneOfPathAndStatic) {
  EXPECT_EQ(errors_in("plugins:\n  - id: a\n  - {path: a.so, static: b}\n"),
            (Lines{"f.yaml:2: plugins[0]: needs path (a shared library) or static (the name of a "
                   "plugin linked in)",
                   "f.yaml:3: plugins[1].static: path and static exclude each other; remove one"}));
}

TEST(PluginSection, RefusesTwoOfOneId) {
  EXPECT_EQ(errors_in("plugins:\n  - {path: a.so, id: x}\n  - {path: b.so}\n"
                      "  - {path: c.so, id: x}\n"),
            Lines{"f.yaml:4: plugins[2].id: \"x\" is the id of plugins[0] already; give each its "
                  "own"});
}

TEST(PluginSection, NamesWhatIsWrongAndWhatIsNotOfferedYet) {
  EXPECT_EQ(
      errors_in("plugins:\n  - trivia.so\n  - {path: a.so, conifg: {}}\n"
                "  - {path: b.so, sync: true, config: [1]}\n"
                "  - {path: c.so, id: 'a b'}\n"),
      (Lines{
          "f.yaml:2: plugins[0]: expected a map with the keys path, static, id, enabled, "
          "config, isolation, reload, durable, deadlines, mailbox, state, restart, limits, found a "
          "single value",
          "f.yaml:3: plugins[1].conifg: unknown key; did you mean config?",
          "f.yaml:4: plugins[2].sync: this version does not offer it yet; remove it",
          "f.yaml:4: plugins[2].config: expected a map, found a list",
          "f.yaml:5: plugins[3].id: \"a b\" is not a name of letters, digits and _ - ."}));
}

TEST(PluginSection, WarnsOfOldBooleansInAPluginsConfig) {
  EXPECT_EQ(warnings_in("plugins:\n  - path: a.so\n    config:\n      loud: no\n"),
            Lines{"f.yaml:4: plugins[0].config.loud: no is read as text; write false for the "
                  "boolean, or put it in quotes"});
}

}  // namespace
}  // namespace busway::config
