// With a store that lasts, plugins go on where they were.
#include <atomic>
#include <eventually.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <temporary_folder.hpp>
#include <thread>
#include <utility>
#include <vector>

#include "busway/store.hpp"
#include "plugin_fixture.hpp"

namespace busway {
namespace {

using Texts = std::vector<std::string>;

/// A program: a bus on the store of the test, and the plugin that says what it hears.
struct Life {
  explicit Life(const std::string& store, std::string instance = "here")
      : bus(options(store, std::move(instance))), watch(bus, {"heard", "test.*", "plugin.error"}) {}

  static BusOptions options(const std::string& store, std::string instance) {
    BusOptions made;
    made.log = [](LogLevel, std::string_view, std::span<const LogField>) {};
    made.store = store;
    if (store.starts_with("sqlite:")) made.store_options.durability = Durability::process_crash;
    made.instance_id = std::move(instance);
    made.retry.initial_delay = std::chrono::milliseconds(1);
    return made;
  }

  void run(Json config = Json::object(), PluginRules rules = usual_rules()) {
    manager.load({.path = library("keeper"), .config = std::move(config), .rules = rules});
    manager.start("keeper");
  }
  /// What is there has been handled.
  void rest() { EXPECT_TRUE(manager.wait_until_idle(kGuard)); }
  std::vector<std::size_t> heard(const std::vector<std::string>& topics) {
    std::vector<std::size_t> counts;
    for (const std::string& topic : topics) counts.push_back(heard()[topic]);
    return counts;
  }
  std::map<std::string, std::size_t> heard() {
    std::map<std::string, std::size_t> counts;
    for (std::size_t i = 0; i < watch.count("heard"); ++i) {
      ++counts[watch.wait("heard", i).json().at("topic").get<std::string>()];
    }
    return counts;
  }
  /// By what they are called, the durable names of the plugin's subscriptions.
  std::map<std::string, std::set<std::string>> names() {
    std::map<std::string, std::set<std::string>> names;
    for (const SubscriptionInfo& info : bus.subscriptions("keeper")) {
      names[info.name].insert(info.durable);
    }
    return names;
  }

