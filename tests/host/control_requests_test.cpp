#include "host/control_requests.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "busway/bus.hpp"
#include "busway/error.hpp"

namespace busway::host_detail {
namespace {

class Kept final : public ControlReply {
 public:
  bool send(std::string_view line) override {
    lines.emplace_back(line);
    return true;
  }
  std::vector<std::string> lines;
};

class ControlRequestsTest : public ::testing::Test {
 protected:
  ControlRequestsTest() : bus_(quiet()), plugins_(bus_) {}

  static BusOptions quiet() {
    BusOptions options;
    options.log = [](LogLevel, std::string_view, std::span<const LogField>) {};
    return options;
  }
  void run(const std::string& id, Json config = Json::object()) {
    plugins_.load({.path = BUSWAY_HOST_PLUGINS "/host_talker.so",
                   .id = id,
                   .config = std::move(config),
                   .place = "here.yaml:7"});
    plugins_.start(id);
  }
  Json ask(std::string_view line) {
    Kept reply;
    answer_control(plugins_, line, reply);
    EXPECT_EQ(reply.lines.size(), 1U) << line;
    if (reply.lines.empty()) return {};
    EXPECT_EQ(reply.lines[0].find('\n'), std::string::npos);
    return Json::parse(reply.lines[0]);
  }

  Bus bus_;
  PluginManager plugins_;
};

TEST_F(ControlRequestsTest, PluginsTellsAllThatIsKnownOfEach) {
  run("talker");
  EXPECT_THROW(run("bad", {{"bad", "start"}}), Error);
  const Json all = ask(R"({"do":"plugins"})").at("plugins");
  ASSERT_EQ(all.size(), 2U);
  const Json talker = Json::parse(R"({
      "id":"talker","version":"1.0.0","description":"","state":"running","generation":1,
      "required":[],"last_error":"","still_mapped":false,"place":"here.yaml:7","held_ms":0.0,
      "isolation":"none","process_id":0,"restarts":0,"queued":0,
      "health":{"level":"ok","message":""}})");
  Json found = all[0];
  EXPECT_EQ(found.at("path"), BUSWAY_HOST_PLUGINS "/host_talker.so");
  found.erase("path");
  EXPECT_TRUE((std::set<std::string>{"active", "ended"}).contains(found.at("source")));
  found.erase("source");
  EXPECT_EQ(found, talker);
  EXPECT_EQ(all[1].at("state"), "failed");
  EXPECT_EQ(all[1].at("last_error"), "the plugin bad failed in start: start fails on purpose");
  EXPECT_EQ(all[1].at("health"), nullptr) << "only those that run are asked";
}

TEST_F(ControlRequestsTest, PluginsOfNobodyIsAnEmptyList) {
  EXPECT_EQ(ask(R"({"do":"plugins"})"), Json::parse(R"({"plugins":[]})"));
}

TEST_F(ControlRequestsTest, ReloadAnswersWithThePluginAsItIsThen) {
  run("talker");
  const Json plugin = ask(R"({"plugin":"talker","do":"reload"})").at("plugin");
  EXPECT_EQ(plugin.at("id"), "talker");
  EXPECT_EQ(plugin.at("generation"), 2);
  EXPECT_EQ(plugin.at("state"), "running");
  EXPECT_GT(plugin.at("held_ms").get<double>(), 0.0);
}

TEST_F(ControlRequestsTest, ReloadSaysWhyItWasNotDone) {
  run("talker");
  const Json unknown = ask(R"({"do":"reload","plugin":"tlaker"})").at("error");
  EXPECT_EQ(unknown.at("code"), "not_found");
  EXPECT_EQ(unknown.at("message"), "there is no plugin \"tlaker\" (did you mean \"talker\"?)");
  plugins_.stop("talker");
  const Json stopped = ask(R"({"do":"reload","plugin":"talker"})").at("error");
  EXPECT_EQ(stopped.at("code"), "plugin_state");
}

TEST_F(ControlRequestsTest, RefusesWhatIsNoRequestAndSaysWhatIs) {
  struct Bad {
    std::string line;
    std::string code;
    std::string message;  // or a part
  };
  const std::vector<Bad> all{
      {"", "invalid_json", ""},
      {"plugins", "invalid_json", ""},
      {R"({"do":"plugins")", "invalid_json", ""},
      {R"({"do":"plugins"}{})", "invalid_json", ""},
      {R"({"do":"plugins","do":"reload"})", "invalid_json", "\"do\""},
      {"{\"do\":\"\xFF\"}", "invalid_json", ""},
      {std::string(100, '[') + std::string(100, ']'), "too_deep", ""},
      {"[1]", "invalid_argument", "it takes an object"},
      {"{}", "invalid_argument", "no key \"do\""},
      {R"({"do":1})", "invalid_argument", "the key \"do\" of the request is \"1\""},
      {R"({"do":"plugns"})", "invalid_argument",
       "there is no request \"plugns\"; did you mean \"plugins\"?"},
      {R"({"do":"something else"})", "invalid_argument", "there are: \"plugins\", \"reload\""},
      {R"({"do":"\u001b[31m"})", "invalid_argument", R"("\x1b[31m")"},
      {R"({"do":"plugins","plugin":"x"})", "invalid_argument",
       "\"plugin\" is no key of the request \"plugins\"; its keys: \"do\""},
      {R"({"do":"reload","plugn":"x"})", "invalid_argument", "did you mean \"plugin\"?"},
      {R"({"do":"reload"})", "invalid_argument", "no key \"plugin\""},
      {R"({"do":"reload","plugin":["x"]})", "invalid_argument", "it takes a text"},
  };
  for (const Bad& bad : all) {
    const Json error = ask(bad.line).at("error");
    EXPECT_EQ(error.at("code"), bad.code) << bad.line;
    EXPECT_NE(error.at("message").get<std::string>().find(bad.message), std::string::npos)
        << bad.line << '\n'
        << error;
  }
}

TEST_F(ControlRequestsTest, WhatAPluginSaidOfItsHealthIsNotToldOnceItIsStopped) {
  run("talker");
  run("other");
  run("third");
  run("gone");
  std::vector<PluginInfo> asked = plugins_.examine(std::chrono::minutes(1));
  for (const PluginInfo& info : asked) ASSERT_TRUE(info.health.has_value()) << info.id;
  plugins_.stop("other");
  plugins_.reload("third");
  plugins_.unload("gone");
  asked = with_changes_since(std::move(asked), plugins_.list());
  ASSERT_EQ(asked.size(), 4U);
  ASSERT_TRUE(asked[0].health.has_value());
  EXPECT_EQ(asked[0].health->level, PluginHealthInfo::Level::ok);
  EXPECT_EQ(asked[1].state, PluginState::stopped);
  EXPECT_FALSE(asked[1].health.has_value());
  EXPECT_EQ(asked[2].generation, 2U);
  ASSERT_TRUE(asked[2].health.has_value());
  EXPECT_EQ(asked[2].health->level, PluginHealthInfo::Level::unknown);
  EXPECT_EQ(asked[3].state, PluginState::unloaded);
  EXPECT_FALSE(asked[3].health.has_value());
}

TEST_F(ControlRequestsTest, TextThatIsNotUtf8IsMendedRatherThanLost) {
  PluginInfo info;
  info.last_error = "caf\xE9";
  EXPECT_EQ(to_line(to_json(info)).find('\xE9'), std::string::npos);
}

}  // namespace
}  // namespace busway::host_detail
