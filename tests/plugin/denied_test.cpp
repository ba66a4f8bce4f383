// What a plugin may publish and hear, once its manifest says so.
#include "busway/events/plugin_event_data.hpp"
#include "busway/plugin.h"
#include "busway/testing/manual_clock.hpp"
#include "busway/typed.hpp"
#include "manifest_fixture.hpp"

namespace busway {
namespace {

class Denied : public ManifestTest {};

constexpr const char* kRules = "publish: [out.one, \"out.more.*\"]\nsubscribe: [\"ask.*\"]\n";

TEST_F(Denied, PublishesWhatIsAllowedAndNothingElse) {
  Watcher watch(bus_, {"out.*", "else", "plugin.denied"});
  run_asking(kRules);
  EXPECT_EQ(ask({{"publish", "out.one"}}).at("status"), BUSWAY_OK);
  EXPECT_EQ(ask({{"publish", "out.more.a"}}).at("status"), BUSWAY_OK);
  const Json denied = ask({{"publish", "else"}});
  EXPECT_EQ(denied.at("status"), BUSWAY_DENIED);
  EXPECT_EQ(
      denied.at("message"),
      "the plugin asking may not publish \"else\"; allowed is \"out.one\", \"out.more.*\": add "
      "the topic to publish in its manifest");
  EXPECT_EQ(watch.count("out.one"), 1U);
  EXPECT_EQ(watch.count("else"), 0U);
  const Event told = watch.wait("plugin.denied");
  EXPECT_EQ(told.source(), "plugin_manager");
  const PluginEventData data = told.as<PluginEventData>();
  EXPECT_EQ(data.plugin_name, "asking");
  EXPECT_EQ(data.path, file());
  EXPECT_EQ(data.generation, 1U);
  EXPECT_EQ(data.error, denied.at("message"));
  EXPECT_EQ(data.metadata, Json({{"denied", 0}}));
}

TEST_F(Denied, RequestsNeedToBeAllowedLikePublishesAndRepliesDoNot) {
  run_asking("publish: [may.i]\n");
  const Subscription answers = bus_.subscribe(
      {"may.i", "may.not"}, [](const Event&, Context& context) { context.reply(Json("yes")); });
  EXPECT_EQ(ask({{"request", "may.i"}}).at("answer"), "yes");
  EXPECT_EQ(ask({{"request", "may.not"}}).at("status"), BUSWAY_DENIED);
}

TEST_F(Denied, NothingWhenTheManifestSaysNothing) {
  run_asking("id: asking\n");
  EXPECT_EQ(ask({{"publish", "else"}}).at("status"), BUSWAY_OK);
  EXPECT_EQ(ask({{"subscribe", {"*"}}}).at("status"), BUSWAY_OK);
}

TEST_F(Denied, EverythingWhenTheListIsEmpty) {
  run_asking("publish: []\n");
  const Json denied = ask({{"publish", "else"}});
  EXPECT_EQ(denied.at("status"), BUSWAY_DENIED);
  EXPECT_TRUE(mentions(denied.at("message").get<std::string>(), "allowed is nothing"));
}

TEST_F(Denied, OnThreadsOfItsOwnToo) {
  run_asking(kRules);
  EXPECT_EQ(ask({{"source", "out.one"}}).at("answer").at("status"), BUSWAY_OK);
  EXPECT_EQ(ask({{"source", "else"}}).at("answer").at("status"), BUSWAY_DENIED);
}

TEST_F(Denied, SubscribesToWhatIsSurelyCovered) {
  run_asking("subscribe: [\"ask.*\", exact.one, \"seg:in.*.**\", \"re:^log\\\\.\"]\n");
  for (const char* pattern : {"exact.one", "ask.*", "ask.x", "ask.x.*", "seg:ask.*.end",
                              "seg:in.*.**", "seg:in.a.*", "in.a.*", "re:^log\\.", "log.error"}) {
    EXPECT_EQ(ask({{"subscribe", {pattern}}}).at("status"), BUSWAY_OK) << pattern;
  }
  for (const char* pattern : {"exact.two", "exact.*", "*", "ask*", "seg:**", "seg:in.*", "in.*",
                              "re:^log\\.e", "re:^ask\\.", "log.*"}) {
    EXPECT_EQ(ask({{"subscribe", {pattern}}}).at("status"), BUSWAY_DENIED) << pattern;
  }
}

TEST_F(Denied, ASubscriptionOfSeveralPatternsNeedsAllOfThem) {
  run_asking("subscribe: [\"ask.*\", one]\n");
  EXPECT_EQ(ask({{"subscribe", {"one", "ask.more"}}}).at("status"), BUSWAY_OK);
  const Json denied = ask({{"subscribe", {"one", "two.*"}}});
  EXPECT_EQ(denied.at("status"), BUSWAY_DENIED);
  EXPECT_EQ(denied.at("message"),
            "the plugin asking may not subscribe to \"two.*\"; allowed is \"ask.*\", \"one\": add "
            "\"two.*\" to subscribe in its manifest, or a pattern that surely matches all that it "
            "does");
  EXPECT_EQ(bus_.publish("one").matched, 1U) << "nothing of the denied one listens";
}

TEST_F(Denied, APatternThatIsNoneIsToldAsSuch) {
  run_asking(kRules);
  EXPECT_EQ(ask({{"subscribe", {"re:("}}}).at("status"), BUSWAY_INVALID_PATTERN);
}

TEST_F(Denied, FailsTheStartOfOneThatSubscribesThereAndTheOthersGoOn) {
  manager_.load(library("alpha"));
  put_library("asking");
  put_manifest("subscribe: [something.else]\n");
  manager_.load(file());
  const auto problems = manager_.start_all();
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_EQ(problems[0].code, ErrorCode::plugin_failed);
  EXPECT_TRUE(mentions(problems[0].message, "may not subscribe to \"ask.do\""));
  EXPECT_EQ(manager_.find("alpha")->state, PluginState::running);
}

TEST_F(Denied, TheHostsRulesGoBeforeTheManifests) {
  run_asking(kRules, {.rules = {.may_publish = std::vector<std::string>{"else"}}});
  EXPECT_EQ(ask({{"publish", "else"}}).at("status"), BUSWAY_OK);
  EXPECT_EQ(ask({{"publish", "out.one"}}).at("status"), BUSWAY_DENIED);
  EXPECT_EQ(ask({{"subscribe", {"else"}}}).at("status"), BUSWAY_DENIED) << "of the manifest still";
}

TEST_F(Denied, IsToldOnceASecondWithTheNumberOfThoseThatWereNot) {
  const auto clock = std::make_shared<testing::ManualClock>();
  BusOptions options = quiet();
  options.clock = clock;
  Bus bus(options);
  PluginManager manager(bus);
  Watcher watch(bus, "plugin.denied");
  put_library("asking");
  put_manifest(kRules);
  manager.load(file());
  manager.start("asking");
  const auto denied = [&](const char* topic) {
    const RequestResult result =
        bus.request("ask.do", Json{{"publish", topic}}, std::chrono::hours(1));
    EXPECT_EQ(result.json().at("status"), BUSWAY_DENIED);
  };
  for (int i = 0; i < 5; ++i) denied("first");
  EXPECT_EQ(watch.count("plugin.denied"), 1U);
  clock->advance(std::chrono::milliseconds(999));
  denied("too.soon");
  EXPECT_EQ(watch.count("plugin.denied"), 1U);
  clock->advance(std::chrono::milliseconds(1));
  denied("second");
  ASSERT_EQ(watch.count("plugin.denied"), 2U);
  const PluginEventData data = watch.wait("plugin.denied", 1).as<PluginEventData>();
  EXPECT_EQ(data.metadata, Json({{"denied", 5}}));
  EXPECT_TRUE(mentions(data.error, "may not publish \"second\""));
  // A replacement begins no second of its own.
  manager.reload("asking");
  denied("third");
  EXPECT_EQ(watch.count("plugin.denied"), 2U);
}

TEST_F(Denied, OnePluginIsNotHeldToAnothersRules) {
  run_asking(kRules);
  run("everything");
  Watcher watch(bus_, "test.echoed");
  bus_.publish("test.echo", Json());
  watch.wait("test.echoed");
}

}  // namespace
}  // namespace busway
