// The steps of a plugin's life, what is published of each, and what happens when one fails.
#include <algorithm>

#include "busway/events/plugin_event_data.hpp"
#include "busway/plugin.h"
#include "busway/typed.hpp"
#include "plugin_fixture.hpp"

namespace busway {
namespace {

using Topics = std::vector<std::string>;

class Lifecycle : public PluginTest {};

TEST_F(Lifecycle, PublishesEachStep) {
  Watcher watch(bus_, "plugin.*");
  run("everything");
  manager_.stop("everything");
  manager_.start("everything");
  manager_.unload("everything");
  EXPECT_EQ(watch.topics(),
            (Topics{"plugin.discovered", "plugin.validated", "plugin.loaded", "plugin.created",
                    "plugin.starting", "plugin.running", "plugin.stopping", "plugin.stopped",
                    "plugin.starting", "plugin.running", "plugin.stopping", "plugin.stopped",
                    "plugin.unloaded"}));
  const Event event = watch.wait("plugin.running");
  EXPECT_EQ(event.source(), "plugin_manager");
  const PluginEventData data = event.as<PluginEventData>();
  EXPECT_EQ(data.plugin_name, "everything");
  EXPECT_EQ(data.plugin_version, "1.2.3");
  EXPECT_EQ(data.path, library("everything"));
  EXPECT_EQ(data.generation, 1U);
  EXPECT_EQ(data.error, "");
}

TEST_F(Lifecycle, EndsThePluginsSubscriptionsWithStop) {
  run("everything");
  EXPECT_FALSE(bus_.subscriptions("everything").empty());
  manager_.stop("everything");
  EXPECT_TRUE(bus_.subscriptions("everything").empty());
  EXPECT_EQ(bus_.publish("test.echo", Json()).matched, 0U);
}

TEST_F(Lifecycle, HandlesWhatIsQueuedBeforeItStops) {
  run("everything");
  Watcher watch(bus_, {"test.echoed", "test.stopping"});
  constexpr std::size_t kEvents = 500;
  for (std::size_t i = 0; i < kEvents; ++i) {
    EXPECT_EQ(bus_.publish("test.echo", Json(i)).queued, 1U);
  }
  manager_.stop("everything");
  const Topics topics = watch.topics();
  ASSERT_EQ(topics.size(), kEvents + 1);
  EXPECT_EQ(topics.back(), "test.stopping") << "stop() comes after the events";
}

TEST_F(Lifecycle, APluginMayPublishInEachStepAndEvenInItsDestructor) {
  Watcher watch(bus_, "test.*");
  run("everything");
  manager_.unload("everything");
  EXPECT_EQ(watch.topics(), (Topics{"test.stopping", "test.teardown", "test.destroyed"}));
}

TEST_F(Lifecycle, AFailureInSetupIsThePluginsWordsAndLeavesNothing) {
  Watcher watch(bus_, "plugin.failed");
  const Error error = error_of([&] { run("everything", {{"fail", "setup"}}); });
  EXPECT_EQ(error.code(), ErrorCode::plugin_failed);
  EXPECT_EQ(std::string_view(error.what()), "the plugin everything failed in setup: cannot setup");
  EXPECT_EQ(watch.wait("plugin.failed").as<PluginEventData>().error, error.what());
  const PluginInfo info = manager_.find("everything").value();
  EXPECT_EQ(info.state, PluginState::failed);
  EXPECT_EQ(info.last_error, error.what());
  EXPECT_FALSE(info.still_mapped);
  run("everything");
  EXPECT_EQ(manager_.find("everything")->state, PluginState::running) << "it can be loaded again";
}

TEST_F(Lifecycle, AFailureInStartEndsItsSubscriptions) {
  manager_.load(PluginSpec{.path = library("everything"), .config = {{"fail", "start"}}});
  EXPECT_EQ(error_of([&] { manager_.start("everything"); }).code(), ErrorCode::plugin_failed);
  EXPECT_EQ(manager_.find("everything")->state, PluginState::failed);
  EXPECT_TRUE(bus_.subscriptions("everything").empty());
  EXPECT_EQ(error_of([&] { manager_.start("everything"); }).code(), ErrorCode::plugin_state);
  manager_.unload("everything");
  EXPECT_EQ(manager_.find("everything")->state, PluginState::unloaded);
}

TEST_F(Lifecycle, AFailureInStopOrTeardownStillTakesThePluginOut) {
  for (const char* step : {"stop", "teardown"}) {
    run("everything", {{"fail", step}});
    if (std::string_view(step) == "stop") {
      EXPECT_EQ(error_of([&] { manager_.stop("everything"); }).code(), ErrorCode::plugin_failed);
    }
    manager_.unload("everything");
    const PluginInfo info = manager_.find("everything").value();
    EXPECT_EQ(info.state, PluginState::unloaded);
    EXPECT_NE(info.last_error.find("cannot " + std::string(step)), std::string::npos);
    EXPECT_FALSE(info.still_mapped);
    EXPECT_TRUE(bus_.subscriptions("everything").empty());
  }
}

TEST_F(Lifecycle, OneThatWaitsForAReplyCanBeStopped) {
  PluginManager impatient(bus_, {.call_timeout = std::chrono::seconds(2),
                                 .drain_timeout = std::chrono::milliseconds(1)});
  Watcher watch(bus_, {"asking", "asked", "stopped"});
  const Subscription never = bus_.subscribe("never", [](const Event&) {}, {.mode = Mode::async});
  impatient.load(PluginSpec{.path = library("counter_1"), .rules = usual_rules()});
  impatient.start("counter");
  bus_.publish("ask", Json(1));
  bus_.publish("ask", Json(2));  // which asks when the first has given up
  watch.wait("asking");
  impatient.stop("counter");
  EXPECT_EQ(watch.count("asked"), 2U);
  EXPECT_EQ(watch.wait("asked").json().at("n"), static_cast<int>(BUSWAY_STOPPED));
  EXPECT_EQ(watch.count("stopped"), 1U);
  EXPECT_EQ(impatient.find("counter")->state, PluginState::stopped);
  impatient.start("counter");
  impatient.unload("counter");
  EXPECT_FALSE(impatient.find("counter") && impatient.find("counter")->still_mapped);
}

TEST_F(Lifecycle, RefusesAStepOutOfOrder) {
  manager_.load(library("everything"));
  EXPECT_EQ(error_of([&] { manager_.stop("everything"); }).code(), ErrorCode::plugin_state);
  manager_.start("everything");
  EXPECT_EQ(error_of([&] { manager_.start("everything"); }).code(), ErrorCode::plugin_state);
  manager_.unload("everything");
  EXPECT_EQ(error_of([&] { manager_.unload("everything"); }).code(), ErrorCode::plugin_state);
}

}  // namespace
}  // namespace busway
