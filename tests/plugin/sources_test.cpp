// Plugins that bring events in from outside, and the end of a run.
#include "busway/events/plugin_event_data.hpp"
#include "busway/typed.hpp"
#include "plugin_fixture.hpp"

namespace busway {
namespace {

class Sources : public PluginTest {};

TEST_F(Sources, ARunIsIdleWhenTheSourceHasEndedAndAllItsEventsAreHandled) {
  std::atomic<int> lines{0};
  const Subscription counting =
      bus_.subscribe("test.line", [&](const Event&) { ++lines; },
                     {.mode = Mode::async, .queue_capacity = 4, .overflow = Overflow::block});
  run("everything", {{"lines", 500}});
  ASSERT_TRUE(manager_.wait_until_idle(kGuard));
  EXPECT_TRUE(manager_.idle());
  EXPECT_EQ(lines.load(), 500);
  EXPECT_EQ(manager_.find("everything")->source, PluginSource::ended);
}

TEST_F(Sources, ARunIsNotIdleWhileASourceIsActive) {
  run("everything", {{"endless", true}});
  EXPECT_EQ(manager_.find("everything")->source, PluginSource::active);
  EXPECT_FALSE(manager_.idle());
  EXPECT_FALSE(manager_.wait_until_idle(std::chrono::milliseconds(1)));
  manager_.stop("everything");
  EXPECT_TRUE(manager_.wait_until_idle(kGuard)) << "stopping ends a source";
}

TEST_F(Sources, PluginsWithoutOneAreIdleAtOnce) {
  run("alpha");
  EXPECT_TRUE(manager_.wait_until_idle(kGuard));
  EXPECT_EQ(manager_.find("alpha")->source, PluginSource::none);
}

TEST_F(Sources, OneThatBreaksEndsAndIsReported) {
  Watcher watch(bus_, "plugin.error");
  run("everything", {{"broken_source", true}});
  ASSERT_TRUE(manager_.wait_until_idle(kGuard));
  const PluginEventData data = watch.wait("plugin.error").as<PluginEventData>();
  EXPECT_EQ(data.plugin_name, "everything");
  EXPECT_EQ(data.error, "the source ended: the line went dead");
  EXPECT_EQ(manager_.find("everything")->source, PluginSource::ended);
}

TEST_F(Sources, CanBeStoppedInTheMiddle) {
  run("everything", {{"lines", 1'000'000'000}});
  manager_.unload("everything");
  EXPECT_EQ(manager_.find("everything")->state, PluginState::unloaded);
  EXPECT_FALSE(manager_.find("everything")->still_mapped);
}

}  // namespace
}  // namespace busway
