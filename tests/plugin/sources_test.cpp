// Plugins that bring events in from outside, and the end of a run.
#include <algorithm>
#include <atomic>
#include <eventually.hpp>

#include "busway/events/plugin_event_data.hpp"
#include "busway/plugin.h"
#include "busway/typed.hpp"
#include "plugin_fixture.hpp"

namespace busway {
namespace {

using Topics = std::vector<std::string>;

class Sources : public PluginTest {
 protected:
  void load(const char* id, Json config = Json::object()) {
    manager_.load(PluginSpec{.path = library("everything"), .id = id, .config = std::move(config)});
  }
};

TEST_F(Sources, BeginWhenAllPluginsHaveStartedWhateverTheOrder) {
  Watcher watch(bus_, {"plugin.running", "test.line"});
  load("source", {{"lines", 2}});
  load("listener");
  manager_.load(library("alpha"));
  EXPECT_TRUE(manager_.start_all().empty());
  ASSERT_TRUE(manager_.wait_until_idle(kGuard));
  EXPECT_EQ(watch.topics(), (Topics{"plugin.running", "plugin.running", "plugin.running",
                                    "test.line", "test.line"}));
}

TEST_F(Sources, ThatAreHeldBeginWhenTheyAreTold) {
  Watcher watch(bus_, "test.*");
  load("source", {{"lines", 2}});
  EXPECT_TRUE(manager_.start_all(PluginSources::hold).empty());
  EXPECT_EQ(manager_.find("source")->source, PluginSource::active) << "more will come";
  bus_.publish("test.echo", Json());
  watch.wait("test.echoed");
  EXPECT_EQ(watch.count("test.line"), 0U);
  manager_.begin_sources();
  manager_.begin_sources();
  ASSERT_TRUE(manager_.wait_until_idle(kGuard));
  EXPECT_EQ(watch.count("test.line"), 2U) << "each begins once";
}

/// Whoever is asked does not answer.
class UnansweredRequests : public Sources {
 protected:
  /// What the plugin waits for on a thread of its own ends when it is unloaded.
  void end_with_it(const char* how, std::chrono::nanoseconds call_timeout) {
    std::atomic<int> asked{0};
    const Subscription deaf =
        bus_.subscribe("test.unanswered", [&](const Event&) { ++asked; }, {.mode = Mode::async});
    Watcher watch(bus_, {"test.asked_in_vain", "test.asked_again"});
    PluginManager manager(bus_, {.call_timeout = call_timeout});
    manager.load(
        PluginSpec{.path = library("everything"), .config = {{how, true}}, .rules = usual_rules()});
    manager.start("everything");
    ASSERT_TRUE(eventually([&] { return asked == 1; }));
    manager.unload("everything");
    EXPECT_EQ(manager.find("everything")->state, PluginState::unloaded);
    EXPECT_FALSE(manager.find("everything")->still_mapped);
    const Event vain = watch.wait("test.asked_in_vain");
    EXPECT_EQ(vain.json().at("status"), BUSWAY_STOPPED);
    EXPECT_TRUE(mentions(vain.json().at("message").get<std::string>(), "was stopped before"));
    EXPECT_EQ(watch.wait("test.asked_again").json().at("status"), BUSWAY_STOPPED);
    EXPECT_EQ(asked, 1) << "and no other is made";
  }
};

TEST_F(UnansweredRequests, OfASourceEndWhenItHasHadHalfTheTimeToEnd) {
  end_with_it("asks", std::chrono::seconds(4));
}

TEST_F(UnansweredRequests, OfAThreadOfThePluginsOwnEndWhenItIsStopped) {
  end_with_it("asks_beside", std::chrono::seconds(30));
}

TEST_F(Sources, ThatAreStoppedBeforeTheyBeganNeverRun) {
  Watcher watch(bus_, {"test.source_began", "test.farewell", "test.stopping"});
  load("source", {{"farewell", true}});
  EXPECT_TRUE(manager_.start_all(PluginSources::hold).empty());
  EXPECT_TRUE(manager_.stop_all().empty());
  EXPECT_EQ(manager_.find("source")->source, PluginSource::ended);
  EXPECT_EQ(watch.topics(), Topics{"test.stopping"});
}

TEST_F(Sources, OfAPluginStartedAloneBeginAtOnceAndAgainAfterAStop) {
  Watcher watch(bus_, "test.line");
  run("everything", {{"lines", 3}});
  ASSERT_TRUE(manager_.wait_until_idle(kGuard));
  EXPECT_EQ(watch.count("test.line"), 3U);
  manager_.stop("everything");
  manager_.start("everything");
  ASSERT_TRUE(manager_.wait_until_idle(kGuard));
  EXPECT_EQ(watch.count("test.line"), 6U);
}

TEST_F(Sources, CanBeginInAHandlerOfAPluginThatRuns) {
  run("everything");
  Watcher watch(bus_, "test.source_began");
  for (std::size_t i = 0; i < 3; ++i) {
    bus_.publish("test.begin_source", Json());
    watch.wait("test.source_began", i);
  }
  ASSERT_TRUE(manager_.wait_until_idle(kGuard));
  EXPECT_EQ(manager_.find("everything")->source, PluginSource::ended);
}

TEST_F(Sources, EndBeforeAnyPluginIsStoppedAndAllHearTheirLastEvent) {
  Watcher watch(bus_, {"test.farewell", "test.heard_farewell", "plugin.stopping"});
  load("source", {{"farewell", true}});
  load("listener");
  EXPECT_TRUE(manager_.start_all().empty());
  EXPECT_TRUE(manager_.stop_all().empty());
  const Topics topics = watch.topics();
  const auto at = [&](const char* topic) {
    return std::find(topics.begin(), topics.end(), topic) - topics.begin();
  };
  EXPECT_EQ(watch.count("test.farewell"), 1U);
  EXPECT_LT(at("test.farewell"), at("plugin.stopping"));
  EXPECT_EQ(watch.count("test.heard_farewell"), 2U);
}

TEST_F(Sources, EndBeforeTheStopOfTheirOwnPlugin) {
  Watcher watch(bus_, {"test.farewell", "test.heard_farewell", "test.stopping"});
  run("everything", {{"farewell", true}});
  manager_.stop("everything");
  EXPECT_EQ(watch.count("test.farewell"), 1U);
  EXPECT_EQ(watch.count("test.heard_farewell"), 1U);
  EXPECT_EQ(watch.topics().back(), "test.stopping");
}

TEST_F(Sources, ThatWaitForRoomInTheirOwnPluginsMailboxStillEnd) {
  Watcher watch(bus_, "test.own_heard");
  run("everything", {{"feeds_itself", true}});
  watch.wait("test.own_heard", 10);
  manager_.stop("everything");
  EXPECT_EQ(manager_.find("everything")->state, PluginState::stopped);
}

TEST_F(Sources, ThatDoNotEndWhenAskedAreReportedAndThePluginIsStoppedAllTheSame) {
  PluginManager impatient(bus_, {.call_timeout = std::chrono::seconds(1)});
  Watcher watch(bus_, "plugin.error");
  impatient.load(PluginSpec{.path = library("everything"), .config = {{"waits_for_stop", true}}});
  impatient.start("everything");
  impatient.stop("everything");
  EXPECT_EQ(impatient.find("everything")->state, PluginState::stopped);
  const PluginEventData data = watch.wait("plugin.error").as<PluginEventData>();
  EXPECT_EQ(data.error,
            "its source did not end within 1000 ms of being asked to; it is stopped all the same. "
            "The function of a source returns soon after its stop token is set");
}

TEST_F(Sources, OfATableFromBeforeTheyWereToldToBeginAndEndWorkAsTheyDid) {
  run("old_source");
  EXPECT_EQ(manager_.find("old_source")->source, PluginSource::active);
  manager_.stop("old_source");
  EXPECT_EQ(manager_.find("old_source")->source, PluginSource::ended);
  EXPECT_EQ(manager_.find("old_source")->state, PluginState::stopped);
}

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
