#include <gtest/gtest.h>

#include <string>

#include "process.hpp"

namespace busway::app {
namespace {

TEST(Tool, HelpStatesTheCommandsAndTheExitCodes) {
  const Ended help = busway({"--help"});
  EXPECT_EQ(help.code, 0);
  for (const std::string part : {"run", "match", "check", "plugins", "Exit codes", "128+N"}) {
    EXPECT_TRUE(has(help.out, part)) << part;
  }
  for (const std::string command : {"run", "match", "check", "plugins"}) {
    const Ended one = busway({command, "--help"});
    EXPECT_EQ(one.code, 0) << command;
    EXPECT_TRUE(has(one.out, "Exit codes")) << command;
  }
}

TEST(Tool, SaysItsVersion) {
  const Ended version = busway({"--version"});
  EXPECT_EQ(version.code, 0);
  EXPECT_EQ(version.out.rfind("busway ", 0), 0U) << version.out;
}

TEST(Tool, EndsWithTwoWhenTheCommandLineCannotBeUsed) {
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {}, {"walk"}, {"run"}, {"match"}, {"check"}, {"run", "x.yaml", "--until-idel"}}) {
    const Ended ended = busway(arguments);
    EXPECT_EQ(ended.code, 2) << ended.err;
    EXPECT_EQ(ended.out, "");
    EXPECT_EQ(ended.err.rfind("busway: error: ", 0), 0U) << ended.err;
  }
}

TEST(Tool, NamesTheNearestCommandAndOption) {
  EXPECT_TRUE(has(busway({"chekc", "x.yaml"}).err, "did you mean check?"));
  EXPECT_TRUE(has(busway({"run", "x.yaml", "--until-idel"}).err, "did you mean --until-idle?"));
}

TEST(Tool, SaysWhichWordIsNoCommandAndWhichThereAre) {
  EXPECT_EQ(busway({"walk", "x"}).err,
            "busway: error: \"walk\" is no command of this version; commands: run, match, check, "
            "plugins, audit, pub, sub, history, replay, status, dlq, store, stats, bench (see "
            "busway --help)\n");
  EXPECT_EQ(
      busway({}).err,
      "busway: error: a command is missing; commands: run, match, check, plugins, audit, pub, "
      "sub, history, replay, status, dlq, store, stats, bench (see busway --help)\n");
  EXPECT_TRUE(has(busway({"--versoin"}).err,
                  "\"--versoin\" is no option of busway; did you mean "
                  "--version?"));
}

TEST(Tool, PointsToTheHelpOfTheCommandThatWasNamed) {
  for (const std::string command : {"run", "match", "check"}) {
    const std::string err = busway({command}).err;
    EXPECT_TRUE(has(err, "(see busway " + command + " --help)")) << err;
  }
  EXPECT_TRUE(has(busway({"run", "a.yaml", "--duration", "5"}).err, "(see busway run --help)"));
  EXPECT_TRUE(has(busway({"plugins", "reload"}).err, "(see busway plugins reload --help)"));
}

TEST(Tool, NamesTheCommandsOfACommand) {
  const auto fault = [](std::vector<std::string> arguments) {
    const Ended ended = busway(std::move(arguments));
    EXPECT_EQ(ended.code, 2);
    return ended.err;
  };
  EXPECT_EQ(fault({"plugins"}),
            "busway: error: a command of plugins is missing; commands: list, reload"
            " (see busway plugins --help)\n");
  EXPECT_EQ(fault({"plugins", "lst"}),
            "busway: error: \"lst\" is no command of plugins; commands: list, reload; did you mean "
            "list? (see busway plugins --help)\n");
  EXPECT_EQ(fault({"plugins", "list", "--hots", "1"}),
            "busway: error: \"--hots\" is no option of busway plugins list; did you mean --host?"
            " (see busway plugins list --help)\n");
}

TEST(Tool, NamesWhatWasTakenForAnOptionAndTheCure) {
  const Ended ended = busway({"match", "-x", "a"});
  EXPECT_EQ(ended.code, 2);
  EXPECT_EQ(ended.err,
            "busway: error: \"-x\" is no option of busway match; write -- before an argument that "
            "begins with - (see busway match --help)\n");
  EXPECT_EQ(busway({"match", "--", "-x", "-x"}).out, "-x\tyes\n");
}

TEST(Tool, ShowsTheArgumentsOfOthersEscaped) {
  const Ended ended = busway({"bad\x1b[31m"});
  EXPECT_EQ(ended.code, 2);
  EXPECT_FALSE(has(ended.err, "\x1b")) << ended.err;
}

}  // namespace
}  // namespace busway::app
