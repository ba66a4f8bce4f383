#include "busway/check_config.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "config_folder.hpp"

namespace busway {
namespace {

std::vector<std::string> lines(const ConfigReport& report) {
  std::vector<std::string> all;
  for (const ConfigIssue& issue : report.issues) {
    all.push_back(std::to_string(issue.line) + " " + std::string(to_string(issue.severity)) + " " +
                  issue.path);
  }
  return all;
}

ConfigReport check(const std::string& text) {
  const ConfigFolder folder(text);
  return check_config(folder.file(), {.plugin_folders = {BUSWAY_HOST_PLUGINS}});
}

TEST(CheckConfig, FindsNothingWrongWithAGoodFile) {
  const ConfigReport report = check("plugins:\n  - path: host_talker\n    config: {lines: 3}\n");
  EXPECT_EQ(lines(report), std::vector<std::string>{});
  EXPECT_TRUE(report.ok());
}

TEST(CheckConfig, ReportsAllThatIsWrongAtOnceAtItsLine) {
  const ConfigReport report = check(
      "event_broker:\n"
      "  providr: memory\n"
      "  buffer_size: 0\n"
      "plugins:\n"
      "  - path: host_talkr\n"
      "  - path: host_talker\n"
      "    config: {pattern: a..*}\n");
  EXPECT_EQ(lines(report), (std::vector<std::string>{
                               "2 error event_broker.providr", "3 error event_broker.buffer_size",
                               "5 error plugins[0].path", "7 error plugins[1].config.pattern"}));
  EXPECT_NE(report.issues[0].message.find("did you mean provider"), std::string::npos);
  EXPECT_NE(report.issues[2].message.find("host_talker"), std::string::npos);
  EXPECT_FALSE(report.ok());
}

TEST(CheckConfig, LooksAtTheLibrariesWithoutOpeningThem) {
  const ConfigFolder folder(
      "plugins:\n  - path: ./text.so\n  - path: ./gone.so\n  - static: nobody\n");
  folder.write("this is no library", "text.so");
  const ConfigReport report = check_config(folder.file());
  EXPECT_EQ(lines(report),
            (std::vector<std::string>{"2 error plugins[0].path", "3 error plugins[1].path",
                                      "4 error plugins[2].static"}));
}

TEST(CheckConfig, LooksAtTheManifestsAndNamesTheirLines) {
  const ConfigFolder folder("plugins:\n  - path: ./text.so\n");
  folder.write("this is no library", "text.so");
  folder.write("id: text\nmailbocks: {}\n", "text.plugin.yaml");
  const ConfigReport faulty = check_config(folder.file());
  ASSERT_EQ(lines(faulty), std::vector<std::string>{"2 error mailbocks"});
  EXPECT_EQ(faulty.issues[0].file, folder.file("text.plugin.yaml"));
  folder.write("sha256: " + std::string(64, '0') + "\n", "text.plugin.yaml");
  const ConfigReport other = check_config(folder.file());
  ASSERT_EQ(lines(other), std::vector<std::string>{"2 error plugins[0].path"});
  EXPECT_NE(other.issues[0].message.find("its sha256 begins"), std::string::npos);
}

TEST(CheckConfig, TellsOnceOfRulesThatContradictEachOther) {
  const std::string soft = "  - path: ./text.so\n    deadlines: {soft: 5s";
  const ConfigFolder folder("plugins:\n" + soft + ", hard: 1s}\n" + soft + "}\n" +
                            "  - path: host_talker\n    restart: {delay: 2s, max_delay: 1s}\n");
  folder.write("this is no library", "text.so");
  const auto checked = [&] {
    return lines(check_config(folder.file(), {.plugin_folders = {BUSWAY_HOST_PLUGINS}}));
  };
  EXPECT_EQ(checked(), (std::vector<std::string>{
                           "2 error plugins[0].path", "3 error plugins[0].deadlines.soft",
                           "4 error plugins[1].path", "7 error plugins[2].restart.delay"}));
  // Of one file each, and contradictory together.
  folder.write("deadlines: {hard: 1s}\n", "text.plugin.yaml");
  EXPECT_EQ(checked(), (std::vector<std::string>{
                           "2 error plugins[0].path", "3 error plugins[0].deadlines.soft",
                           "4 error plugins[1].path", "7 error plugins[2].restart.delay"}));
  // The manifest by itself.
  folder.write("deadlines: {soft: 2s, hard: 1s}\n", "text.plugin.yaml");
  EXPECT_EQ(checked(),
            (std::vector<std::string>{"1 error deadlines.soft", "3 error plugins[0].deadlines.soft",
                                      "7 error plugins[2].restart.delay"}));
}

TEST(CheckConfig, RefusesTwoPluginsThatWouldHaveOneId) {
  const std::string talker = "plugins:\n  - path: host_talker\n";
  const ConfigReport twice = check(talker + "  - path: host_talker.so\n");
  EXPECT_EQ(lines(twice), std::vector<std::string>{"3 error plugins[1].path"});
  EXPECT_NE(twice.issues.at(0).message.find("plugins[0]"), std::string::npos);
  EXPECT_TRUE(check(talker + "  - path: host_talker\n    id: other\n").ok());
  EXPECT_TRUE(check(talker + "  - path: host_talker\n    enabled: false\n").ok());
  EXPECT_EQ(lines(check("plugins:\n  - {path: host_talker, id: one}\n"
                        "  - {path: host_follower, id: one}\n")),
            std::vector<std::string>{"3 error plugins[1].id"});
}

TEST(CheckConfig, LeavesOutLibrariesThatAreNotEnabled) {
  EXPECT_TRUE(check("plugins:\n  - path: ./gone.so\n    enabled: false\n").ok());
}

TEST(CheckConfig, RefusesAProviderOfALaterVersion) {
  EXPECT_EQ(lines(check("event_broker:\n  provider: redis\n")),
            std::vector<std::string>{"2 error event_broker.provider"});
}

TEST(CheckConfig, WarnsOfPatternsThatMatchEverythingUnlessAFilterStandsBeside) {
  const ConfigReport report = check(
      "plugins:\n"
      "  - path: host_talker\n"
      "    config:\n"
      "      all:\n"
      "        - {pattern: .*}\n"
      "        - {pattern: '*'}\n"
      "        - {pattern: 'seg:**'}\n"
      "        - {pattern: .*, filter: important}\n"
      "        - {pattern: user.*}\n");
  EXPECT_EQ(lines(report),
            (std::vector<std::string>{"5 warning plugins[0].config.all[0].pattern",
                                      "6 warning plugins[0].config.all[1].pattern",
                                      "7 warning plugins[0].config.all[2].pattern"}));
  EXPECT_TRUE(report.ok()) << "warnings refuse nothing";
  EXPECT_EQ(report.patterns.size(), 5U);
}

TEST(CheckConfig, WarnsOfTopicsOfOneWord) {
  const ConfigReport report = check(
      "plugins:\n"
      "  - path: host_talker\n"
      "    config:\n"
      "      patterns: [created, user.created, 'user:created']\n"
      "      topic: done\n");
  EXPECT_EQ(lines(report), (std::vector<std::string>{"4 warning plugins[0].config.patterns[0]",
                                                     "5 warning plugins[0].config.topic"}));
}

TEST(CheckConfig, OnlyWarnsOfTopicsThatAreNone) {
  const ConfigReport report =
      check("plugins:\n  - path: host_talker\n    config: {topics: [General chat, '(']}\n");
  EXPECT_EQ(lines(report), (std::vector<std::string>{"3 warning plugins[0].config.topics[0]",
                                                     "3 warning plugins[0].config.topics[1]"}));
}

TEST(CheckConfig, ShowsTheFileWithoutItsSecrets) {
  const ConfigReport report = check(
      "event_broker: {redis: {password: hunter2}}\n"
      "plugins:\n"
      "  - path: host_talker\n"
      "    config: {bot_token: hunter3, room: lobby}\n");
  EXPECT_EQ(report.shown.find("hunter"), std::string::npos) << report.shown;
  EXPECT_NE(report.shown.find("lobby"), std::string::npos) << report.shown;
}

TEST(CheckConfig, HidesWhatTheFileAndTheProgramNameAsSecretsToo) {
  const ConfigFolder folder(
      "secret_keys: [pin]\n"
      "plugins:\n"
      "  - path: host_talker\n"
      "    config: {door_pin: hunter2, sessionCookie: hunter3, room: lobby}\n");
  const ConfigReport report = check_config(
      folder.file(), {.plugin_folders = {BUSWAY_HOST_PLUGINS}, .secret_keys = {"cookie"}});
  EXPECT_TRUE(report.ok());
  EXPECT_EQ(report.shown.find("hunter"), std::string::npos) << report.shown;
  EXPECT_NE(report.shown.find("lobby"), std::string::npos) << report.shown;
}

TEST(CheckConfig, ReportsAFileThatCannotBeRead) {
  const ConfigReport report = check_config("/nowhere/busway.yaml");
  ASSERT_EQ(report.issues.size(), 1U);
  EXPECT_EQ(report.issues[0].file, "/nowhere/busway.yaml");
  EXPECT_FALSE(report.ok());
}

}  // namespace
}  // namespace busway
