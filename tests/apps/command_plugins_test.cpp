#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <environment.hpp>
#include <eventually.hpp>
#include <temporary_folder.hpp>

#include "../host/config_folder.hpp"
#include "platform/local_socket.hpp"
#include "process.hpp"

namespace busway::app {
namespace {

using nlohmann::json;

/// Hosts whose sockets lie in a folder of the test's own.
class PluginsCommand : public ::testing::Test {
 protected:
  void host(const std::string& config, std::vector<std::string> more = {}) {
    const std::string name = "host" + std::to_string(hosts_.size()) + ".yaml";
    folder_.write("plugins:\n" + config, name);
    std::vector<std::string> arguments{"run", folder_.file(name), "--plugins", BUSWAY_HOST_PLUGINS};
    arguments.insert(arguments.end(), more.begin(), more.end());
    hosts_.push_back(std::make_unique<Process>(tool(std::move(arguments))));
    ASSERT_TRUE(hosts_.back()->wait_for("ready"));
  }
  static std::string talker(const std::string& config = {}, const std::string& path = "host_talker",
                            const std::string& more = {}) {
    return "  - path: " + path + '\n' + more + "    config: {stay: true, print: true" +
           (config.empty() ? "" : ", " + config) + "}\n";
  }
  static Ended plugins(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "plugins");
    return busway(std::move(arguments));
  }
  static json listed() {
    const Ended ended = plugins({"list", "--json"});
    EXPECT_EQ(ended.code, 0) << ended.err;
    return json::parse(ended.out).at("plugins");
  }
  [[nodiscard]] std::vector<std::string> sockets() const {
    std::vector<std::string> all;
    for (const auto& file : std::filesystem::directory_iterator(control_.path()))
      all.push_back(file.path().native());
    return all;
  }
  /// Of a plugin, put in the place of what is there, as a build does.
  void build(const std::string& name) const {
    namespace fs = std::filesystem;
    const fs::path from = fs::path(BUSWAY_HOST_PLUGINS) / (name + ".so");
    fs::copy_file(from, folder_.file("made"), fs::copy_options::overwrite_existing);
    fs::rename(folder_.file("made"), folder_.file("mine.so"));
  }

