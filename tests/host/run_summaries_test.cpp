#include "host/run_summaries.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "busway/events/plugin_event_data.hpp"
#include "busway/typed.hpp"

namespace busway::host_detail {
namespace {

PluginInfo plugin(std::string id, PluginSource source) {
  PluginInfo info;
  info.id = std::move(id);
  info.state = PluginState::stopped;
  info.source = source;
  return info;
}

TEST(RunSummaries, AreKeptByTheSourceOfTheEvent) {
  Bus bus;
  const RunSummaries summaries(bus);
  bus.publish(kRunSummaryTopic, Json{{"questions", 3}}, {.source = "trivia"});
  bus.publish(kRunSummaryTopic, Json{{"questions", 4}}, {.source = "trivia"});
  const HostReport report =
      summaries.report({plugin("trivia", PluginSource::none), plugin("quiet", PluginSource::none)});
  ASSERT_EQ(report.plugins.size(), 2U);
  EXPECT_EQ(report.plugins[0].found, (Json{{"questions", 4}}));
  EXPECT_EQ(report.plugins[1].found, Json::object());
  EXPECT_EQ(report.found, Json::object()) << "no source has found anything";
}

TEST(RunSummaries, OfSourcesAreAddedUpAndTextsAreLeftAsTheFirstSaidThem) {
  Bus bus;
  const RunSummaries summaries(bus);
  bus.publish(kRunSummaryTopic, Json{{"lines", 3}, {"load", 0.5}, {"from", "a"}},
              {.source = "one"});
  bus.publish(kRunSummaryTopic, Json{{"lines", 4}, {"load", 1}, {"from", "b"}}, {.source = "two"});
  const HostReport report =
      summaries.report({plugin("one", PluginSource::ended), plugin("two", PluginSource::active)});
  EXPECT_EQ(report.found, (Json{{"from", "a"}, {"lines", 7}, {"load", 1.5}}));
}

TEST(RunSummaries, ShowNoSecrets) {
  Bus bus;
  config::SecretKeys secrets;
  secrets.add("pin");
  const RunSummaries summaries(bus, secrets);
  bus.publish(kRunSummaryTopic, Json{{"bot_token", "hunter2"}, {"pin", 1234}, {"tokens", 5}},
              {.source = "one"});
  EXPECT_EQ(summaries.report({plugin("one", PluginSource::ended)}).found,
            (Json{{"bot_token", "***"}, {"pin", "***"}, {"tokens", 5}}));
}

TEST(RunSummaries, ThatAreNotFlatFailAndTheirPublisherLearnsWhy) {
  Bus bus;
  const RunSummaries summaries(bus);
  for (const Json& bad : {Json(3), Json{{"list", Json::array()}}}) {
    const PublishResult result = bus.publish(kRunSummaryTopic, bad, {.source = "trivia"});
    ASSERT_EQ(result.failures.size(), 1U) << bad;
    EXPECT_NE(result.failures[0].reason.find("run.summary"), std::string::npos);
  }
}

TEST(RunSummaries, KeepTheCountersOfSubscriptionsThatEndWithTheirPlugin) {
  Bus bus;
  const RunSummaries summaries(bus);
  Subscription listening = bus.subscribe("chat.*", [](const Event&) {}, {.owner = "trivia"});
  bus.publish("chat.message");
  bus.publish("chat.message");
  bus.publish("plugin.stopping", PluginEventData{.plugin_name = "trivia"});
  listening.reset();
  const HostReport report = summaries.report({plugin("trivia", PluginSource::none)});
  EXPECT_EQ(report.plugins.at(0).deliveries.delivered, 2U);
}

}  // namespace
}  // namespace busway::host_detail
