#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "../host/config_folder.hpp"
#include "process.hpp"

namespace busway::app {
namespace {

using nlohmann::json;

Ended check(const ConfigFolder& folder, std::vector<std::string> more = {}) {
  std::vector<std::string> arguments{"check", folder.file(), "--plugins", BUSWAY_HOST_PLUGINS};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return busway(arguments);
}

TEST(Check, SaysThatAGoodFileIsGood) {
  const ConfigFolder folder("plugins:\n  - path: host_talker\n");
  const Ended ended = check(folder);
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_EQ(ended.out, folder.file() + ": 0 errors, 0 warnings\n");
}

TEST(Check, EndsWithThreeAndPointsToLineAndNearestName) {
  struct Row {
    std::string text;
    std::string line;
    std::string hint;
  };
  const std::vector<Row> rows{
      {"history: {size: 1}\nhistory: {size: 2}\n", ":2: error: ", "history"},           // twice
      {"event_broker:\n  providr: memory\n", ":2: error: ", "did you mean provider?"},  // unknown
      {"event_broker:\n\tmode: sync\n", ":2: error: ", "tab"},
      {"event_broker:\n  redis:\n    port: 70000\n", ":3: error: ", "1 to 65535"},
      {"event_broker:\n  redis:\n    port: 010\n", ":3: error: ", "010"},
      {"event_broker:\n  mode: asynk\n", ":2: error: ", "did you mean async?"},
      {"event_broker:\n  keep: [\"[a\"]\n", ":2: error: ", "[a"},
      {"event_broker:\n  provider: sqlite:e.db\n  durability: memory\n",
       ":3: error: ", "process_crash or power_loss"},
      {"event_broker:\n  durability: power_loss\n", ":2: error: ", "in this process alone"},
      {"a: &x [*x]\n", ":1: error: ", ""},  // an alias inside what it repeats
      {"plugins:\n  - path: ../../tmp/x.so\n", ":2: error: ", "leads out"},
      {"plugins:\n  - path: host_talker\n    config:\n      pattern: ((a{100}){100}){100}\n",
       ":4: error: ", "pattern"},
  };
  for (const Row& row : rows) {
    const ConfigFolder folder(row.text);
    const Ended ended = check(folder);
    EXPECT_EQ(ended.code, 3) << row.text << ended.out;
    EXPECT_TRUE(has(ended.out, folder.file() + row.line)) << row.text << ended.out;
    EXPECT_TRUE(has(ended.out, row.hint)) << row.text << ended.out;
  }
}

TEST(Check, RefusesABombOfAliasesSoonAndSaysHowManyNodesAreAllowed) {
  std::string bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n";
  for (char c = 'b'; c < 'k'; ++c) {
    const std::string before = "*" + std::string(1, static_cast<char>(c - 1));
    bomb += std::string(1, c) + ": &" + c + " [" + before;
    for (int i = 0; i < 9; ++i) bomb += ", " + before;
    bomb += "]\n";
  }
  const Ended ended = check(ConfigFolder(bomb));
  EXPECT_EQ(ended.code, 3);
  EXPECT_TRUE(has(ended.out, "nodes")) << ended.out;
}

TEST(Check, RefusesFilesThatAreNoConfigurationAndSaysHowToMendThem) {
  ConfigFolder folder("history: {size: 1}\n");
  ::chmod(folder.file().c_str(), 0666);
  EXPECT_TRUE(has(check(folder).out, "chmod o-w"));
  EXPECT_EQ(check(folder).code, 3);
  folder.write(std::string("history: {size: 1}\0\n", 20));
  EXPECT_EQ(check(folder).code, 3);
  folder.write("");
  EXPECT_TRUE(has(check(folder).out, "empty"));
  EXPECT_EQ(check(folder).code, 3);
  const Ended directory = busway({"check", folder.path().string()});
  EXPECT_EQ(directory.code, 3);
  EXPECT_TRUE(has(directory.out, "directory")) << directory.out;
  EXPECT_EQ(busway({"check", folder.file("gone.yaml")}).code, 3);
}

TEST(Check, ShowsHowEachPatternWasReadAndWarnsOfTheDoubtfulOnes) {
  const ConfigFolder folder(
      "plugins:\n"
      "  - path: host_talker\n"
      "    config:\n"
      "      patterns: [chat.*, .*, done]\n");
  const Ended ended = check(folder);
  EXPECT_EQ(ended.code, 0) << "warnings alone refuse nothing";
  EXPECT_TRUE(has(ended.out, folder.file() + ":4: pattern: plugins[0].config.patterns[0]: "));
  EXPECT_TRUE(has(ended.out, ":4: warning: plugins[0].config.patterns[1]: ")) << ended.out;
  EXPECT_TRUE(has(ended.out, ":4: warning: plugins[0].config.patterns[2]: ")) << ended.out;
  EXPECT_TRUE(has(ended.out, ": 0 errors, 2 warnings\n")) << ended.out;
  EXPECT_EQ(check(folder, {"--strict"}).code, 1);
}

TEST(Check, ShowsTheFileWithItsSecretsMasked) {
  const ConfigFolder folder("event_broker: {redis: {password: hunter2, user: joe}}\n");
  const Ended ended = check(folder, {"--show"});
  EXPECT_EQ(ended.code, 0) << ended.out;
  EXPECT_TRUE(has(ended.out, "joe"));
  EXPECT_FALSE(has(ended.out, "hunter2"));
}

TEST(Check, PrintsOneObjectWithJson) {
  const ConfigFolder folder(
      "event_broker:\n  providr: memory\n"
      "plugins:\n  - path: host_talker\n    config: {pattern: chat.*}\n");
  const Ended ended = check(folder, {"--json"});
  EXPECT_EQ(ended.code, 3);
  const json all = json::parse(ended.out);
  EXPECT_EQ(all.at("ok"), false);
  EXPECT_EQ(all.at("issues").at(0).at("line"), 2);
  EXPECT_EQ(all.at("issues").at(0).at("path"), "event_broker.providr");
  EXPECT_EQ(all.at("issues").at(0).at("severity"), "error");
  EXPECT_EQ(all.at("patterns").at(0).at("kind"), "glob");
}

TEST(Check, ShowsTextOfTheFileEscaped) {
  const ConfigFolder folder("\"a\\x1b[31m\": 1\n");
  const Ended ended = check(folder);
  EXPECT_EQ(ended.code, 3);
  EXPECT_FALSE(has(ended.out, "\x1b")) << ended.out;
}

}  // namespace
}  // namespace busway::app
