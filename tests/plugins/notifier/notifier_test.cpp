// The plugin as a host runs it, with real programs.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <temporary_folder.hpp>
#include <vector>

#include "../plugin_on_a_clock.hpp"
#include "busway/events/auth_suspicious.hpp"
#include "busway/events/chain_event_data.hpp"
#include "busway/events/phase_event_data.hpp"
#include "busway/events/plugin_event_data.hpp"
#include "busway/events/quality_alert.hpp"
#include "busway/events/system_event_data.hpp"
#include "busway/plugin_import.hpp"
#include "busway/typed.hpp"

BUSWAY_IMPORT_PLUGIN(busway_notifier_static)

namespace busway {
namespace {

using namespace std::chrono_literals;

constexpr const char* kTarget = "busway_notifier";

/// What commands have written.
class Written {
 public:
  /// A command that adds what it is given.
  [[nodiscard]] Json command() const {
    return {"/bin/sh", "-c", "cat >> \"$1\"", "sh", folder_.file("out")};
  }
  [[nodiscard]] std::vector<Json> lines() const {
    std::ifstream in(folder_.file("out"));
    std::vector<Json> found;
    for (std::string line; std::getline(in, line) && !in.eof();) {
      found.push_back(Json::parse(line));
    }
    return found;
  }
  [[nodiscard]] bool comes(std::size_t count) const {
    return eventually([&] { return lines().size() == count; });
  }
  [[nodiscard]] std::string file(const std::string& name) const { return folder_.file(name); }

