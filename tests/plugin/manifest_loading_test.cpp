// What a manifest changes of loading, starting and replacing a plugin.
#include <cstdlib>
#include <random>

#include "busway/config_error.hpp"
#include "busway/events/plugin_event_data.hpp"
#include "busway/plugin.h"
#include "busway/typed.hpp"
#include "manifest_fixture.hpp"

namespace busway {
namespace {

class ManifestLoading : public ManifestTest {
 protected:
  /// The error of loading asking.so with this manifest.
  Error refusal(const std::string& manifest, PluginSpec spec = {}) {
    put_manifest(manifest);
    spec.path = file();
    return error_of([&] { manager_.load(spec); });
  }
  [[nodiscard]] std::string sum() const { return "sha256: " + sum_of_file(file()) + '\n'; }
};

TEST_F(ManifestLoading, APathMayNameTheManifestWhichNamesTheLibrary) {
  put_library("asking", "asking-2.so");
  put_manifest("library: asking-2.so\nconfig: {a: 1}\n");
  EXPECT_EQ(manager_.load(file("asking.plugin.yaml")), "asking");
  EXPECT_EQ(manager_.find("asking")->path, file("asking-2.so"));
  manager_.start("asking");
  EXPECT_EQ(ask({{"config", true}}).at("answer"), Json({{"a", 1}}));
}

TEST_F(ManifestLoading, AManifestByItselfMustNameItsLibraryAndBeThere) {
  put_manifest("id: asking\n");
  const Error unnamed = error_of([&] { manager_.load(file("asking.plugin.yaml")); });
  EXPECT_EQ(unnamed.code(), ErrorCode::invalid_config);
  EXPECT_TRUE(mentions(unnamed.what(), "asking.plugin.yaml"));
  EXPECT_TRUE(mentions(unnamed.what(), "library: is missing"));
  EXPECT_EQ(manager_.find("asking")->state, PluginState::failed);
  const Error gone = error_of([&] { manager_.load(file("gone.plugin.yaml")); });
  EXPECT_EQ(gone.code(), ErrorCode::invalid_config);
  EXPECT_TRUE(mentions(gone.what(), "gone.plugin.yaml"));
}

TEST_F(ManifestLoading, AFaultyManifestIsToldWithFileAndLineAndThePluginListedAsFailed) {
  Watcher watch(bus_, "plugin.failed");
  put_library("asking");
  const Error error = refusal("id: asking\nmailbocks: {}\n");
  EXPECT_EQ(error.code(), ErrorCode::invalid_config);
  EXPECT_EQ(std::string_view(error.what()),
            file("asking.plugin.yaml") + ":2: mailbocks: unknown key; did you mean mailbox?");
  EXPECT_THROW(manager_.load(file()), ConfigError) << "or its lines are lost";
  EXPECT_EQ(watch.wait("plugin.failed").as<PluginEventData>().error, error.what());
  put_manifest("id: asking\n");
  EXPECT_EQ(manager_.load(file()), "asking") << "and may be loaded again";
}

TEST_F(ManifestLoading, WhatItSaysOfTheLibraryMustBeSo) {
  put_library("asking");
  const Error id = refusal("id: answering\n");
  EXPECT_EQ(id.code(), ErrorCode::bad_plugin_file);
  EXPECT_TRUE(mentions(id.what(), "gives itself the id"));
  EXPECT_TRUE(mentions(id.what(), "answering"));
  EXPECT_TRUE(mentions(id.what(), "asking.plugin.yaml"));
  const Error version = refusal("version: 3.0.0\n");
  EXPECT_EQ(version.code(), ErrorCode::bad_plugin_file);
  EXPECT_TRUE(mentions(version.what(), "2.5.0"));
  EXPECT_TRUE(mentions(version.what(), "3.0.0"));
  const Error abi = refusal("abi: 7\n");
  EXPECT_EQ(abi.code(), ErrorCode::plugin_abi);
  EXPECT_TRUE(mentions(abi.what(), "ABI version 7"));
  EXPECT_TRUE(mentions(abi.what(), "this host speaks 1"));
  put_manifest("id: asking\nversion: 2.5.0\nabi: 1\n");
  EXPECT_EQ(manager_.load({.path = file(), .id = "renamed"}), "renamed")
      << "the spec still gives it another id";
}

// -- The sum --------------------------------------------------------------------------------------

TEST_F(ManifestLoading, AnotherSumIsRefusedBeforeAnythingOfTheFileRuns) {
  ASSERT_EQ(::unsetenv("BUSWAY_TEST_TELLTALE"), 0);
  put_library("telltale");
  const std::string right = sum_of_file(file());
  std::string wrong = right;
  wrong[0] = wrong[0] == '0' ? '1' : '0';
  const Error error = refusal("sha256: " + wrong + "\n");
  EXPECT_EQ(error.code(), ErrorCode::bad_plugin_file);
  EXPECT_TRUE(mentions(error.what(), file()));
  EXPECT_TRUE(mentions(error.what(), "its sha256 begins " + right.substr(0, 12)));
  EXPECT_TRUE(mentions(error.what(), "the manifest says " + wrong.substr(0, 12)));
  EXPECT_TRUE(mentions(error.what(), "build it again, or copy both files again"));
  EXPECT_EQ(std::getenv("BUSWAY_TEST_TELLTALE"), nullptr);
  EXPECT_EQ(refusal("sha256: " + right + "\n").code(), ErrorCode::plugin_abi) << "it has no table";
  EXPECT_NE(std::getenv("BUSWAY_TEST_TELLTALE"), nullptr) << "or the line above proves nothing";
}

TEST_F(ManifestLoading, EachFlippedBitIsRefusedAndTheHostLives) {
  put_library("asking");
  const std::string whole = bytes_of(file());
  put_manifest(sum());
  std::mt19937_64 random(200);
  for (int i = 0; i < 200; ++i) {
    std::string flipped = whole;
    const std::size_t bit = random() % (8 * whole.size());
    flipped[bit / 8] =
        static_cast<char>(static_cast<unsigned char>(flipped[bit / 8]) ^ (1U << (bit % 8)));
    put("asking.so", flipped);
    const Error error = error_of([&] { manager_.load(file()); });
    EXPECT_EQ(error.code(), ErrorCode::bad_plugin_file) << "bit " << bit;
    EXPECT_TRUE(mentions(error.what(), "sha256")) << "bit " << bit;
  }
  put("asking.so", whole);
  EXPECT_EQ(manager_.load(file()), "asking");
  manager_.start("asking");
  EXPECT_EQ(ask(nullptr).at("status"), BUSWAY_OK);
}

// -- Requirements ---------------------------------------------------------------------------------

TEST_F(ManifestLoading, WhatItRequiresIsRequiredBesideWhatTheLibraryDoes) {
  put_library("beta");  // which requires alpha
  put_manifest("requires: [alpha, everything]\n");
  manager_.load(file());
  EXPECT_EQ(manager_.find("beta")->required, (std::vector<std::string>{"alpha", "everything"}));
  manager_.load(library("alpha"));
  const Error error = error_of([&] { (void)manager_.start_all(); });
  EXPECT_EQ(error.code(), ErrorCode::plugin_requires);
  EXPECT_TRUE(mentions(error.what(), "requires \"everything\", which is not loaded"));
  manager_.load(library("everything"));
  EXPECT_TRUE(manager_.start_all().empty());
}

TEST_F(ManifestLoading, AVersionThatDoesNotMeetTheRangeFailsTheStart) {
  put_library("asking");
  put_manifest("requires: [{id: everything, version: '>=2 <3'}]\n");
  manager_.load(file());
  manager_.load(library("everything"));
  const auto problems = manager_.start_all();
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_EQ(problems[0].code, ErrorCode::plugin_requires);
  EXPECT_EQ(
      problems[0].message,
      "the plugin \"asking\" requires \"everything\" of version \">=2 <3\", and its version is "
      "\"1.2.3\"; put a build in its place that fits, or change requires in the manifest of "
      "\"asking\"");
  EXPECT_EQ(manager_.find("everything")->state, PluginState::running);
  manager_.unload("asking");
  put_manifest("requires: [{id: everything, version: ^1.2}]\n");
  manager_.load(file());
  manager_.start("asking");
  EXPECT_EQ(manager_.find("asking")->state, PluginState::running);
}

TEST_F(ManifestLoading, AReplacementThatNoLongerFitsThoseThatRequireItIsRefused) {
  put_library("counter_1", "counter.so");
  manager_.load(file("counter.so"));
  manager_.start("counter");
  put_library("asking");
  put_manifest("requires: [{id: counter, version: ^1}]\n");
  manager_.load(file());
  manager_.start("asking");
  put_library("counter_2", "counter.so");
  const Error error = error_of([&] { manager_.reload("counter"); });
  EXPECT_EQ(error.code(), ErrorCode::plugin_requires);
  EXPECT_TRUE(mentions(error.what(), "of version \"^1\", and its version is \"2.0.0\""));
  EXPECT_EQ(manager_.find("counter")->version, "1.0.0");
  manager_.stop("asking");
  manager_.reload("counter");
  EXPECT_EQ(manager_.find("counter")->version, "2.0.0");
}

// -- Configuration and rules ----------------------------------------------------------------------

TEST_F(ManifestLoading, ItsConfigurationHoldsWhereTheHostGivesNone) {
  run_asking("config: {a: 1, b: {c: 2, d: 3}, e: [1, 2], f: {g: 1}, h: 4}\n",
             {.config = Json::parse(R"({"b":{"c":9,"x":8},"e":[3],"f":5,"h":null})")});
  EXPECT_EQ(ask({{"config", true}}).at("answer"),
            Json::parse(R"({"a":1,"b":{"c":9,"d":3,"x":8},"e":[3],"f":5,"h":null})"));
}

TEST_F(ManifestLoading, MailboxesThatNameNoCapacityHaveThatOfTheRules) {
  run_asking("mailbox: {capacity: 5, overflow: drop_newest}\n");
  EXPECT_EQ(capacity_of("ask.do"), 5U);
  EXPECT_EQ(ask({{"subscribe", {"named"}}, {"capacity", 9}}).at("status"), BUSWAY_OK);
  EXPECT_EQ(capacity_of("named"), 9U);
  EXPECT_EQ(ask({{"subscribe", {"sync"}}, {"sync", true}}).at("status"), BUSWAY_OK)
      << "a synchronous one has no mailbox";
}

TEST_F(ManifestLoading, MailboxesThatNameNoOverflowHaveThatOfTheRules) {
  std::atomic<bool> inside{false};
  std::atomic<bool> go{false};
  const Subscription slow = bus_.subscribe("slow", [&](const Event&, Context& context) {
    inside = true;
    while (!go) std::this_thread::yield();
    context.reply(Json());
  });
  run_asking("mailbox: {capacity: 1, overflow: drop_newest}\n");
  ask({{"subscribe", {"heard"}}});
  std::thread asks([&] { (void)ask({{"request", "slow"}}); });  // its worker is busy till it may go
  EXPECT_TRUE(eventually([&] { return inside.load(); }));
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(bus_.publish("heard").failures.empty()) << "the bus's default would be reject";
  }
  std::uint64_t dropped = 0;
  for (const SubscriptionInfo& info : bus_.subscriptions("asking"))
    dropped += info.counters.dropped;
  EXPECT_GE(dropped, 1U) << "there was room for all of them, so nothing was shown";
  go = true;
  asks.join();
}

TEST_F(ManifestLoading, TheHostsRulesGoBeforeAndBothMustGoTogether) {
  run_asking("mailbox: {capacity: 5}\ndeadlines: {soft: 5s}\n", {.rules = {.queue_capacity = 6}});
  EXPECT_EQ(capacity_of("ask.do"), 6U);
  manager_.unload("asking");
  const Error error =
      refusal("deadlines: {soft: 5s}\n", {.rules = {.hard_deadline = std::chrono::seconds(5)}});
  EXPECT_EQ(error.code(), ErrorCode::invalid_option);
  EXPECT_TRUE(
      mentions(error.what(), "the soft deadline (5s) must be shorter than the hard one (5s)"));
}

TEST_F(ManifestLoading, RulesThatCannotBeAreRefusedByName) {
  const auto refused = [&](PluginRules rules, const char* words) {
    const Error error = error_of(
        [&] { manager_.load(PluginSpec{.path = library("asking"), .rules = std::move(rules)}); });
    EXPECT_TRUE(error.code() == ErrorCode::invalid_option ||
                error.code() == ErrorCode::invalid_pattern);
    EXPECT_TRUE(mentions(error.what(), words));
  };
  refused({.queue_capacity = 0}, "the capacity of its mailboxes is 0; it takes 1 to 16777216");
  refused({.soft_deadline = std::chrono::seconds(0)}, "the soft deadline is 0ms; it takes more");
  refused({.state_bytes_max = std::size_t{1} << 40U}, "it takes at most 67108864");
  refused({.restart_delay = std::chrono::seconds(2), .restart_delay_max = std::chrono::seconds(1)},
          "the delay of restarts (2s) must be at most the longest one (1s)");
  refused({.may_publish = {{"re:("}}}, "re:(");
}

TEST_F(ManifestLoading, AStateBeyondItsMostIsRefusedAndTheOldOneRunsOn) {
  run_asking("state: {max_size: 100B}\n", {.config = {{"state_size", 200}}});
  const Error error = error_of([&] { manager_.reload("asking"); });
  EXPECT_TRUE(mentions(error.what(), "the state of the plugin asking may have 100 bytes"));
  EXPECT_EQ(manager_.find("asking")->state, PluginState::running);
  EXPECT_EQ(ask(nullptr).at("status"), BUSWAY_OK);
}

TEST_F(ManifestLoading, AStateOfItsMostIsHandedOver) {
  run_asking("state: {max_size: 100B}\n", {.config = {{"state_size", 98}}});  // and two quotes
  manager_.reload("asking");
  EXPECT_EQ(manager_.find("asking")->generation, 2U);
}

// -- Replacing ------------------------------------------------------------------------------------

TEST_F(ManifestLoading, AReplacementFollowsTheManifestAsItIsThen) {
  run_asking("config: {a: 1}\nmailbox: {capacity: 5}\n");
  put_manifest("config: {a: 2}\nmailbox: {capacity: 6}\npublish: [out]\n");
  EXPECT_EQ(ask({{"publish", "else"}}).at("status"), BUSWAY_OK);
  manager_.reload("asking");
  EXPECT_EQ(ask({{"config", true}}).at("answer"), Json({{"a", 2}}));
  EXPECT_EQ(capacity_of("ask.do"), 6U);
  EXPECT_EQ(ask({{"publish", "else"}}).at("status"), BUSWAY_DENIED);
}

TEST_F(ManifestLoading, AFaultyManifestEndsTheReplacementAndTheOldOneRunsOn) {
  run_asking("config: {a: 1}\n");
  put_manifest("config: {a: 2}\nnonsense: 1\n");
  const Error error = error_of([&] { manager_.reload("asking"); });
  EXPECT_EQ(error.code(), ErrorCode::invalid_config);
  EXPECT_TRUE(mentions(error.what(), "asking.plugin.yaml:2: nonsense: unknown key"));
  EXPECT_EQ(ask({{"config", true}}).at("answer"), Json({{"a", 1}}));
}

TEST_F(ManifestLoading, AReloadOfNoneForbidsIt) {
  run_asking("reload: none\n");
  EXPECT_EQ(error_of([&] { manager_.reload("asking"); }).code(), ErrorCode::plugin_state);
}

// -- The watch ------------------------------------------------------------------------------------

TEST_F(ManifestLoading, TheWatchLooksAtTheManifestWhereThereIsOne) {
  PluginManager watching(bus_, {.watch = true});
  Watcher watch(bus_, {"plugin.error", "plugin.reloading"});
  const auto generation = [&](const char* id, std::uint64_t wanted) {
    return eventually([&] { return watching.find(id)->generation == wanted; });
  };
  put_library("counter_1");
  put_manifest(sum());
  watching.load(file());
  watching.start("counter");
  put_library("alpha", "later.so");  // without one
  watching.load(file("later.so"));
  watching.start("alpha");
  // A build is half done: the library is new, its manifest not yet. When the other plugin has been
  // replaced, whose file comes later, this one would have been too.
  put_library("counter_2");
  put_library("alpha", "later.so");
  EXPECT_TRUE(generation("alpha", 2));
  EXPECT_EQ(watch.count("plugin.reloading"), 1U);
  EXPECT_EQ(watching.find("counter")->generation, 1U);
  put_manifest(sum());
  EXPECT_TRUE(generation("counter", 2));
  EXPECT_EQ(watching.find("counter")->version, "2.0.0");
  EXPECT_EQ(watch.count("plugin.error"), 0U);
  put_manifest(sum() + "version: 9\n");
  EXPECT_TRUE(mentions(watch.wait("plugin.error").as<PluginEventData>().error, "its manifest"));
}

TEST_F(ManifestLoading, TheWatchSeesAManifestThatComesLater) {
  PluginManager watching(bus_, {.watch = true});
  put_library("counter_1");
  watching.load(file());
  watching.start("counter");
  put_manifest(sum() + "reload: stop_first\n");
  EXPECT_TRUE(eventually([&] { return watching.find("counter")->generation == 2; }));
}

}  // namespace
}  // namespace busway