  const TemporaryFolder control_;
  const EnvironmentVariable told_{"BUSWAY_CONTROL_DIR", control_.path().native()};
  const ConfigFolder folder_;
  std::vector<std::unique_ptr<Process>> hosts_;
};

TEST_F(PluginsCommand, ListShowsAnOperatorWhatEachPluginIs) {
  host(talker("ill: has a cold") +
       "  - path: host_talker\n    id: bad\n    config: {bad: start}\n");
  const Ended ended = plugins({"list"});
  EXPECT_EQ(ended.code, 0);
  EXPECT_EQ(ended.err, "");
  EXPECT_EQ(ended.out,
            "ID      STATE    GENERATION  VERSION  ISOLATION  PID  RESTARTS  QUEUED  "
            "HEALTH                LAST ERROR\n"
            "talker  running  1           1.0.0    none       -    0         0       "
            "degraded: has a cold  -\n"
            "bad     failed   1           1.0.0    none       -    0         0       "
            "-                     the plugin bad failed in start: start fails on purpose\n");
}

TEST_F(PluginsCommand, ListPrintsOneObjectWithJson) {
  host(talker());
  const json plugin = listed().at(0);
  EXPECT_EQ(plugin.at("id"), "talker");
  EXPECT_EQ(plugin.at("source"), "active");
  EXPECT_EQ(plugin.at("health").at("level"), "ok");
}

TEST_F(PluginsCommand, ListShowsTextFromOutsideEscaped) {
  host(talker(R"(ill: "\e[31m\nred")"));
  const Ended ended = plugins({"list"});
  EXPECT_TRUE(has(ended.out, R"(degraded: \x1b[31m\nred)")) << ended.out;
  EXPECT_FALSE(has(ended.out, "\x1b")) << ended.out;
}

TEST_F(PluginsCommand, ListShowsOneThatRunsInAProcessOfItsOwn) {
  host(talker({}, "host_talker", "    isolation: process\n"));
  const json plugin = listed().at(0);
  EXPECT_EQ(plugin.at("isolation"), "process");
  const int process = plugin.at("process_id").get<int>();
  EXPECT_EQ(::kill(process, 0), 0) << process;
  EXPECT_TRUE(has(plugins({"list"}).out, "  process    " + std::to_string(process) + ' '));
}

TEST_F(PluginsCommand, ListShowsOneThatHangsThenThatItIsQuarantined) {
  host(talker("lines: 1, bad: handler", "host_talker", "    deadlines: {hard: 1s}\n") +
       "  - path: host_talker\n    id: well\n");
  EXPECT_TRUE(eventually([] { return listed().at(0).at("state") == "quarantined"; }));
  const json all = listed();
  EXPECT_TRUE(has(all.at(0).at("last_error").get<std::string>(), "hard deadline")) << all;
  EXPECT_EQ(all.at(0).at("health"), nullptr);
  EXPECT_EQ(all.at(1).at("health").at("level"), "ok");
  EXPECT_TRUE(has(plugins({"list"}).out, "quarantined"));
}

TEST_F(PluginsCommand, ListIsNotHeldBackByOneThatHangs) {
  host(talker("lines: 1, bad: handler"));
  EXPECT_TRUE(eventually([] {
    const json health = listed().at(0).at("health");
    return health.at("level") == "unknown" &&
           has(health.at("message").get<std::string>(), "has not answered");
  }));
}

TEST_F(PluginsCommand, ReloadPutsARebuiltPluginInThePlaceOfTheOneThatRuns) {
  build("host_talker");
  host(talker({}, folder_.file("mine.so")));
  EXPECT_EQ(listed().at(0).at("version"), "1.0.0");
  build("host_talker_rebuilt");
  const Ended ended = plugins({"reload", "talker"});
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_TRUE(has(ended.out, "plugin=talker state=running generation=2 version=1.1.0 held_ms="))
      << ended.out;
  EXPECT_EQ(listed().at(0).at("version"), "1.1.0");
  const Ended again = plugins({"reload", "--json", "talker"});
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(json::parse(again.out).at("plugin").at("generation"), 3);
}

TEST_F(PluginsCommand, ReloadOfABrokenFileSaysWhyAndTheOldOneRunsOn) {
  build("host_talker");
  host(talker({}, folder_.file("mine.so")));
  folder_.write("no library", "mine.so");
  const Ended ended = plugins({"reload", "talker"});
  EXPECT_EQ(ended.code, 4);
  EXPECT_EQ(ended.out, "");
  EXPECT_TRUE(has(ended.err, "busway: error: ")) << ended.err;
  EXPECT_TRUE(has(ended.err, "mine.so")) << ended.err;
  EXPECT_EQ(listed().at(0).at("state"), "running");
  EXPECT_EQ(listed().at(0).at("generation"), 1);
}

TEST_F(PluginsCommand, ReloadNamesTheNearestPluginWhenThereIsNone) {
  host(talker());
  const Ended ended = plugins({"reload", "tlaker"});
  EXPECT_EQ(ended.code, 4);
  EXPECT_EQ(ended.err, "busway: error: there is no plugin \"tlaker\" (did you mean \"talker\"?)\n");
}

TEST_F(PluginsCommand, OfTwoHostsOneMustBeNamed) {
  const Ended none = plugins({"list"});
  EXPECT_EQ(none.code, 4);
  EXPECT_TRUE(has(none.err, "no host of this user runs")) << none.err;
  host(talker());
  host(talker("ill: second"));
  ASSERT_EQ(sockets().size(), 2U);
  const Ended both = plugins({"list"});
  EXPECT_EQ(both.code, 2);
  EXPECT_TRUE(has(both.err, "2 hosts of this user run")) << both.err;
  std::string seen;
  for (const std::string& socket : sockets()) {
    EXPECT_TRUE(has(both.err, socket)) << both.err;
    const Ended by_path = plugins({"list", "--host", socket});
    EXPECT_EQ(by_path.code, 0) << by_path.err;
    const std::string id = std::filesystem::path(socket).stem().native();
    EXPECT_EQ(plugins({"list", "--host", id}).out, by_path.out);
    seen += by_path.out;
  }
  EXPECT_TRUE(has(seen, "second"));
}

TEST_F(PluginsCommand, AHostThatHasEndedIsNotThereAnyMore) {
  host(talker());
  const std::string socket = sockets().at(0);
  hosts_[0]->signal(SIGTERM);
  EXPECT_EQ(hosts_[0]->wait().code, 0);
  EXPECT_TRUE(sockets().empty()) << "it has taken its socket with it";
  host(talker());
  const std::string left = sockets().at(0);
  hosts_[1]->signal(SIGKILL);
  (void)hosts_[1]->wait();
  EXPECT_EQ(plugins({"list"}).code, 4) << "what is left of one that was killed counts for nothing";
  for (const std::string& path : {socket, left}) {
    const Ended ended = plugins({"list", "--host", path});
    EXPECT_EQ(ended.code, 4);
    EXPECT_TRUE(has(ended.err, path)) << ended.err;
  }
}

TEST_F(PluginsCommand, ReplacesTheSocketOfADeadHostAndNotThatOfALiveOne) {
  const std::string path = folder_.file("my.sock");
  host(talker(), {"--control", path});
  EXPECT_EQ(plugins({"list", "--host", path}).code, 0);
  EXPECT_TRUE(sockets().empty()) << "there is one only";
  folder_.write("plugins: []\n", "second.yaml");
  const Ended second = busway({"run", folder_.file("second.yaml"), "--control", path});
  EXPECT_EQ(second.code, 4);
  EXPECT_TRUE(has(second.err, "listens there already")) << second.err;
  hosts_[0]->signal(SIGKILL);
  (void)hosts_[0]->wait();
  ASSERT_TRUE(std::filesystem::exists(path));
  host(talker(), {"--control", path});
  EXPECT_EQ(plugins({"list", "--host", path}).code, 0);
}

TEST_F(PluginsCommand, ASocketThatNobodyAskedForIsNoReasonNotToRun) {
  folder_.write("plugins: []\n");
  const EnvironmentVariable nowhere("BUSWAY_CONTROL_DIR", folder_.file("no/such/folder"));
  const std::vector<std::string> run{"run", folder_.file(), "--until-idle"};
  const auto with = [&](const std::string& control) {
    std::vector<std::string> arguments = run;
    arguments.insert(arguments.end(), {"--control", control});
    return busway(std::move(arguments));
  };
  const Ended warned = busway(run);
  EXPECT_EQ(warned.code, 0);
  EXPECT_TRUE(has(warned.err, "busway: warning: the control socket")) << warned.err;
  const Ended refused = with(folder_.file("no/such/a.sock"));
  EXPECT_EQ(refused.code, 4);
  EXPECT_TRUE(has(refused.err, "busway: error: the control socket")) << refused.err;
  EXPECT_EQ(with("off").err, "");
  EXPECT_EQ(with("").code, 2);
}

/// A host that answers with what it is told to.
class NonsenseHost {
 public:
  explicit NonsenseHost(std::string path)
      : path_(std::move(path)), listener_(platform_detail::listen_locally(path_)) {}

  /// What the command ends with that gets this for an answer.
  [[nodiscard]] Ended answer(std::vector<std::string> command, const std::string& reply) const {
    command.insert(command.begin(), "plugins");
    command.insert(command.end(), {"--host", path_});
    Process asks(tool(std::move(command)));
    platform_detail::Descriptor client;
    EXPECT_TRUE(eventually([&] {
      client = platform_detail::accept_locally(listener_.get());
      return client.valid();
    }));
    EXPECT_EQ(::send(client.get(), reply.data(), reply.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(reply.size()));
    ::shutdown(client.get(), SHUT_WR);
    return asks.wait();
  }

 private:
  std::string path_;
  platform_detail::Descriptor listener_;
};

TEST_F(PluginsCommand, SurvivesAHostThatTalksNonsense) {
  const std::string path = control_.file("1.sock");
  const NonsenseHost host(path);
  const std::string unusable =
      "busway: error: the host at \"" + path + "\" has given an answer that cannot be used: ";
  struct Row {
    std::string reply;
    std::string list;    // how the message begins
    std::string reload;  // "": as that
  };
  const std::string list_key = unusable + "its key \"plugins\" takes a list of objects, and is ";
  const std::string reload_key = unusable + "its key \"plugin\" takes an object, and is ";
  const std::vector<Row> rows{
      {"nonsense\n", unusable + "not JSON", ""},
      {"[]\n", unusable + "it is no object", ""},
      {"{}\n", list_key + "not there", reload_key + "not there"},
      {R"({"plugins":7,"plugin":7})"
       "\n",
       list_key + "\"7\"", reload_key + "\"7\""},
      {R"({"plugins":[{},"x"],"plugin":[{}]})"
       "\n",
       list_key, reload_key},
      {R"({"error":{"code":"denied"}})"
       "\n",
       "busway: error: the host gave no reason\n", ""},
      {R"({"error":{"code":1,"message":{"a":"b"}}})"
       "\n",
       "busway: error: the host gave a reason that is no text: {\"a\":\"b\"}\n", ""},
      {R"({"error":7})"
       "\n",
       "busway: error: the host gave no reason but 7\n", ""},
      {"{\"plugins\"", "busway: error: the host at \"" + path + "\" has hung up", ""},
  };
  for (const Row& row : rows) {
    for (const bool reloads : {false, true}) {
      const Ended ended = host.answer(
          reloads ? std::vector<std::string>{"reload", "x"} : std::vector<std::string>{"list"},
          row.reply);
      const std::string& begin = reloads && !row.reload.empty() ? row.reload : row.list;
      EXPECT_EQ(ended.code, 4) << row.reply;
      EXPECT_EQ(ended.out, "") << row.reply;
      EXPECT_TRUE(ended.err.starts_with(begin)) << ended.err;
      EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
    }
  }
}

TEST_F(PluginsCommand, CutsAMessageOfBackslashesWhereItWouldCutAnyOther) {
  const NonsenseHost host(control_.file("1.sock"));
  const auto shown = [&](const std::string& message) {
    const json reply{{"plugins", {{{"health", {{"level", "failing"}, {"message", message}}}}}}};
    return host.answer({"list"}, reply.dump() + '\n').out;
  };
  const std::string some(59, '\\');
  EXPECT_TRUE(has(shown(some + "x"), "failing: " + some + "x  -\n"));
  EXPECT_TRUE(has(shown(some + "\\\\b\\"), "failing: " + some + "\\... (3 more bytes)  -\n"));
  EXPECT_TRUE(has(shown(some + "\xC3\xA9"), "failing: " + some + "... (2 more bytes)  -\n"));
}

TEST_F(PluginsCommand, ReloadWaitsNoLongerThanItIsToldTo) {
  build("host_talker");
  host(talker("until: \"" + folder_.file("go_on") + '"', folder_.file("mine.so")));
  const Ended late = plugins({"reload", "talker", "--timeout", "1ms"});
  EXPECT_EQ(late.code, 4);
  EXPECT_EQ(late.out, "");
  EXPECT_EQ(late.err, "busway: error: the host at \"" + sockets().at(0) +
                          "\" has not answered within 1ms; the reload of \"talker\" was asked for "
                          "and may still be done: busway plugins list shows its state and "
                          "generation; --timeout waits longer\n");
  EXPECT_TRUE(eventually([] { return listed().at(0).at("state") == "reloading"; }))
      << "it goes on all the same";
  folder_.write("yes", "go_on");
  EXPECT_TRUE(eventually([] { return listed().at(0).at("generation") == 2; }));
  for (const std::string bad : {"0s", "60", "soon", "25h"}) {
    const Ended refused = plugins({"reload", "talker", "--timeout", bad});
    EXPECT_EQ(refused.code, 2) << bad;
    EXPECT_TRUE(has(refused.err, "--timeout")) << refused.err;
  }
}

}  // namespace
}  // namespace busway::app
