#include <gtest/gtest.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "../host/config_folder.hpp"
#include "process.hpp"

namespace busway::app {
namespace {

using nlohmann::json;

std::vector<std::string> run(const ConfigFolder& folder, std::vector<std::string> more) {
  std::vector<std::string> arguments{"run", folder.file(), "--plugins", BUSWAY_HOST_PLUGINS};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

std::string talker(const std::string& config) {
  return "plugins:\n  - path: host_talker\n    config: {" + config + "}\n";
}

TEST(Run, UntilIdleEndsWithTheLastLineOfTheSourcesAndReportsWhatWasFound) {
  const ConfigFolder folder(talker("lines: 500"));
  const Ended ended = busway(run(folder, {"--until-idle"}));
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_EQ(ended.err, "");
  EXPECT_EQ(
      ended.out.rfind("heard=500 lines=500 mood=\"rather good\"\n"
                      "plugin=talker state=stopped delivered=500 failed=0 heard=500 lines=500 "
                      "mood=\"rather good\"\n",
                      0),
      0U)
      << ended.out;
  EXPECT_TRUE(has(ended.out, "\ntopic=talk.said published=500 matched=500\n")) << ended.out;
  EXPECT_TRUE(has(ended.out, "\ntopic=system.shutdown published=1 ")) << ended.out;
}

TEST(Run, TakesTheDurabilityOfTheFileForItsOwnProviderAlone) {
  const ConfigFolder folder("event_broker:\n  durability: process_crash\n" + talker("lines: 1"));
  const Ended refused = busway(run(folder, {"--until-idle"}));
  EXPECT_EQ(refused.code, 3);
  EXPECT_TRUE(has(refused.err, folder.file() + ":2: event_broker.durability: ")) << refused.err;
  if (!has(busway({"run", "--help"}).out, "sqlite:")) return;
  const std::string store = folder.file() + ".db";
  EXPECT_EQ(busway(run(folder, {"--until-idle", "--store", "sqlite:" + store})).code, 0);
}

TEST(Run, RefusesAnAddressOfAStoreThatIsNoneAsAFaultOfTheCommandLine) {
  const ConfigFolder folder(talker("lines: 1"));
  for (const std::string wrong : {"", "sqlite:", "nope:x", "c.db", "redis://h", "memory:x"}) {
    const Ended ended = busway(run(folder, {"--until-idle", "--store", wrong}));
    EXPECT_EQ(ended.code, 2) << wrong << ": " << ended.err;
    EXPECT_TRUE(has(ended.err, "--store: ")) << ended.err;
  }
}

TEST(Run, PrintsOneObjectWithJsonWhateverPluginsPrint) {
  const ConfigFolder folder(talker("lines: 3, print: true"));
  const Ended ended = busway(run(folder, {"--until-idle", "--json"}));
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_EQ(ended.err, "ready\n");
  const json all = json::parse(ended.out);
  EXPECT_EQ(all.at("summary").at("lines"), 3);
  EXPECT_EQ(all.at("plugins").at(0).at("id"), "talker");
  EXPECT_EQ(all.at("plugins").at(0).at("deliveries").at("delivered"), 3);
  EXPECT_EQ(all.at("topics").at(0),
            json::parse(R"({"topic":"talk.said","published":3,"matched":3})"));
  EXPECT_EQ(all.at("ended_by"), "idle");
  EXPECT_EQ(all.at("problems"), json::array());
}

TEST(Run, StopsGracefullyOnSigtermAndSigint) {
  for (const int signal : {SIGTERM, SIGINT}) {
    const ConfigFolder folder(talker("lines: 2, stay: true, print: true"));
    Process process(tool(run(folder, {})));
    ASSERT_TRUE(process.wait_for("ready"));
    process.signal(signal);
    const Ended ended = process.wait();
    EXPECT_EQ(ended.code, 0) << ended.err;
    EXPECT_TRUE(has(ended.out, "plugin=talker state=stopped")) << ended.out;
    EXPECT_TRUE(has(ended.out, "heard=2 lines=2")) << "what was queued has been handled";
  }
}

TEST(Run, StopsOnASignalAlsoWhileItWaitsForIdleness) {
  const ConfigFolder folder(talker("stay: true, print: true"));
  Process process(tool(run(folder, {"--until-idle"})));
  ASSERT_TRUE(process.wait_for("ready"));
  process.signal(SIGTERM);
  EXPECT_EQ(process.wait().code, 0);
}

TEST(Run, EndsAtOnceOnASecondSignalWithItsNumber) {
  const ConfigFolder folder(talker("stay: true, print: true, bad: hang"));
  Process process(tool(run(folder, {"--control", "off"})));
  ASSERT_TRUE(process.wait_for("ready"));
  process.signal(SIGTERM);
  ASSERT_TRUE(process.wait_for("stopping"));
  process.signal(SIGINT);
  EXPECT_EQ(process.wait().code, 128 + SIGINT);
}

TEST(Run, EndsAfterItsDuration) {
  const ConfigFolder folder(talker("stay: true"));
  const Ended ended = busway(run(folder, {"--duration", "20ms", "--json"}));
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_EQ(json::parse(ended.out).at("ended_by"), "duration");
}

TEST(Run, RefusesADurationWithoutUnit) {
  const Ended ended = busway(run(ConfigFolder(talker("")), {"--duration", "5"}));
  EXPECT_EQ(ended.code, 2);
  EXPECT_TRUE(has(ended.err, "--duration")) << ended.err;
}

TEST(Run, RereadsItsFileOnSighupAndKeepsRunningWhenItIsFaulty) {
  const ConfigFolder folder(talker("stay: true, print: true"));
  Process process(tool(run(folder, {})));
  ASSERT_TRUE(process.wait_for("ready"));
  folder.write(talker("stay: true, print: false"));
  process.signal(SIGHUP);
  ASSERT_TRUE(process.wait_for("plugins[0].config.print"));
  folder.write("event_broker: {mode: fast}\n");
  process.signal(SIGHUP);
  ASSERT_TRUE(process.wait_for("event_broker.mode"));
  process.signal(SIGTERM);
  const Ended ended = process.wait();
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_TRUE(has(ended.out, "topic=config.changed published=1 ")) << ended.out;
  EXPECT_TRUE(has(ended.out, "topic=system.error published=1 ")) << ended.out;
}

TEST(Run, GoesOnWithoutAPluginThatCannotBeLoadedAndEndsWithOne) {
  const ConfigFolder folder(
      "plugins:\n  - path: host_nobody\n  - path: host_talker\n    config: {lines: 4}\n");
  const Ended ended = busway(run(folder, {"--until-idle"}));
  EXPECT_EQ(ended.code, 1);
  EXPECT_TRUE(has(ended.err, "host_nobody")) << ended.err;
  EXPECT_TRUE(has(ended.err, ":2: plugins[0]")) << ended.err;
  EXPECT_TRUE(has(ended.out, "plugin=talker state=stopped delivered=4")) << ended.out;
}

TEST(Run, EndsWithOneWhenAPluginDoesNotStopAsItShould) {
  const ConfigFolder folder(talker("bad: stop"));
  const Ended ended = busway(run(folder, {"--until-idle"}));
  EXPECT_EQ(ended.code, 1);
  EXPECT_TRUE(has(ended.err, "on purpose")) << ended.err;
}

TEST(Run, EndsWithOneAndTellsWhenEventsThatHadFailedStillWaitToBeTriedAgain) {
  const ConfigFolder folder(
      "event_broker:\n  retry_policy: {max_retries: 9, initial_delay: 1h, max_delay: 1h}\n" +
      talker("lines: 4, stay: true, print: true, bad: throw"));
  Process process(tool(run(folder, {"--json"})));
  ASSERT_TRUE(process.wait_for("ready"));
  process.signal(SIGTERM);
  const Ended ended = process.wait();
  EXPECT_EQ(ended.code, 1);
  EXPECT_EQ(json::parse(ended.out).at("left_over"), (json{{"dropped", 4}, {"dead_letters", 0}}));
  EXPECT_TRUE(has(ended.err, "4 events that it had failed to handle still waited")) << ended.err;
  EXPECT_TRUE(has(ended.err, "dropped=4")) << ended.err;
}

TEST(Run, EndsWithOneAndTellsWhoseDeadLettersWereLeftOver) {
  const ConfigFolder folder("event_broker:\n  retry_policy: {max_retries: 0}\n" +
                            talker("lines: 4, bad: throw"));
  const Ended ended = busway(run(folder, {"--until-idle", "--json"}));
  EXPECT_EQ(ended.code, 1);
  EXPECT_EQ(json::parse(ended.out).at("left_over"), (json{{"dropped", 0}, {"dead_letters", 4}}));
  EXPECT_TRUE(has(ended.err, "dead letters of \"talker\" were left over, count=4")) << ended.err;
}

TEST(Run, EndsWithThreeWhenTheConfigurationIsRefused) {
  for (const std::string text :
       {"event_broker:\n  provider: redis\n", "event_broker:\n  mode: fast\n",
        "plugins:\n  - path: host_follower\n"}) {
    const ConfigFolder folder(text);
    const Ended ended = busway(run(folder, {"--until-idle"}));
    EXPECT_EQ(ended.code, 3) << ended.err;
    EXPECT_EQ(ended.out, "");
    EXPECT_TRUE(has(ended.err, "error: ")) << ended.err;
  }
}

TEST(Run, ShowsItsLogOnlyWhenAsked) {
  const ConfigFolder folder(talker(""));
  EXPECT_EQ(busway(run(folder, {"--until-idle"})).err, "");
}

}  // namespace
}  // namespace busway::app