  Bus bus;
  Watcher watch;
  PluginManager manager{bus};
};

class DurablePlugins : public ::testing::Test {
 protected:
  TemporaryFolder folder_;
  const std::string store_ = "sqlite:" + folder_.file("events.db");
};

TEST_F(DurablePlugins, HearAtTheNextStartWhatWasPublishedWhileTheyWereAway) {
  Life(store_).run();
  {
    Life without(store_);
    EXPECT_TRUE(without.bus.publish("job.a").ok());
    EXPECT_TRUE(without.bus.publish("say.a").ok());
    EXPECT_TRUE(without.bus.publish("other.a").ok());
  }
  {
    Life again(store_);
    again.run();
    (void)again.watch.wait("heard", 1);
    const PublishResult live = again.bus.publish("say.b");
    EXPECT_EQ(live.delivered, 1U);
    again.rest();
    EXPECT_EQ(again.heard({"job.a", "say.a", "say.b"}), (std::vector<std::size_t>{1, 1, 1}));
  }
  Life last(store_);
  last.run();
  last.rest();
  EXPECT_EQ(last.watch.count("heard"), 0U);
}

TEST_F(DurablePlugins, HearOnceWhatComesFromPublishersAndFromTheStore) {
  constexpr std::size_t kEach = 100;
  Life life(store_);
  life.run();
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      for (std::size_t n = 0; n < kEach; ++n) {
        EXPECT_EQ(life.bus.publish("say.a", Json{{"n", n}}).delivered, 1U);
        EXPECT_TRUE(life.bus.publish("job.a", Json{{"n", n}}).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  life.rest();
  EXPECT_EQ(life.heard({"say.a", "job.a"}), (std::vector<std::size_t>{3 * kEach, 3 * kEach}));
}

TEST_F(DurablePlugins, AFailureOfOneThatMakesPublishersWaitIsToldThemAndKept) {
  Life life(store_);
  life.run();
  const PublishResult result = life.bus.publish("say.a", Json{{"fails", true}});
  ASSERT_EQ(result.failures.size(), 1U);
  EXPECT_TRUE(mentions(result.failures[0].reason, "wanted to fail"));
  EXPECT_TRUE(life.bus.publish("job.a", Json{{"fails", true}}).ok());
  life.rest();
  // The one is tried once, as always, the other as often as the bus says.
  EXPECT_EQ(life.heard({"say.a", "job.a"}), (std::vector<std::size_t>{1, 4}));
  EXPECT_TRUE(life.manager.stop_all().empty());
  std::map<std::string, std::string> reasons;
  for (const DeadLetter& letter : life.bus.dead_letters().list()) {
    reasons[std::string(letter.event.topic())] = letter.last().reason;
  }
  ASSERT_EQ(reasons.size(), 2U);
  EXPECT_TRUE(mentions(reasons["say.a"], "wanted to fail"));
  EXPECT_TRUE(mentions(reasons["job.a"], "wanted to fail"));
}

TEST_F(DurablePlugins, HearAfterAStopWhatWasPublishedMeanwhile) {
  Life life(store_);
  life.run();
  EXPECT_TRUE(life.bus.publish("say.a").ok());
  life.rest();
  life.manager.stop("keeper");
  EXPECT_TRUE(life.bus.publish("say.b").ok());
  EXPECT_TRUE(life.bus.publish("job.b").ok());
  life.manager.start("keeper");
  (void)life.watch.wait("heard", 2);
  life.rest();
  EXPECT_EQ(life.heard({"say.a", "say.b", "job.b"}), (std::vector<std::size_t>{1, 1, 1}));
}

TEST_F(DurablePlugins, HearAllOnceThoughTheyAreReplacedMeanwhile) {
  Life life(store_);
  life.run();
  std::atomic<bool> over{false};
  std::size_t published = 0;
  std::thread publisher([&] {
    while (!over) {
      EXPECT_TRUE(life.bus.publish("say.a").ok());
      EXPECT_TRUE(life.bus.publish("job.a").ok());
      ++published;
    }
  });
  for (int i = 0; i < 10; ++i) life.manager.reload("keeper");
  over = true;
  publisher.join();
  life.rest();
  EXPECT_EQ(life.heard({"say.a", "job.a"}), (std::vector<std::size_t>{published, published}));
  EXPECT_EQ(life.watch.count("plugin.error"), 0U);
}

TEST_F(DurablePlugins, KeepTheirNamesWhenTheirProcessIsStartedAgain) {
  PluginRules rules;
  rules.isolation = PluginIsolation::process;
  Life life(store_);
  life.run({}, rules);
  const auto names = life.names();
  EXPECT_TRUE(life.bus.publish("say.a").ok());
  life.bus.publish("test.die");
  EXPECT_TRUE(eventually([&] {
    const auto info = life.manager.find("keeper");
    return info && info->restarts > 0 && info->state == PluginState::running;
  }));
  EXPECT_TRUE(life.bus.publish("say.b").ok());
  EXPECT_TRUE(life.bus.publish("job.b").ok());
  life.rest();
  EXPECT_EQ(life.names(), names);
  EXPECT_EQ(life.heard({"say.a", "say.b", "job.b"}), (std::vector<std::size_t>{1, 1, 1}));
}

TEST_F(DurablePlugins, RequestsComeOnce) {
  Life life(store_);
  life.run();
  const RequestResult answer = life.bus.request("say.what", Json::object(), kGuard);
  ASSERT_TRUE(answer.ok()) << answer.message();
  EXPECT_EQ(answer.json().at("answer"), 42);
  life.rest();
  EXPECT_EQ(life.heard({"say.what"}), std::vector<std::size_t>{1});
}

TEST_F(DurablePlugins, EachSubscriptionOfAStartHasItsName) {
  Life life(store_);
  life.run({{"many", true}});
  life.bus.publish("test.later");
  (void)life.watch.wait("test.listens");
  const auto names = life.names();
  using Names = std::set<std::string>;
  EXPECT_EQ(names.at("jobs"), Names{"plugin:keeper:job./2A::jobs@here"});
  EXPECT_EQ(names.at("sayings"), (Names{"", "plugin:keeper:say./2A::sayings@here"}));
  EXPECT_EQ(names.at("second"), (Names{"", "plugin:keeper:say./2A::second@here"}));
  EXPECT_EQ(names.at("own"), Names{"mine"});
  for (const char* const live : {"once", "past", "bound", "late"}) {
    EXPECT_EQ(names.at(live), Names{""}) << live;
  }
}

TEST_F(DurablePlugins, HostsHearEachAllOrShareThemOrAreLiveAsTheRuleSays) {
  PluginRules rules = usual_rules();
  rules.durable = PluginDurability::shared;
  {
    Life life(store_);
    life.run({}, rules);
    EXPECT_EQ(life.names().at("jobs"), std::set<std::string>{"plugin:keeper:job./2A::jobs"});
    EXPECT_EQ(life.names().at("sayings"),
              (std::set<std::string>{"", "plugin:keeper:say./2A::sayings@here"}));
  }
  rules.durable = PluginDurability::none;
  {
    Life life(store_);
    life.run({}, rules);
    EXPECT_EQ(life.names().at("jobs"), std::set<std::string>{""});
    EXPECT_EQ(life.names().at("sayings"), std::set<std::string>{""});
  }
  Life here(store_);
  Life there(store_, "there");
  here.run();
  there.run();
  EXPECT_TRUE(here.bus.publish("job.a").ok());
  (void)here.watch.wait("heard");
  (void)there.watch.wait("heard");
}

TEST_F(DurablePlugins, ANameOfTheirOwnKeepsWhatComesWhileTheyStop) {
  Life life(store_);
  life.run({{"named", true}});
  life.manager.stop("keeper");
  EXPECT_TRUE(life.bus.publish("own.a").ok());
  life.manager.start("keeper");
  (void)life.watch.wait("heard");
  life.rest();
  EXPECT_EQ(life.heard({"own.a"}), std::vector<std::size_t>{1});
}

TEST_F(DurablePlugins, WithoutAStoreThatLastsNothingIsNamed) {
  for (const char* const store : {"memory:", "memory"}) {
    Life life(store);
    life.run();
    for (const auto& [name, durables] : life.names()) {
      EXPECT_EQ(durables, std::set<std::string>{""}) << name;
    }
    EXPECT_EQ(life.bus.publish("say.a").delivered, 1U);
  }
}

TEST_F(DurablePlugins, HearOnceWhatAPublisherWaitedForThoughTheyStopAtOnce) {
  Life life(store_);
  life.run();
  constexpr std::size_t kEach = 200;
  for (std::size_t n = 0; n < kEach; ++n) {
    EXPECT_EQ(life.bus.publish("say.a").delivered, 1U);
    if (n % 10 != 9) continue;
    life.manager.stop("keeper");
    life.manager.start("keeper");
  }
  life.rest();
  EXPECT_EQ(life.heard({"say.a"}), std::vector<std::size_t>{kEach});
}

TEST_F(DurablePlugins, HearOnceWhatAPublisherWaitedForOverACleanRestart) {
  constexpr std::size_t kEach = 50;
  {
    Life life(store_);
    life.run();
    for (std::size_t n = 0; n < kEach; ++n) EXPECT_EQ(life.bus.publish("say.a").delivered, 1U);
    EXPECT_TRUE(life.manager.stop_all().empty());
    EXPECT_TRUE(life.bus.stop(kGuard).ok());
  }
  Life again(store_);
  again.run();
  again.rest();
  EXPECT_EQ(again.heard({"say.a"}), std::vector<std::size_t>{0});
}

TEST_F(DurablePlugins, HearOnceEachEventOfALargeBatch) {
  Life life(store_);
  life.run();
  constexpr std::size_t kEach = 5000;
  std::vector<Event> batch;
  for (std::size_t n = 0; n < kEach; ++n)
    batch.emplace_back("say.a", Payload::json(Json{{"n", n}}));
  const auto results = life.bus.publish_batch(batch);
  for (const PublishResult& one : results) ASSERT_TRUE(one.ok()) << one.message();
  life.rest();
  EXPECT_EQ(life.heard({"say.a"}), std::vector<std::size_t>{kEach});
}

TEST_F(DurablePlugins, HearOnceWhatAnotherHostPublishes) {
  Life life(store_);
  life.run();
  Life there(store_, "there");
  constexpr std::size_t kEach = 5000;
  std::vector<Event> batch;
  for (std::size_t n = 0; n < kEach; ++n)
    batch.emplace_back("say.a", Payload::json(Json{{"n", n}}));
  const auto results = there.bus.publish_batch(batch);
  for (const PublishResult& one : results) ASSERT_TRUE(one.ok()) << one.message();
  EXPECT_TRUE(eventually([&] { return life.watch.count("heard") >= kEach; }));
  life.rest();
  EXPECT_EQ(life.heard({"say.a"}), std::vector<std::size_t>{kEach});
}

TEST_F(DurablePlugins, ASubscriptionWithANameKeepsItsPlaceWhenTheOneBeforeItIsDropped) {
  const std::string flag = folder_.file("flag");
  std::ofstream(flag) << "there";
  std::map<std::string, std::set<std::string>> names;
  {
    Life life(store_);
    life.run({{"before_if", flag}});
    names = life.names();
    EXPECT_TRUE(life.manager.stop_all().empty());
    EXPECT_TRUE(life.bus.publish("job.a").ok());
  }
  std::filesystem::remove(flag);
  Life life(store_);
  life.run({{"before_if", flag}});
  EXPECT_EQ(life.names().at("jobs"), names.at("jobs"));
  life.rest();
  EXPECT_EQ(life.heard({"job.a"}), std::vector<std::size_t>{1});
}

TEST_F(DurablePlugins, TwoSubscriptionsOfALaterBuildHaveNamesOfTheirOwn) {
  const std::string flag = folder_.file("flag");
  Life life(store_);
  life.run({{"before_if", flag}});
  std::ofstream(flag) << "there";
  life.manager.reload("keeper");
  const auto names = life.names();
  EXPECT_NE(names.at("jobs"), names.at("before"));
  for (int n = 0; n < 20; ++n) EXPECT_TRUE(life.bus.publish("job.a").ok());
  life.rest();
  EXPECT_EQ(life.heard({"job.a"}), std::vector<std::size_t>{40});
}

}  // namespace
}  // namespace busway
