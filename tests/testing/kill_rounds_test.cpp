#include "busway/testing/kill_rounds.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <temporary_folder.hpp>
#include <thread>
#include <vector>

namespace busway::testing {
namespace {

constexpr KillRounds::Options kQuick{.alive_max = std::chrono::milliseconds(1), .seed = 7};

/// Notes each of its starts, as "name round".
KillRounds::Start noted(std::vector<std::string>& starts, const std::string& name) {
  return [&starts, name](int round) {
    starts.push_back(name + " " + std::to_string(round));
    return std::make_unique<Process>(std::vector<std::string>{"/bin/cat"});
  };
}

TEST(KillRounds, KillsOneOfEachGroupInEachRoundAndStartsItAgain) {
  std::vector<std::string> consumers;
  std::vector<std::string> publishers;
  KillRounds rounds(kQuick);
  rounds.add({noted(consumers, "a"), noted(consumers, "b")});
  rounds.add({noted(publishers, "p")});
  EXPECT_EQ(consumers, (std::vector<std::string>{"a 0", "b 0"}));
  rounds.run(2);
  rounds.run(18);
  EXPECT_EQ(publishers.size(), 21U);
  EXPECT_EQ(publishers.back(), "p 20");
  EXPECT_EQ(consumers.size(), 22U);
  int of_a = 0;
  for (const std::string& one : consumers) of_a += one.starts_with("a") ? 1 : 0;
  EXPECT_GT(of_a, 1);
  EXPECT_LT(of_a, 21) << "b was never killed";
  EXPECT_TRUE(rounds.end());
}

TEST(KillRounds, EndTellsOfOneThatDoesNotEndWell) {
  const auto ends_with = [](const std::string& code) {
    return [code](int) {
      return std::make_unique<Process>(
          std::vector<std::string>{"/bin/sh", "-c", "read -r line; exit " + code});
    };
  };
  KillRounds rounds(kQuick);
  rounds.add({ends_with("0"), ends_with("1")});
  rounds.add({ends_with("0")});
  EXPECT_FALSE(rounds.end());
  EXPECT_TRUE(rounds.end()) << "nobody is left";
}

TEST(KillRounds, EndTellsOfOneThatDiedByItselfBeforeItWasKilled) {
  const TemporaryFolder folder;
  KillRounds rounds({.alive_max = std::chrono::milliseconds(1), .seed = 7});
  rounds.add({[&](int round) -> std::unique_ptr<Process> {
    if (round != 0) return std::make_unique<Process>(std::vector<std::string>{"/bin/cat"});
    auto dying =
        std::make_unique<Process>(std::vector<std::string>{"/bin/sh", "-c", "kill -SEGV $$"});
    EXPECT_EQ(dying->read_all(), "");  // it has closed its output: it is ending
    while (!dying->has_ended()) std::this_thread::yield();
    return dying;
  }});
  rounds.run(5);
  EXPECT_FALSE(rounds.end());
}

TEST(KillRounds, EndsTheGroupsLastAddedFirst) {
  const TemporaryFolder folder;
  const std::string mark = folder.file("publisher");
  const auto runs = [](const std::string& script) {
    return [script](int) {
      return std::make_unique<Process>(std::vector<std::string>{"/bin/sh", "-c", script});
    };
  };
  KillRounds rounds(kQuick);
  rounds.add({runs("read -r line; test -e '" + mark + "'")});
  rounds.add({runs("read -r line; mkdir '" + mark + "'")});
  EXPECT_TRUE(rounds.end()) << "the consumer was ended before the publisher";
}

TEST(KillRounds, WithoutAnybodyIsNothing) {
  KillRounds rounds(kQuick);
  rounds.add({});
  rounds.run(3);
  EXPECT_TRUE(rounds.end());
}

TEST(KillRounds, HandsOnWhatAStartThrows) {
  KillRounds rounds(kQuick);
  rounds.add({[](int round) -> std::unique_ptr<Process> {
    if (round == 2) throw std::runtime_error("it does not begin");
    return std::make_unique<Process>(std::vector<std::string>{"/bin/cat"});
  }});
  EXPECT_THROW(rounds.run(5), std::runtime_error);
}

}  // namespace
}  // namespace busway::testing