 private:
  TemporaryFolder folder_;
};

void fail(PluginOnAClock& run, std::string_view component, int times = 1) {
  for (int i = 0; i < times; ++i) run.bus().publish(system_error(component, "disk full"));
  run.settle();
}

class NotifierPlaces : public ::testing::TestWithParam<PluginPlace> {};
INSTANTIATE_TEST_SUITE_P(Places, NotifierPlaces, ::testing::ValuesIn(kPlaces), place_name);

TEST_P(NotifierPlaces, AStormIsOneNoticeWithACount) {
  const Written written;
  PluginOnAClock run(kTarget, {{"command", written.command()}}, GetParam());
  fail(run, "store", 1000);
  run.clock().advance(1s);
  ASSERT_TRUE(written.comes(1));
  EXPECT_EQ(written.lines()[0],
            (Json{{"topic", "system.error"},
                  {"source", ""},
                  {"subject", "store"},
                  {"text", "disk full"},
                  {"count", 1000},
                  {"first", "2024-01-01T00:00:00Z"},
                  {"last", "2024-01-01T00:00:00Z"},
                  {"payload", {{"component", "store"}, {"reason", ""}, {"error", "disk full"}}}}));
  EXPECT_TRUE(eventually([&] { return run.logged("notice: ").size() == 1; }));
  EXPECT_NE(run.logged("notice: ")[0].find("system.error, store: disk full (1000 times)"),
            std::string::npos)
      << run.logged("notice: ")[0];
}

TEST(Notifier, EachAddressIsToldApartAndEachOnlyOnce) {
  const Written written;
  PluginOnAClock run(kTarget, {{"command", written.command()}, {"patterns", "auth.suspicious"}});
  for (int i = 0; i < 20; ++i) {
    for (const char* address : {"203.0.113.9", "2001:db8::1"}) {
      run.bus().publish(auth_suspicious("root", address, "too_many_failures"));
    }
  }
  run.settle();
  run.clock().advance(1s);
  ASSERT_TRUE(written.comes(2));
  std::vector<std::string> subjects;
  for (const Json& line : written.lines()) {
    subjects.push_back(line.at("subject"));
    EXPECT_EQ(line.at("count"), 20);
  }
  std::sort(subjects.begin(), subjects.end());
  EXPECT_EQ(subjects, (std::vector<std::string>{"2001:db8::1", "203.0.113.9"}));
}

TEST(Notifier, TellsOfTheUsualTopicsAndOfThoseConfigured) {
  const Written written;
  PluginOnAClock run(kTarget, {{"command", written.command()}, {"patterns", "auth.*"}});
  run.bus().publish(quality_alert({.phase_name = "writer", .reason = "4 failures"}));
  run.bus().publish(system_error("config", "bad"));
  run.bus().publish(plugin_error({.plugin_name = "tail"}, "gone"));
  run.bus().publish(phase_final_failure("writer", "s1", "no model", 3, 3));
  run.bus().publish("chain.failed", ChainEventData{.failed_phase = "writer", .error = "no"});
  run.bus().publish("auth.suspicious", Json{{"reason", "too many"}});
  run.bus().publish("auth.raw", bytes("\xFF"));
  run.bus().publish("user.login", Json{{"user_id", "u1"}});
  run.settle();
  run.clock().advance(1s);
  ASSERT_TRUE(written.comes(7));
  std::vector<std::string> topics;
  for (const Json& line : written.lines()) topics.push_back(line.at("topic"));
  std::sort(topics.begin(), topics.end());
  EXPECT_EQ(topics, (std::vector<std::string>{"auth.raw", "auth.suspicious", "chain.failed",
                                              "phase.final_failure", "plugin.error",
                                              "quality.alert", "system.error"}));
  EXPECT_EQ(run.ask("notifier.stats").at("events"), 7);
}

TEST(Notifier, WithoutACommandTheLogIsToldAlone) {
  PluginOnAClock run(kTarget);
  fail(run, "store");
  run.clock().advance(1s);
  EXPECT_TRUE(eventually([&] { return run.logged("notice: system.error").size() == 1; }));
}

TEST(Notifier, ALongStormIsANoticeAnInterval) {
  const Written written;
  PluginOnAClock run(kTarget, {{"command", written.command()}, {"interval", "1m"}});
  for (int second = 0; second < 150; ++second) {
    fail(run, "store", 10);
    run.clock().advance(1s);
    run.settle();
  }
  // One after a second, then one a minute.
  ASSERT_TRUE(written.comes(3));
  EXPECT_EQ(run.ask("notifier.stats").at("notices"), 3);
  fail(run, "store");
  EXPECT_TRUE(run.manager().stop_all().empty());
  ASSERT_TRUE(written.comes(4)) << "what waits at the end is told";
  std::uint64_t told = 0;
  for (const Json& line : written.lines()) told += line.at("count").get<std::uint64_t>();
  EXPECT_EQ(told, 1501U);
}

TEST(Notifier, ACommandThatIsMissingIsToldOnceAndHarmsNobody) {
  PluginOnAClock run(kTarget,
                     {{"command", "/no/such/program"}, {"interval", "0s"}, {"wait", "0s"}});
  for (int i = 0; i < 5; ++i) {
    fail(run, "store " + std::to_string(i));
    EXPECT_TRUE(
        eventually([&] { return run.ask("notifier.stats").at("command").at("faults") == i + 1; }));
  }
  const auto error = run.wait("plugin.error").as<PluginEventData>();
  EXPECT_EQ(error.plugin_name, "notifier");
  EXPECT_NE(
      error.error.find("the command /no/such/program cannot be started: No such file or directory"),
      std::string::npos)
      << error.error;
  run.settle();
  EXPECT_EQ(run.count("plugin.error"), 1U);
  EXPECT_EQ(run.ask("notifier.stats").at("events"), 5) << "it did not hear itself";
  const PluginHealthInfo health = run.manager().health("notifier");
  EXPECT_NE(health.message.find("/no/such/program"), std::string::npos);
}

TEST(Notifier, ACommandThatWorksAgainAndFailsAgainIsToldAgain) {
  const Written written;
  const std::string script = "cat >> \"$2\"; ! test -e \"$1\"";
  PluginOnAClock run(
      kTarget,
      {{"command", {"/bin/sh", "-c", script, "sh", written.file("broken"), written.file("out")}},
       {"interval", "0s"},
       {"wait", "0s"}});
  for (const bool broken : {true, true, false, true}) {
    if (broken) {
      std::ofstream(written.file("broken")).flush();
    } else {
      std::filesystem::remove(written.file("broken"));
    }
    const auto runs = run.ask("notifier.stats").at("command").at("runs").get<int>();
    fail(run, "store");
    EXPECT_TRUE(
        eventually([&] { return run.ask("notifier.stats").at("command").at("runs") == runs + 1; }));
  }
  (void)run.wait("plugin.error", 1);
  run.settle();
  EXPECT_EQ(run.count("plugin.error"), 2U);
  EXPECT_TRUE(eventually([&] { return run.logged("works again").size() == 1; }));
}

TEST(Notifier, ACommandThatHangsBlocksNobody) {
  PluginOnAClock run(
      kTarget, {{"command", {"/bin/sleep", "1000"}}, {"command_timeout", "100ms"}, {"wait", "0s"}});
  fail(run, "store", 100);
  EXPECT_EQ(run.ask("notifier.stats").at("events"), 100) << "while it hangs";
  const auto error = run.wait("plugin.error").as<PluginEventData>();
  EXPECT_NE(error.error.find("the command /bin/sleep took longer than 100ms and was killed"),
            std::string::npos)
      << error.error;
  EXPECT_TRUE(run.manager().stop_all().empty());
}

TEST(Notifier, ACommandThatReadsNothingKillsNobody) {
  PluginOnAClock run(kTarget, {{"command", {"/bin/true"}}, {"wait", "0s"}, {"interval", "0s"}});
  for (int i = 0; i < 3; ++i) {
    run.bus().publish("system.error", Json{{"error", std::string(10'000, 'x')}});
    run.settle();
  }
  EXPECT_TRUE(eventually(
      [&] { return run.ask("notifier.stats").at("command").at("runs").get<int>() > 0; }));
  EXPECT_EQ(run.ask("notifier.stats").at("command").at("faults"), 0);
}

TEST(Notifier, DoesNotNotifyOfItsOwnFaults) {
  PluginOnAClock run(kTarget, {{"patterns", "*"}, {"command", "/no/such/program"}, {"wait", "0s"}});
  fail(run, "store");
  (void)run.wait("plugin.error");
  run.settle();
  const Json stats = run.ask("notifier.stats");
  run.settle();
  // plugin.* of its start came before it listened or are its own; the request is heard by "*".
  for (const std::string& line : run.logged("notice: ")) {
    EXPECT_EQ(line.find("plugin.error"), std::string::npos) << line;
  }
  EXPECT_EQ(run.count("plugin.error"), 1U) << stats;
}

TEST(Notifier, NoSecretLeavesIt) {
  const Written written;
  PluginOnAClock run(
      kTarget, {{"command", written.command()}, {"patterns", "door.*"}, {"secret_keys", "pin"}});
  run.bus().publish("door.opened",
                    Json{{"pin", "4711"},
                         {"api_key", "hunter2"},
                         {"text", "by https://bob:hunter2@host with token=hunter2"}});
  run.settle();
  run.clock().advance(1s);
  ASSERT_TRUE(written.comes(1));
  const std::string line = written.lines()[0].dump();
  EXPECT_EQ(line.find("hunter2"), std::string::npos) << line;
  EXPECT_EQ(line.find("4711"), std::string::npos) << line;
  ASSERT_TRUE(eventually([&] { return run.logged("notice: ").size() == 1; }));
  EXPECT_EQ(run.logged("notice: ")[0].find("hunter2"), std::string::npos);
}

TEST(Notifier, AReloadTellsWhatTheEarlierBuildHadCountedAndOnce) {
  const Written written;
  PluginOnAClock run(kTarget, {{"command", written.command()}});
  fail(run, "store", 7);
  run.reload();
  fail(run, "store", 5);
  EXPECT_TRUE(written.lines().empty());
  run.clock().advance(1s);
  ASSERT_TRUE(written.comes(1));
  EXPECT_EQ(written.lines()[0].at("count"), 12);
  EXPECT_TRUE(run.manager().stop_all().empty());
  EXPECT_EQ(written.lines().size(), 1U);
}

TEST(Notifier, AWrongKeyIsNamedWhenItIsLoaded) {
  const std::string refusal = PluginOnAClock::refusal(kTarget, {{"webhook", "https://x"}});
  EXPECT_NE(refusal.find("unknown key \"webhook\""), std::string::npos) << refusal;
  const std::string bad = PluginOnAClock::refusal(kTarget, {{"patterns", "re:auth.(bad"}});
  EXPECT_NE(bad.find("auth.(bad"), std::string::npos) << bad;
}

}  // namespace
}  // namespace busway
