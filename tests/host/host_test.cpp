#include "busway/host.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <eventually.hpp>
#include <filesystem>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "busway/config_error.hpp"
#include "busway/default_bus.hpp"
#include "busway/error.hpp"
#include "busway/events/config_changed.hpp"
#include "busway/events/system_event_data.hpp"
#include "busway/subscription_info.hpp"
#include "busway/typed_event.hpp"
#include "config_folder.hpp"
#include "control_fixture.hpp"

namespace busway {
namespace {

constexpr std::chrono::seconds kGuard(60);

/// Quiet: what is logged of faults made on purpose is not for the reader of the test's output.
InitializeOptions options() {
  return {.plugin_folders = {BUSWAY_HOST_PLUGINS},
          .log = [](LogLevel, std::string_view, std::span<const LogField>) {}};
}

Host start(const std::string& text) {
  const ConfigFolder folder(text);
  return initialize(folder.file(), options());
}

ErrorCode refusal(const std::string& text, std::string* message = nullptr) {
  try {
    const Host host = start(text);
    return ErrorCode::ok;
  } catch (const Error& error) {
    if (message != nullptr) *message = error.what();
    return error.code();
  }
}

/// The topics of the bus's history, oldest first, without those of the plugins' steps up to
/// running.
std::vector<std::string> story(const Bus& bus) {
  std::vector<std::string> topics;
  for (const Event& event : bus.history()) {
    const std::string topic(event.topic());
    if (topic.starts_with("plugin.") && topic != "plugin.running" && topic != "plugin.stopping")
      continue;
    topics.insert(topics.begin(), topic);
  }
  return topics;
}

TEST(Host, LogsAPluginThatCannotBeLoadedOrStartedAsAnErrorWithItsPlace) {
  const ConfigFolder folder(
      "plugins:\n"
      "  - path: host_talker\n"
      "    id: a\n"
      "    config: {bad: setup}\n"
      "  - path: host_talker\n"
      "    id: b\n"
      "    config: {bad: start}\n"
      "  - path: host_gone\n"
      "    id: c\n");
  std::mutex mutex;
  std::vector<std::string> errors;
  InitializeOptions logging = options();
  logging.log = [&](LogLevel level, std::string_view message, std::span<const LogField> fields) {
    if (level != LogLevel::error) return;
    const std::lock_guard lock(mutex);
    std::string& line = errors.emplace_back(message);
    for (const LogField& field : fields) {
      line.append(" ").append(field.name).append("=").append(field.value);
    }
  };
  const Host host = initialize(folder.file(), logging);
  const std::lock_guard lock(mutex);
  ASSERT_EQ(errors.size(), 3U);
  const auto has = [&](std::size_t i, const std::string& part) {
    return errors[i].find(part) != std::string::npos;
  };
  EXPECT_TRUE(has(0, "plugin=a at=" + folder.file() + ":2")) << errors[0];
  EXPECT_TRUE(has(1, folder.file() + ":8: plugins[2]")) << errors[1];
  EXPECT_TRUE(has(2, "plugin=b at=" + folder.file() + ":5")) << errors[2];
}

TEST(Host, StartsThePluginsSaysSoAndStopsThemInOrder) {
  Host host = start("plugins:\n  - path: host_talker\n    config: {lines: 2}\n");
  EXPECT_TRUE(host.problems().empty());
  ASSERT_TRUE(host.wait_until_idle(kGuard));
  EXPECT_TRUE(host.idle());
  EXPECT_EQ(host.plugins().list().at(0).state, PluginState::running);
  ASSERT_TRUE(host.stop().ok());
  EXPECT_EQ(story(host.bus()),
            (std::vector<std::string>{"plugin.running", "system.startup", "talk.said", "talk.said",
                                      "system.shutdown", "plugin.stopping", "run.summary"}));
  EXPECT_EQ(host.bus().publish("talk.said").code, ErrorCode::stopped);
}

TEST(Host, RunsAPluginByTheRulesOfItsFile) {
  Host host = start(
      "event_broker: {buffer_size: 33}\n"
      "plugins:\n  - {path: host_talker, id: a, mailbox: {capacity: 44}}\n"
      "  - {path: host_talker, id: b}\n");
  const auto capacity = [&](const char* owner) {
    std::set<std::size_t> all;
    for (const SubscriptionInfo& info : host.bus().subscriptions(owner)) {
      all.insert(info.queue_capacity);
    }
    return all;
  };
  EXPECT_EQ(capacity("a"), std::set<std::size_t>{44});
  EXPECT_EQ(capacity("b"), std::set<std::size_t>{33});
}

TEST(Host, ReportsWhatEachPluginFoundAndWhatItsSubscriptionsDid) {
  Host host = start("plugins:\n  - path: host_talker\n    config: {lines: 5}\n");
  ASSERT_TRUE(host.wait_until_idle(kGuard));
  ASSERT_TRUE(host.stop().ok());
  const HostReport report = host.report();
  EXPECT_EQ(report.found, (Json{{"heard", 5}, {"lines", 5}, {"mood", "rather good"}}));
  ASSERT_EQ(report.plugins.size(), 1U);
  EXPECT_EQ(report.plugins[0].info.state, PluginState::stopped);
  EXPECT_EQ(report.plugins[0].deliveries.delivered, 5U);
  EXPECT_EQ(report.stats.failed, 0U);
}

TEST(Host, SetsTheDefaultBusUnlessToldToLeaveIt) {
  {
    Host host = start("plugins: []\n");
    EXPECT_EQ(&default_bus(), &host.bus());
    EXPECT_EQ(refusal("plugins: []\n"), ErrorCode::already_exists);
    const ConfigFolder folder("plugins: []\n");
    InitializeOptions second = options();
    second.default_bus = DefaultBus::leave;
    Host other = initialize(folder.file(), second);
    EXPECT_NE(&default_bus(), &other.bus());
  }
  EXPECT_EQ(default_bus().publish("a.b").code, ErrorCode::stopped) << "stopped, yet alive";
  Host next = start("plugins: []\n");
  EXPECT_EQ(&default_bus(), &next.bus());
}

TEST(Host, MovesWithItsPlugins) {
  Host one = start("plugins:\n  - path: host_talker\n    config: {stay: true}\n");
  Host two = std::move(one);
  EXPECT_EQ(two.plugins().list().size(), 1U);
  EXPECT_FALSE(two.idle()) << "its source stays";
  EXPECT_TRUE(two.stop().ok());
  EXPECT_TRUE(two.stop().ok()) << "a second stop has nothing to do";
}

TEST(Host, GoesOnWithoutAPluginThatCannotBeLoadedOrStarted) {
  const Host host = start(
      "plugins:\n"
      "  - path: host_nobody\n"
      "  - path: ../gone.so\n"
      "  - path: host_talker\n"
      "    id: setup\n"
      "    config: {bad: setup}\n"
      "  - path: host_talker\n"
      "    id: start\n"
      "    config: {bad: start}\n"
      "  - path: host_talker\n");
  std::vector<std::pair<std::string, ErrorCode>> problems;
  for (const PluginProblem& one : host.problems()) problems.emplace_back(one.id, one.code);
  EXPECT_EQ(problems, (std::vector<std::pair<std::string, ErrorCode>>{
                          {"plugins[0]", ErrorCode::bad_plugin_file},
                          {"plugins[1]", ErrorCode::bad_plugin_file},
                          {"setup", ErrorCode::plugin_failed},
                          {"start", ErrorCode::plugin_failed}}));
  EXPECT_NE(host.problems()[0].message.find(":2: plugins[0]"), std::string::npos)
      << host.problems()[0].message;
}

TEST(Host, AnnouncesEachPluginThatFailed) {
  Host host = start("plugins:\n  - path: host_nobody\n  - path: ./gone.so\n");
  EXPECT_EQ(host.bus().history("plugin.failed").size(), 2U);
}

TEST(Host, LeavesOutWhatRequiresAPluginThatCouldNotBeLoaded) {
  Host host = start(
      "plugins:\n"
      "  - path: host_talker\n"
      "    config: {bad: setup}\n"
      "  - path: host_follower\n");
  ASSERT_EQ(host.problems().size(), 2U);
  EXPECT_EQ(host.problems()[1].id, "follower");
  EXPECT_EQ(host.problems()[1].code, ErrorCode::plugin_requires);
  EXPECT_NE(host.problems()[1].message.find("\"talker\""), std::string::npos);
}

TEST(Host, RefusesAFileWhosePluginRequiresOneThatItDoesNotHave) {
  std::string message;
  EXPECT_EQ(refusal("plugins:\n  - path: host_follower\n", &message), ErrorCode::plugin_requires);
  EXPECT_NE(message.find("talker"), std::string::npos) << message;
  EXPECT_EQ(refusal("plugins: []\n"), ErrorCode::ok) << "nothing of it is left";
}

TEST(Host, StartsWhatIsRequiredFirstWhateverTheOrderOfTheFile) {
  Host host = start("plugins:\n  - path: host_follower\n  - path: host_talker\n");
  EXPECT_TRUE(host.problems().empty());
  std::vector<std::string> running;
  for (const Event& event : host.bus().history("plugin.running")) {
    running.insert(running.begin(), event.json().at("plugin_name").get<std::string>());
  }
  EXPECT_EQ(running, (std::vector<std::string>{"talker", "follower"}));
}

TEST(Host, RefusesAFaultyFileAndAProviderOfALaterVersion) {
  EXPECT_EQ(refusal("event_broker: {mode: fast}\n"), ErrorCode::invalid_config);
  std::string message;
  EXPECT_EQ(refusal("event_broker:\n  provider: redis\n", &message), ErrorCode::not_yet);
  EXPECT_NE(message.find("redis"), std::string::npos) << message;
  EXPECT_NE(message.find("memory"), std::string::npos) << message;
  EXPECT_NE(message.find(":2: event_broker.provider"), std::string::npos) << message;
}

TEST(Host, TellsWhenAPluginDidNotStopAsItShould) {
  Host host = start("plugins:\n  - path: host_talker\n    config: {bad: stop}\n");
  const HostStopResult result = host.stop();
  ASSERT_EQ(result.problems.size(), 1U);
  EXPECT_EQ(result.problems[0].id, "talker");
  EXPECT_FALSE(result.ok());
  EXPECT_EQ(host.report().plugins.at(0).info.state, PluginState::failed);
}

TEST(Host, CannotBeStoppedInsideAHandler) {
  Host host = start("plugins: []\n");
  ErrorCode code = ErrorCode::ok;
  const Subscription listening = host.bus().subscribe("stop.me", [&](const Event&) {
    try {
      (void)host.stop();
    } catch (const Error& error) {
      code = error.code();
    }
  });
  host.bus().publish("stop.me");
  EXPECT_EQ(code, ErrorCode::would_block);
}

TEST(HostControl, IsThereWhileTheHostIsAndOnlyWhenAskedFor) {
  const ConfigFolder folder("plugins:\n  - path: host_talker\n");
  InitializeOptions with = options();
  with.control = folder.file("run/host.sock");
  Host host = initialize(folder.file(), with);
  RawClient client(with.control);
  const Json reply = Json::parse(client.ask(R"({"do":"plugins"})"));
  EXPECT_EQ(reply.at("plugins").at(0).at("id"), "talker");
  ASSERT_TRUE(host.stop().ok());
  EXPECT_FALSE(std::filesystem::exists(with.control));
  EXPECT_EQ(client.rest(), "");
}

TEST(HostControl, ShowsAPluginThatDoesNotComeBackFromItsStop) {
  const ConfigFolder folder;
  folder.write("plugins:\n  - path: host_talker\n    config: {until: " + folder.file("go_on") +
               "}\n");
  InitializeOptions with = options();
  with.control = folder.file("run/host.sock");
  Host host = initialize(folder.file(), with);
  std::thread stop([&] { EXPECT_TRUE(host.stop().ok()); });
  RawClient client(with.control);
  EXPECT_TRUE(eventually([&] {
    const Json reply = Json::parse(client.ask(R"({"do":"plugins"})"));
    return reply.at("plugins").at(0).at("state") == "stopping";
  }));
  folder.write("yes", "go_on");
  stop.join();
}

TEST(HostControl, AReloadThatTakesLongKeepsNoOtherQuestionBack) {
  const ConfigFolder folder;
  folder.write("plugins:\n  - path: host_talker\n    config: {until: " + folder.file("go_on") +
               "}\n");
  InitializeOptions with = options();
  with.control = folder.file("run/host.sock");
  const Host host = initialize(folder.file(), with);
  RawClient reloads(with.control);
  EXPECT_TRUE(reloads.send("{\"do\":\"reload\",\"plugin\":\"talker\"}\n"));
  RawClient looks(with.control);
  EXPECT_TRUE(eventually([&] {
    const Json reply = Json::parse(looks.ask(R"({"do":"plugins"})"));
    return reply.at("plugins").at(0).at("state") == "reloading";
  }));
  folder.write("yes", "go_on");
  EXPECT_EQ(Json::parse(reloads.line()).at("plugin").at("generation"), 2);
}

TEST(HostControl, ThatCannotBeOpenedIsAnErrorOrAWarningAsItIsNeeded) {
  const ConfigFolder folder("plugins: []\n");
  InitializeOptions first = options();
  first.control = folder.file("run/host.sock");
  first.default_bus = DefaultBus::leave;
  const Host host = initialize(folder.file(), first);
  InitializeOptions second = options();
  second.control = first.control;
  try {
    (void)initialize(folder.file(), second);
    ADD_FAILURE() << "two hosts have one control socket";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::already_exists) << error.what();
  }
  std::vector<std::string> warnings;
  second.control_need = ControlNeed::optional;
  second.log = [&](LogLevel level, std::string_view message, std::span<const LogField>) {
    if (level == LogLevel::warning) warnings.emplace_back(message);
  };
  const Host other = initialize(folder.file(), second);
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_NE(warnings[0].find("listens there already"), std::string::npos) << warnings[0];
  EXPECT_NE(warnings[0].find("runs without"), std::string::npos) << warnings[0];
}

TEST(HostReload, AnnouncesTheKeysThatDiffer) {
  const ConfigFolder folder("history: {size: 10}\n");
  Host host = initialize(folder.file(), options());
  folder.write("history: {size: 11}\nevent_broker: {mode: async}\n");
  const ReloadResult result = host.reload();
  EXPECT_TRUE(result.ok());
  const std::vector<std::string> keys{"event_broker.mode", "history.size"};
  EXPECT_EQ(result.keys, keys);
  const std::vector<Event> said = host.bus().history("config.changed");
  ASSERT_EQ(said.size(), 1U);
  EXPECT_EQ(said[0].as<ConfigChanged>().keys, keys);
  EXPECT_EQ(said[0].as<ConfigChanged>().path, folder.file());
  EXPECT_EQ(host.bus().options().history, 10U) << "no key takes effect while the host runs";
}

TEST(HostReload, OfAFaultyFileChangesNothingAndIsASystemError) {
  const ConfigFolder folder("history: {size: 10}\n");
  Host host = initialize(folder.file(), options());
  for (const std::string bad :
       {"history: {size: many}\n", "event_broker: {provider: nats}\n", ""}) {
    folder.write(bad);
    const ReloadResult result = host.reload();
    EXPECT_FALSE(result.ok()) << bad;
    EXPECT_TRUE(result.keys.empty());
  }
  EXPECT_TRUE(host.bus().history("config.changed").empty());
  const std::vector<Event> said = host.bus().history("system.error");
  ASSERT_EQ(said.size(), 3U);
  EXPECT_NE(said[2].as<SystemEventData>().error.find("history.size"), std::string::npos);
}

}  // namespace
}  // namespace busway
