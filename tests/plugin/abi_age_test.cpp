// Plugins built before this host and after it: their tables and structs are shorter or longer, and
// they speak other versions.
#include <nlohmann/json.hpp>
#include <string>

#include "busway/plugin.h"
#include "plugin_fixture.hpp"

namespace busway {
namespace {

class AbiAge : public PluginTest, public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override { run(GetParam()); }

  /// What the plugin saw when it called the host.
  Json report() {
    Watcher watch(bus_, {"age.report"});
    bus_.publish("age.go");
    return watch.wait("age.report").json();
  }
};

TEST_P(AbiAge, ItsTableEndsElsewhereAndItRuns) {
  EXPECT_EQ(manager_.health("age").level, PluginHealthInfo::Level::ok);
  manager_.stop("age");
  manager_.start("age");
  manager_.reload("age");
  manager_.unload("age");
  EXPECT_FALSE(manager_.find("age")->still_mapped);
}

TEST_P(AbiAge, ItsOptionsCountAsFarAsBothSidesKnowThem) {
  const PublishResult result = bus_.publish("age.sync");
  EXPECT_EQ(result.delivered, 1U) << "it says sync";
}

TEST_P(AbiAge, ItsMessageCountsAsFarAsBothSidesKnowIt) {
  Watcher watch(bus_, {"age.said"});
  EXPECT_EQ(report().at("said"), BUSWAY_OK);
  const Event said = watch.wait("age.said");
  EXPECT_EQ(said.priority(), Priority::high);
  EXPECT_EQ(said.content_type(), "text/plain");
  EXPECT_EQ(said.bytes().size(), 4U);
  EXPECT_EQ(said.metadata().size(), 0U);
  EXPECT_EQ(said.key(), "");
}

TEST_P(AbiAge, ItsResultIsWrittenAsFarAsItKnowsIt) {
  Watcher watch(bus_, {"age.said"});
  const Json seen = report();
  EXPECT_EQ(seen.at("matched"), 1);
  EXPECT_EQ(seen.at("size_kept"), 1);
  EXPECT_EQ(seen.at("beyond_kept"), 1);
  EXPECT_EQ(seen.at("said_again"), BUSWAY_OK);
  EXPECT_EQ(seen.at("tiny_kept"), 1) << "a result that is nothing but its size";
}

TEST_P(AbiAge, AFunctionBeyondTheHostsTableIsNotThereAndItGoesWithout) {
  EXPECT_EQ(report().at("sings"), 0);
}

TEST_P(AbiAge, AMessageThatEndsBeforeItsTopicHasNone) {
  const Json seen = report();
  EXPECT_EQ(seen.at("no_size"), BUSWAY_INVALID_ARGUMENT);
  EXPECT_EQ(seen.at("no_topic"), BUSWAY_INVALID_TOPIC);
  EXPECT_EQ(seen.at("half_a_topic"), BUSWAY_INVALID_TOPIC);
}

INSTANTIATE_TEST_SUITE_P(Plugins, AbiAge, ::testing::Values("older", "newer"),
                         [](const auto& plugin) { return std::string(plugin.param); });

class AbiRange : public PluginTest {};

TEST_F(AbiRange, TheHighestVersionOfBothSidesIsSpoken) {
  run("speaks_1_to_99");
  EXPECT_EQ(manager_.find("ranges")->state, PluginState::running);
  manager_.unload("ranges");
  run("speaks_0_to_1");
  EXPECT_EQ(manager_.find("ranges")->state, PluginState::running);
}

TEST_F(AbiRange, WhoSpeaksOnlyEarlierOrLaterVersionsIsRefused) {
  for (const char* name : {"speaks_0", "speaks_99"}) {
    const Error error = error_of([&] { manager_.load(library(name)); });
    EXPECT_EQ(error.code(), ErrorCode::plugin_abi) << name;
    EXPECT_NE(std::string(error.what()).find("speaks none of the ABI versions of this host (1)"),
              std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace busway
