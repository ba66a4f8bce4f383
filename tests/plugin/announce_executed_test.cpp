// What stands around the handlers of all plugins, and the one that announces their work.
#include "busway/announce_executed.hpp"

#include <atomic>
#include <chrono>
#include <mutex>

#include "busway/events/plugin_executed.hpp"
#include "busway/typed.hpp"
#include "plugin_fixture.hpp"

namespace busway {
namespace {

class AroundPlugins : public PluginTest {};

void run_in(PluginManager& manager, std::string_view name) {
  manager.load(PluginSpec{.path = library(name), .rules = usual_rules()});
  manager.start(std::string(name));
}

TEST_F(AroundPlugins, TheMiddlewareIsToldThePluginAndDecides) {
  std::mutex mutex;
  std::vector<std::string> calls;
  PluginManager manager(bus_, {.middleware = [&](std::string_view plugin, const Event& event,
                                                 Context&, const Next& next) {
                          const std::lock_guard lock(mutex);
                          calls.push_back(std::string(plugin) + ' ' + std::string(event.topic()));
                          if (event.user_id() == "stranger")
                            return Outcome::dead_letter("no strangers");
                          return next();
                        }});
  Watcher watch(bus_, "test.echoed");
  run_in(manager, "everything");
  bus_.publish("test.echo", Json(1), {.user_id = "stranger"});
  bus_.publish("test.echo", Json(2));
  EXPECT_EQ(watch.wait("test.echoed").json().at("payload"), 2);
  ASSERT_EQ(bus_.dead_letters().size(), 1U);
  EXPECT_EQ(bus_.dead_letters().list().front().history.front().reason, "no strangers");
  const std::lock_guard lock(mutex);
  EXPECT_EQ(calls, (std::vector<std::string>{"everything test.echo", "everything test.echo"}));
}

TEST_F(AroundPlugins, ItStandsAroundSyncHandlersToo) {
  std::atomic<int> calls{0};
  PluginManager manager(
      bus_, {.middleware = [&](std::string_view, const Event&, Context&, const Next& next) {
        ++calls;
        return next();
      }});
  Watcher watch(bus_, "waited");
  manager.load(PluginSpec{.path = library("counter_1"), .rules = usual_rules()});
  manager.start("counter");
  EXPECT_EQ(bus_.publish("wait", Json(1)).delivered, 1U);
  watch.wait("waited");
  EXPECT_EQ(calls, 1);
}

TEST_F(AroundPlugins, EachCallIsAnnouncedWithItsUserAndNoneOfTheAnnouncements) {
  PluginManager manager(bus_, {.middleware = AnnounceExecuted()});
  Watcher watch(bus_, {"plugin.executed", "test.echoed"});
  run_in(manager, "everything");
  bus_.publish("test.echo", Json(1), {.user_id = "u-1"});
  const Event event = watch.wait("plugin.executed");
  const auto& executed = event.as<PluginExecuted>();
  EXPECT_EQ(executed.plugin, "everything");
  EXPECT_EQ(executed.user, "u-1");
  EXPECT_GE(executed.execution_time_ms, 0);
  EXPECT_EQ(event.causation_id(), watch.wait("test.echoed").causation_id());
  bus_.publish(topics::kPluginExecuted, Json::object());
  bus_.publish("test.echo", Json(2));
  watch.wait("plugin.executed", 2);
  EXPECT_EQ(watch.count("plugin.executed"), 3U) << "two of calls, one by hand";
}

TEST_F(AroundPlugins, NoCallOfAPluginThatIsExceptedIsAnnounced) {
  PluginManager manager(bus_, {.middleware = AnnounceExecuted{.except = {"nobody", "counter"}}});
  Watcher watch(bus_, {"plugin.executed", "test.echoed", "waited"});
  manager.load(PluginSpec{.path = library("counter_1"), .rules = usual_rules()});
  manager.start("counter");
  run_in(manager, "everything");
  bus_.publish("wait", Json(1));
  watch.wait("waited");
  bus_.publish("test.echo", Json(1));
  bus_.publish("test.echo", Json(2));
  watch.wait("test.echoed", 1);
  EXPECT_EQ(watch.wait("plugin.executed", 1).as<PluginExecuted>().plugin, "everything");
  ASSERT_TRUE(manager.wait_until_idle(std::chrono::seconds(60)));
  EXPECT_EQ(watch.count("plugin.executed"), 2U) << "those of the other plugin";
}

TEST_F(AroundPlugins, ACallThatFailsIsAnnouncedAsWell) {
  PluginManager manager(bus_, {.middleware = AnnounceExecuted()});
  Watcher watch(bus_, "plugin.executed");
  run_in(manager, "everything");
  bus_.publish("test.fail", Json("on purpose"));
  EXPECT_EQ(watch.wait("plugin.executed").as<PluginExecuted>().plugin, "everything");
}

}  // namespace
}  // namespace busway
