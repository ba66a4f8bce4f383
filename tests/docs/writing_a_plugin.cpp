// The plugins of docs/writing_a_plugin.md are loaded as the page says; snippets_test.cpp compares
// the page with them.
#include <gtest/gtest.h>
#include <busway/busway.hpp>
#include <busway/plugin_manager.hpp>

#include <chrono>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace std::chrono_literals;

/// The folder in which a program of the page would run.
class InTheFolderOfThePlugins {
 public:
  InTheFolderOfThePlugins() { std::filesystem::current_path(BUSWAY_DOCS_PLUGINS); }
  ~InTheFolderOfThePlugins() { std::filesystem::current_path(before_); }
  InTheFolderOfThePlugins(const InTheFolderOfThePlugins&) = delete;
  InTheFolderOfThePlugins& operator=(const InTheFolderOfThePlugins&) = delete;

 private:
  std::filesystem::path before_ = std::filesystem::current_path();
};

std::vector<busway::Json> payloads(const busway::Bus& bus, std::string_view topic) {
  std::vector<busway::Json> found;
  for (const busway::Event& event : bus.history(topic)) found.push_back(event.json());
  return found;
}

TEST(WritingAPlugin, ThePluginOfThePageGreets) {
  const InTheFolderOfThePlugins folder;
  busway::Bus bus;
  busway::PluginManager plugins(bus);
  plugins.load({.path = "plugins/hello.so", .config = {{"greeting", "good day"}}});
  for (const auto& problem : plugins.start_all()) std::cerr << problem.message << '\n';
  bus.publish("chat.message", busway::Json{{"name", "Ada"}});
  ASSERT_TRUE(plugins.wait_until_idle(60s));
  EXPECT_EQ(payloads(bus, "hello.said"),
            (std::vector<busway::Json>{{{"to", "Ada"}, {"text", "good day"}}}));
}

TEST(WritingAPlugin, ItsNamedHandlersAnswerAndItsSourceSpeaks) {
  const InTheFolderOfThePlugins folder;
  busway::Bus bus;
  busway::PluginManager plugins(bus);
  plugins.load(busway::PluginSpec{.path = "plugins/chatty.so"});
  EXPECT_TRUE(plugins.start_all().empty());
  EXPECT_EQ(bus.request("chat.question", busway::Json{{"n", 21}}, 60s).reply().json(),
            (busway::Json{{"answer", 42}}));
  bus.publish("chat.notice");
  ASSERT_TRUE(plugins.wait_until_idle(60s));
  EXPECT_EQ(payloads(bus, "hello.heard"), (std::vector<busway::Json>{{{"topic", "chat.notice"}}}));
  EXPECT_EQ(payloads(bus, "chat.line").size(), 2U);
}

TEST(WritingAPlugin, ItsStateIsHandedOver) {
  const InTheFolderOfThePlugins folder;
  busway::Bus bus;
  busway::PluginManager plugins(bus);
  plugins.load(busway::PluginSpec{.path = "plugins/points.so"});
  EXPECT_TRUE(plugins.start_all().empty());
  bus.publish("point", busway::Json("Ada"));
  plugins.reload("points");
  bus.publish("point", busway::Json("Ada"));
  ASSERT_TRUE(plugins.wait_until_idle(60s));
  EXPECT_EQ(payloads(bus, "points").size(), 2U);
  EXPECT_EQ(payloads(bus, "points").front(),
            (busway::Json{{"points", {{"Ada", 2}}}, {"round", 2}}));
}

TEST(WritingAPlugin, ItsSubscriptionLosesNothing) {
  const InTheFolderOfThePlugins folder;
  busway::Bus bus({.history = 1000});
  busway::PluginManager plugins(bus);
  plugins.load(busway::PluginSpec{.path = "plugins/patient.so"});
  EXPECT_TRUE(plugins.start_all().empty());
  for (int i = 0; i < 200; ++i) EXPECT_TRUE(bus.publish("order.created").ok());
  ASSERT_TRUE(plugins.wait_until_idle(60s));
  EXPECT_EQ(payloads(bus, "patient.seen").size(), 200U);
}

}  // namespace
