// The plugin as a host runs it.
#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "../plugin_on_a_clock.hpp"
#include "busway/events/cache_miss.hpp"
#include "busway/events/phase_event_data.hpp"
#include "busway/plugin_import.hpp"
#include "busway/typed.hpp"

BUSWAY_IMPORT_PLUGIN(busway_cache_static)

namespace busway {
namespace {

using namespace std::chrono_literals;

constexpr const char* kTarget = "busway_cache";

/// As a phase says it: the key stands in the metadata.
void complete(PluginOnAClock& run, std::string_view phase, std::string_view key, Json output,
              const Json& metadata = Json::object()) {
  PhaseEventData data{.phase_name = std::string(phase), .output = std::move(output)};
  data.metadata = metadata;
  data.metadata["cache_key"] = key;
  run.bus().publish("phase.completed", data);
}

Json look_up(PluginOnAClock& run, std::string_view phase, std::string_view key) {
  return run.ask("phase.lookup", {{"name", phase}, {"key", key}});
}

class CachePlaces : public ::testing::TestWithParam<PluginPlace> {};
INSTANTIATE_TEST_SUITE_P(Places, CachePlaces, ::testing::ValuesIn(kPlaces), place_name);

TEST_P(CachePlaces, AnswersWithWhatThePhaseGave) {
  PluginOnAClock run(kTarget, Json::object(), GetParam());
  EXPECT_EQ(look_up(run, "writer", "ab12"), Json());
  const Event miss = run.wait("cache.miss");
  EXPECT_EQ(miss.source(), "cache");
  EXPECT_EQ(miss.json(), (Json{{"phase_name", "writer"}, {"cache_key", "ab12"}}));
  EXPECT_EQ(miss.as<CacheMiss>().cache_key, "ab12");

  const Json output{{"text", "caf\u00e9"}, {"n", 1.5}, {"list", {1, nullptr, "x"}}};
  complete(run, "writer", "ab12", output);
  EXPECT_EQ(look_up(run, "writer", "ab12"), output) << "at once, what was published before counts";
  EXPECT_EQ(look_up(run, "critic", "ab12"), Json()) << "another phase";
  EXPECT_EQ(look_up(run, "writer", "ab13"), Json()) << "another input";
  run.settle();
  EXPECT_EQ(run.count("cache.miss"), 3U);
  EXPECT_EQ(run.count("cache.hit"), 0U) << "that is the phase's to say";
}

TEST(Cache, EachLookUpSeesWhatItsPublisherHadCompleted) {
  PluginOnAClock run(kTarget);
  for (int i = 0; i < 200; ++i) {
    const std::string key = std::to_string(i);
    complete(run, "writer", key, i);
    EXPECT_EQ(look_up(run, "writer", key), Json(i));
  }
}

TEST(Cache, KeepsNeitherFailuresNorNothing) {
  PluginOnAClock run(kTarget);
  PhaseEventData failed{.phase_name = "writer", .output = "half a text", .error = "no"};
  failed.metadata["cache_key"] = "k";
  run.bus().publish("phase.failed", failed);
  complete(run, "writer", "k", nullptr);
  complete(run, "writer", "", "nobody can ask for it");
  run.bus().publish(phase_completed("writer", "s1", "without a key", 1));
  EXPECT_EQ(look_up(run, "writer", "k"), Json());
  EXPECT_EQ(look_up(run, "writer", ""), Json());
  EXPECT_EQ(run.ask("cache.stats").at("kept"), 0);
  EXPECT_EQ(run.bus().dead_letters().size(), 0U);
}

TEST(Cache, AnOutputOutOfTheCacheGrowsNoYounger) {
  PluginOnAClock run(kTarget, {{"age_max", "1h"}});
  complete(run, "writer", "k", "text");
  run.settle();
  run.clock().advance(50min);
  EXPECT_EQ(look_up(run, "writer", "k"), "text");
  complete(run, "writer", "k", "text", {{"cached", true}});
  run.settle();
  run.clock().advance(11min);
  EXPECT_EQ(look_up(run, "writer", "k"), Json());
  EXPECT_EQ(run.ask("cache.stats").at("expired"), 1);
}

TEST(Cache, KeepsForAnHour) {
  PluginOnAClock run(kTarget);
  complete(run, "writer", "k", "text");
  run.settle();
  run.clock().advance(1h);
  EXPECT_EQ(look_up(run, "writer", "k"), "text");
  run.clock().advance(1ns);
  EXPECT_EQ(look_up(run, "writer", "k"), Json());
}

TEST(Cache, TellsItsStatistics) {
  PluginOnAClock run(kTarget, {{"entries_max", 2}});
  for (const char* key : {"a", "b", "c"}) complete(run, "writer", key, key);
  for (const char* key : {"b", "c", "c"}) EXPECT_EQ(look_up(run, "writer", key), key);
  EXPECT_EQ(look_up(run, "writer", "a"), Json());
  Json stats = run.ask("cache.stats");
  EXPECT_GT(stats.at("bytes"), 0);
  stats.erase("bytes");
  EXPECT_EQ(stats, (Json{{"entries", 2},
                         {"entries_max", 2},
                         {"bytes_max", 16 << 20},
                         {"hits", 3},
                         {"misses", 1},
                         {"hit_rate", 0.75},
                         {"kept", 3},
                         {"evicted", 1},
                         {"expired", 0},
                         {"too_large", 0}}));
}

TEST(Cache, IsClearedByPhaseOrWhole) {
  PluginOnAClock run(kTarget);
  for (const char* phase : {"plan", "write", "judge"}) complete(run, phase, "k", phase);
  EXPECT_EQ(run.ask("cache.clear", {{"phase_name", "plan"}}), (Json{{"removed", 1}}));
  EXPECT_EQ(look_up(run, "plan", "k"), Json());
  EXPECT_EQ(look_up(run, "write", "k"), "write");
  EXPECT_EQ(run.ask("cache.clear"), (Json{{"removed", 2}}));
}

TEST(Cache, APhaseThatIsExceptedIsNeitherKeptNorMissed) {
  PluginOnAClock run(kTarget, {{"except", "dice"}});
  complete(run, "dice", "k", 6);
  EXPECT_EQ(look_up(run, "dice", "k"), Json());
  run.settle();
  EXPECT_EQ(run.count("cache.miss"), 0U);
  EXPECT_EQ(run.ask("cache.stats").at("misses"), 0);
}

TEST(Cache, WhatCannotBeReadIsADeadLetterAndTheNextIsAnswered) {
  PluginOnAClock run(kTarget);
  run.bus().publish("phase.lookup", Json{{"name", "writer"}});
  run.bus().publish("phase.lookup", Json("writer"));
  run.bus().publish("phase.completed", Json{{"phase_name", 7}, {"output", 1}});
  run.bus().publish("phase.completed", Json{{"output", 1}});
  run.bus().publish("phase.completed", Json{{"phase_name", "writer"}, {"metadata", "none"}});
  complete(run, "writer", "k", "text");
  EXPECT_EQ(look_up(run, "writer", "k"), "text");
  run.settle();
  EXPECT_EQ(run.bus().dead_letters().size(), 4U);
}

TEST(Cache, AReloadKeepsEntriesTheirAgeAndTheCounts) {
  PluginOnAClock run(kTarget);
  complete(run, "writer", "k", {{"text", "\"quoted\""}});
  EXPECT_EQ(look_up(run, "writer", "none"), Json());
  run.settle();
  run.clock().advance(50min);
  run.reload();
  EXPECT_EQ(look_up(run, "writer", "k"), (Json{{"text", "\"quoted\""}}));
  const Json stats = run.ask("cache.stats");
  EXPECT_EQ(stats.at("hits"), 1);
  EXPECT_EQ(stats.at("misses"), 1);
  EXPECT_EQ(stats.at("kept"), 1);
  run.clock().advance(11min);
  EXPECT_EQ(look_up(run, "writer", "k"), Json());
}

TEST(Cache, AReloadHandsOverTheLastUsedAsFarAsTheyFit) {
  PluginOnAClock run(kTarget, {{"state_bytes_max", "5KiB"}});
  for (int i = 0; i < 20; ++i) {
    complete(run, "writer", std::to_string(i), std::string(800, 'x'));
  }
  run.settle();
  EXPECT_EQ(look_up(run, "writer", "3"), std::string(800, 'x'));
  run.reload();
  const Json stats = run.ask("cache.stats");
  EXPECT_EQ(stats.at("entries"), 5);
  EXPECT_LE(stats.at("bytes"), 5 * 1024);
  EXPECT_EQ(look_up(run, "writer", "3"), std::string(800, 'x'));
  EXPECT_EQ(look_up(run, "writer", "19"), std::string(800, 'x'));
  EXPECT_EQ(look_up(run, "writer", "12"), Json());
}

TEST(Cache, AWrongKeyIsNamedWhenItIsLoaded) {
  const std::string refusal = PluginOnAClock::refusal(kTarget, {{"ttl", "1h"}});
  EXPECT_NE(refusal.find("unknown key \"ttl\""), std::string::npos) << refusal;
}

}  // namespace
}  // namespace busway
