// Plugins that do not come back, or come to an end too often, are taken out; the others go on.
#include "isolation/isolated_fixture.hpp"

namespace busway {
namespace {

class Quarantine : public IsolatedTest {
 protected:
  bool quarantined(const std::string& id) {
    return eventually([&] { return manager_.find(id)->state == PluginState::quarantined; });
  }
};

TEST_F(Quarantine, AHungOneIsReportedThenTakenOutAndWhatWaitsForItIsDeadLetters) {
  Watcher watch(bus_, Patterns{"plugin.error", "plugin.quarantined", "counted"});
  PluginRules rules;
  rules.soft_deadline = std::chrono::milliseconds(30);
  rules.hard_deadline = std::chrono::milliseconds(200);
  run_mortal(rules);
  run("alpha");
  bus_.publish("do", "work");
  bus_.publish("do", "hang");
  for (int i = 0; i < 5; ++i) bus_.publish("do", "later");
  bus_.publish("count", {{"n", 1}});
  ASSERT_TRUE(quarantined("mortal"));
  EXPECT_NE(watch.wait("plugin.error").json().at("error").get<std::string>().find("soft deadline"),
            std::string::npos);
  EXPECT_NE(
      watch.wait("plugin.quarantined").json().at("error").get<std::string>().find("hard deadline"),
      std::string::npos);
  ASSERT_TRUE(eventually([&] { return letters().size() == 7U; })) << letters().size();
  for (const DeadLetter& letter : letters()) {
    EXPECT_EQ(letter.history.back().code, ErrorCode::plugin_failed);
    EXPECT_NE(letter.history.back().reason.find("quarantined"), std::string::npos);
  }
  EXPECT_TRUE(bus_.subscriptions("mortal").empty()) << "it gets no more events";
  EXPECT_TRUE(info().still_mapped);
  EXPECT_EQ(manager_.health("mortal").level, PluginHealthInfo::Level::failing);
  EXPECT_EQ(manager_.health("alpha").level, PluginHealthInfo::Level::ok);

  run_mortal(rules);  // another instance may take its place
  bus_.publish("count", {{"n", 2}});
  EXPECT_EQ(watch.wait("counted").json().at("n"), 2);
}

TEST_F(Quarantine, ABusyOneThatComesBackInTimeIsLeftAlone) {
  Watcher watch(bus_, "counted");
  PluginRules rules;
  rules.hard_deadline = std::chrono::seconds(20);
  run_mortal(rules);
  for (int i = 0; i < 2'000; ++i) bus_.publish("count", {{"n", i}});
  (void)watch.wait("counted", 1'999);
  EXPECT_EQ(info().state, PluginState::running);
  EXPECT_TRUE(letters().empty());
}

TEST_F(Quarantine, APublisherThatWaitsForAHungOneGoesOn) {
  PluginRules rules;
  rules.hard_deadline = std::chrono::milliseconds(100);
  run_mortal(rules);
  const PublishResult result = bus_.publish("do.sync", "hang");  // its timeout is 20 s
  EXPECT_TRUE(quarantined("mortal"));
  EXPECT_EQ(result.matched, 1U);
}

TEST_F(Quarantine, AProcessThatEndsTooOftenIsNotStartedAgain) {
  Watcher watch(bus_, Patterns{"plugin.quarantined"});
  PluginRules rules = isolated_rules();
  rules.restarts_max = 2;
  run_mortal(rules);
  bus_.publish("do", "segv");   // twice
  bus_.publish("do", "abort");  // the third end
  bus_.publish("count", {{"n", 1}});
  ASSERT_TRUE(quarantined("mortal"));
  EXPECT_NE(watch.wait("plugin.quarantined")
                .json()
                .at("error")
                .get<std::string>()
                .find("is not started again"),
            std::string::npos);
  ASSERT_TRUE(eventually([&] { return letters().size() == 3U; })) << letters().size();
  EXPECT_EQ(info().process_id, 0);
  EXPECT_FALSE(info().still_mapped);
  EXPECT_TRUE(bus_.subscriptions("mortal").empty());
}

TEST_F(Quarantine, AnIdleOneThatEndsTooOftenIsTakenOutAsWell) {
  PluginRules rules = isolated_rules();
  rules.restarts_max = 1;
  run_mortal(rules);
  kill_process();
  ASSERT_TRUE(eventually([&] { return info().restarts == 1U && info().process_id != 0; }));
  kill_process();
  EXPECT_TRUE(quarantined("mortal"));
}

}  // namespace
}  // namespace busway
