// A plugin that runs is replaced by a later build of it, and nothing is lost.
#include <atomic>
#include <fstream>
#include <set>
#include <stop_token>
#include <thread>

#include "busway/events/plugin_event_data.hpp"
#include "busway/testing/manual_clock.hpp"
#include "busway/typed.hpp"
#include "reload_fixture.hpp"

namespace busway {
namespace {

class Reload : public ReloadTest {};

TEST_F(Reload, HandsOverStateAndKeepsSubscriptionsWithTheirIds) {
  Watcher watch(bus_, {"counted", "plugin.*", "stopped"});
  run_build("counter_1");
  const auto before = subscription_ids();
  ASSERT_EQ(before.size(), 7U);
  bus_.publish("count", Json(0));
  EXPECT_EQ(number(watch.wait("counted", 0), "build"), 1);
  build("counter_2");
  manager_.reload("counter");
  bus_.publish("count", Json(1));
  const Event counted = watch.wait("counted", 1);
  EXPECT_EQ(number(counted, "build"), 2);
  EXPECT_EQ(number(counted, "count"), 2);
  const auto after = subscription_ids();
  EXPECT_EQ(after.size(), 7U);
  std::size_t same = 0;
  for (const SubscriptionId id : before) same += after.count(id);
  EXPECT_EQ(same, 6U) << "all but only.1";
  const PluginInfo info = *manager_.find("counter");
  EXPECT_EQ(info.state, PluginState::running);
  EXPECT_EQ(info.generation, 2U);
  EXPECT_EQ(info.version, "2.0.0");
  EXPECT_FALSE(info.still_mapped);
  EXPECT_EQ(watch.count("plugin.reloading"), 1U);
  EXPECT_EQ(watch.count("plugin.running"), 2U);
  EXPECT_EQ(watch.count("plugin.error"), 0U);
  EXPECT_EQ(watch.count("stopped"), 1U);
}

TEST_F(Reload, UnderLoadLosesNothingAndKeepsTheOrder) {
  Watcher watch(bus_, "plugin.error");
  run_build("counter_1");
  Counting counting(bus_);
  for (int i = 0; i < reloads(); ++i) {
    build(i % 2 == 0 ? "counter_1" : "counter_1b");
    manager_.reload("counter");
  }
  counting.finish();
  EXPECT_TRUE(counting.all_heard());
  EXPECT_TRUE(counting.in_order());
  EXPECT_EQ(counting.refused(), 0);
  EXPECT_EQ(manager_.find("counter")->generation, static_cast<std::uint64_t>(reloads()) + 1);
  EXPECT_EQ(watch.count("plugin.error"), 0U);
  EXPECT_EQ(bus_.dead_letters().size(), 0U);
}

/// Publishes to the old build's own subscription while the new one starts.
[[nodiscard]] Subscription publish_while_starting(Bus& bus, int count) {
  return bus.subscribe("started", [&bus, count](const Event& event) {
    if (number(event, "build") != 2) return;
    for (int i = 0; i < count; ++i) EXPECT_TRUE(bus.publish("only.1", Json(i)).ok());
  });
}

TEST_F(Reload, WhatOnlyTheOldOneListensToItHandlesToTheEnd) {
  Watcher watch(bus_, {"only", "plugin.error", "plugin.running"});
  run_build("counter_1");
  const Subscription late = publish_while_starting(bus_, 100);
  build("counter_2");
  manager_.reload("counter");
  EXPECT_EQ(watch.count("only"), 100U);
  EXPECT_EQ(number(watch.wait("only", 99), "build"), 1);
  EXPECT_EQ(watch.topics().back(), "plugin.running") << "all before the change is over";
  EXPECT_EQ(watch.count("plugin.error"), 0U);
  bus_.publish("only.1", Json(0));
  bus_.publish("only.2", Json(0));
  EXPECT_EQ(number(watch.wait("only", 100), "build"), 2);
}

TEST_F(Reload, ThatStopsFirstTellsWhatNobodyCouldHandle) {
  Watcher watch(bus_, {"only", "plugin.error"});
  run_build("counter_1", Json::object(), PluginReload::stop_first);
  const Subscription late = publish_while_starting(bus_, 100);
  build("counter_2");
  manager_.reload("counter");
  EXPECT_EQ(watch.count("only"), 0U);
  EXPECT_TRUE(mentions(watch.wait("plugin.error").as<PluginEventData>().error,
                       "100 events of subscriptions that its new build has no more were dropped"));
}

TEST_F(Reload, APublisherOutsideHandlersWaitsForTheNewOne) {
  Watcher watch(bus_, "waited");
  run_build("counter_1");
  std::atomic<int> delivered{0};
  std::atomic<int> published{0};
  std::jthread publisher([&](const std::stop_token& stop) {
    for (; !stop.stop_requested(); ++published) {
      delivered += static_cast<int>(bus_.publish("wait", Json(published.load())).delivered);
    }
  });
  for (int i = 0; i < std::max(reloads() / 10, 1); ++i) manager_.reload("counter");
  publisher.request_stop();
  publisher.join();
  EXPECT_EQ(delivered, published);
  EXPECT_EQ(watch.count("waited"), static_cast<std::size_t>(published.load()));
}

TEST_F(Reload, APublisherInsideAHandlerGoesOnAndItsDeliveryIsMade) {
  Watcher watch(bus_, "waited");
  run_build("counter_1");
  std::atomic<int> done{0};
  std::atomic<int> published{0};
  const Subscription outer = bus_.subscribe("outer", [&](const Event&) {
    const PublishResult result = bus_.publish("wait", Json(0));
    done += static_cast<int>(result.delivered + result.queued);
    ++published;
  });
  std::jthread publisher([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) (void)bus_.publish("outer");
  });
  for (int i = 0; i < std::max(reloads() / 10, 1); ++i) manager_.reload("counter");
  publisher.request_stop();
  publisher.join();
  EXPECT_EQ(done, published);
  EXPECT_TRUE(eventually(
      [&] { return watch.count("waited") == static_cast<std::size_t>(published.load()); }));
}

TEST_F(Reload, ASourceGoesOnWhereItWas) {
  constexpr int kLines = 20'000;
  const Lines lines(bus_);
  run_build("counter_1", {{"lines", kLines}});
  int reloaded = 0;
  for (; reloaded < 1000 && manager_.find("counter")->source == PluginSource::active; ++reloaded) {
    build(reloaded % 2 == 0 ? "counter_1b" : "counter_1");
    manager_.reload("counter");
  }
  ASSERT_TRUE(manager_.wait_until_idle(kGuard));
  EXPECT_GE(reloaded, 1);
  EXPECT_EQ(lines.seen(), kLines);
  EXPECT_TRUE(lines.in_order());
  EXPECT_EQ(manager_.find("counter")->source, PluginSource::ended);
}

TEST_F(Reload, CanStopTheOldOneFirst) {
  Watcher watch(bus_, {"started", "stopped", "counted"});
  run_build("counter_1", Json::object(), PluginReload::stop_first);
  bus_.publish("count", Json(0));
  watch.wait("counted");
  build("counter_2");
  manager_.reload("counter");
  bus_.publish("count", Json(1));
  EXPECT_EQ(number(watch.wait("counted", 1), "count"), 2);
  EXPECT_EQ(watch.topics(),
            (std::vector<std::string>{"started", "counted", "stopped", "started", "counted"}));
}

TEST_F(Reload, LeavesThoseThatRequireItAlone) {
  Watcher watch(bus_, {"plugin.stopping", "plugin.error"});
  run("alpha");
  run("beta");
  manager_.reload("alpha");
  EXPECT_EQ(manager_.find("alpha")->generation, 2U);
  EXPECT_EQ(manager_.find("beta")->state, PluginState::running);
  EXPECT_TRUE(watch.topics().empty());
}

TEST_F(Reload, TellsOfAnEarlierBuildThatStaysInMemory) {
  Watcher watch(bus_, "plugin.error");
  run("never_unmapped");
  manager_.reload("rebuilt");
  EXPECT_TRUE(manager_.find("rebuilt")->still_mapped);
  EXPECT_TRUE(mentions(watch.wait("plugin.error").as<PluginEventData>().error,
                       "the library of its earlier build is still mapped"));
}

TEST_F(Reload, TimersOfTheOldOneEnd) {
  const auto clock = std::make_shared<testing::ManualClock>();
  BusOptions options = quiet();
  options.clock = clock;
  Bus bus(options);
  PluginManager manager(bus);
  Watcher watch(bus, {"ticked", "ticking"});
  build("counter_1");
  manager.load(file());
  manager.start("counter");
  bus.publish("tick", Json());
  watch.wait("ticking");
  manager.reload("counter");
  clock->advance(std::chrono::seconds(1));
  bus.publish("tick", Json());
  watch.wait("ticking", 1);
  EXPECT_EQ(watch.count("ticked"), 0U);
  clock->advance(std::chrono::seconds(1));
  watch.wait("ticked");
}

// It could wait for room for ever: only it empties the mailbox.
TEST_F(Reload, ANewOneThatFillsItsOwnMailboxInStartIsToldSo) {
  Watcher watch(bus_, "filled");
  run_build("counter_1", {{"fills_itself", 300}});
  EXPECT_EQ(number(watch.wait("filled"), "n"), 0) << "nothing hears it yet";
  manager_.reload("counter");
  EXPECT_EQ(number(watch.wait("filled", 1), "n"), 300 - 256);
}

TEST_F(Reload, AnOldOneMayLetGoInStopOfWhatTheNewOneHasTakenOver) {
  for (const PluginReload policy : {PluginReload::overlap, PluginReload::stop_first}) {
    Watcher watch(bus_, {"counted", "stopped", "plugin.error"});
    run_build("counter_1", {{"unsubscribes", true}}, policy);
    bus_.publish("count", Json(0));
    watch.wait("counted");
    const auto ids = subscription_ids();
    manager_.reload("counter");
    EXPECT_EQ(subscription_ids(), ids);
    EXPECT_EQ(watch.count("stopped"), 1U);
    bus_.publish("count", Json(1));
    EXPECT_EQ(number(watch.wait("counted", 1), "count"), 2);
    EXPECT_EQ(watch.count("plugin.error"), 0U);
    manager_.unload("counter");
  }
}

TEST_F(Reload, SourcesThatAreHeldStayHeld) {
  Watcher watch(bus_, "line");
  build("counter_1");
  manager_.load(PluginSpec{.path = file(), .config = {{"lines", 3}}});
  EXPECT_TRUE(manager_.start_all(PluginSources::hold).empty());
  manager_.reload("counter");
  build("counter_fails_start");
  EXPECT_NE(error_of([&] { manager_.reload("counter"); }).code(), ErrorCode::ok);
  EXPECT_EQ(manager_.find("counter")->source, PluginSource::active) << "more will come";
  EXPECT_EQ(watch.count("line"), 0U);
  manager_.begin_sources();
  ASSERT_TRUE(manager_.wait_until_idle(kGuard));
  EXPECT_EQ(watch.count("line"), 3U);
}

TEST_F(Reload, HappensByItselfWhenTheFileChangesAndIsTriedAgainAfterAFailure) {
  PluginManager watching(bus_, {.watch = true});
  Watcher watch(bus_, {"plugin.error", "plugin.reloading", "counted"});
  build("counter_1");
  watching.load(file());
  watching.start("counter");
  bus_.publish("count", Json(0));
  watch.wait("counted");
  build("counter_fails_start");
  EXPECT_TRUE(mentions(watch.wait("plugin.error").as<PluginEventData>().error,
                       "start does not work in this build"));
  EXPECT_TRUE(eventually([&] { return watching.find("counter")->state == PluginState::running; }));
  build("counter_2");
  EXPECT_TRUE(eventually([&] { return watching.find("counter")->generation == 2; }));
  bus_.publish("count", Json(1));
  const Event counted = watch.wait("counted", 1);
  EXPECT_EQ(number(counted, "build"), 2);
  EXPECT_EQ(number(counted, "count"), 2);
}

/// How many parts of a library's image are mapped.
std::size_t mapped(std::string_view name) {
  std::ifstream maps("/proc/self/maps");
  std::string line;
  std::size_t parts = 0;
  while (std::getline(maps, line)) parts += line.find(name) != std::string::npos ? 1U : 0U;
  return parts;
}

TEST_F(Reload, LeavesNothingMapped) {
  const std::size_t before = mapped("counter");  // those that hang in other tests stay
  run_build("counter_1");
  const std::size_t one = mapped("counter") - before;
  EXPECT_GT(one, 0U);
  for (int i = 0; i < 5; ++i) {
    manager_.reload("counter");
    EXPECT_EQ(mapped("counter") - before, one);
  }
  manager_.unload("counter");
  EXPECT_EQ(mapped("counter"), before);
  EXPECT_FALSE(manager_.find("counter")->still_mapped);
}

}  // namespace
}  // namespace busway
