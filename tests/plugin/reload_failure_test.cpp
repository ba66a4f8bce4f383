// A replacement that fails, or may not be: the old one runs on.
#include <filesystem>
#include <fstream>

#include "busway/events/plugin_event_data.hpp"
#include "busway/typed.hpp"
#include "reload_fixture.hpp"

namespace busway {
namespace {

namespace fs = std::filesystem;

class FailedReload : public ReloadTest {};

struct Failure {
  const char* build;
  const char* words;
};

class ReloadFailure : public FailedReload, public ::testing::WithParamInterface<Failure> {};

TEST_P(ReloadFailure, PutsTheOldOneBackUnderLoad) {
  Watcher watch(bus_, {"plugin.error", "stopped"});
  run_build("counter_1");
  const auto before = subscription_ids();
  Counting counting(bus_);
  for (int i = 0; i < std::max(reloads() / 10, 1); ++i) {
    build(GetParam().build);
    const Error error = error_of([&] { manager_.reload("counter"); });
    EXPECT_TRUE(
        mentions(error.what(), "the plugin \"counter\" was not reloaded, and runs on as it was"));
    EXPECT_TRUE(mentions(error.what(), GetParam().words)) << error.what();
  }
  counting.finish();
  EXPECT_TRUE(counting.all_heard());
  EXPECT_TRUE(counting.in_order());
  EXPECT_EQ(counting.builds(), 1U);
  EXPECT_EQ(counting.refused(), 0);
  EXPECT_EQ(subscription_ids(), before);
  EXPECT_EQ(watch.count("stopped"), 0U);
  const PluginInfo info = *manager_.find("counter");
  EXPECT_EQ(info.state, PluginState::running);
  EXPECT_EQ(info.generation, 1U);
  EXPECT_TRUE(mentions(info.last_error, GetParam().words));
  EXPECT_TRUE(mentions(watch.wait("plugin.error").as<PluginEventData>().error, GetParam().words));
  // And then one that works.
  build("counter_2");
  manager_.reload("counter");
  EXPECT_EQ(manager_.find("counter")->version, "2.0.0");
}

INSTANTIATE_TEST_SUITE_P(
    InEachStep, ReloadFailure,
    ::testing::Values(Failure{"no_entry", "busway_plugin_entry"},
                      Failure{"abi_99", "ABI version 99"},
                      Failure{"alpha", "now calls itself \"alpha\""},
                      Failure{"counter_needs", "requires \"somebody\", which is not loaded"},
                      Failure{"counter_fails_create", "create does not work in this build"},
                      Failure{"counter_fails_setup", "setup does not work in this build"},
                      Failure{"counter_fails_restore_state", "restore_state does not work"},
                      Failure{"counter_fails_start", "start does not work in this build"}),
    [](const auto& one) { return std::string(one.param.build); });

TEST_F(FailedReload, OfADamagedFilePutsTheOldOneBack) {
  run_build("counter_1");
  std::ofstream(file(), std::ios::trunc) << "no library at all";
  EXPECT_EQ(error_of([&] { manager_.reload("counter"); }).code(), ErrorCode::bad_plugin_file);
  fs::remove(file());
  EXPECT_EQ(error_of([&] { manager_.reload("counter"); }).code(), ErrorCode::bad_plugin_file);
  Watcher watch(bus_, "counted");
  bus_.publish("count", Json(0));
  EXPECT_EQ(number(watch.wait("counted"), "build"), 1);
}

TEST_F(FailedReload, WhoseOldOneCannotSaveItsStatePutsItBack) {
  Watcher watch(bus_, "counted");
  run_build("counter_1", {{"fails_to_save", true}});
  build("counter_2");
  EXPECT_TRUE(
      mentions(error_of([&] { manager_.reload("counter"); }).what(), "there is no saving it"));
  bus_.publish("count", Json(0));
  EXPECT_EQ(number(watch.wait("counted"), "build"), 1);
}

TEST_F(FailedReload, RefusesAStateThatIsTooNewByName) {
  Watcher watch(bus_, "counted");
  run_build("counter_2");
  build("counter_1");
  EXPECT_TRUE(
      mentions(error_of([&] { manager_.reload("counter"); }).what(), "a state of version 2"));
  bus_.publish("count", Json(0));
  EXPECT_EQ(number(watch.wait("counted"), "build"), 2);
}

TEST_F(FailedReload, OfOneThatIsBusyIsRefusedAndItRunsOn) {
  PluginManager impatient(bus_, {.call_timeout = std::chrono::seconds(1)});
  Watcher watch(bus_, {"slow.began", "slow.done", "counted"});
  build("counter_1");
  impatient.load(file());
  impatient.start("counter");
  std::atomic<bool> may{false};
  const Subscription answers = bus_.subscribe(
      "may.go.on", [&](const Event&, Context& context) { context.reply(Json(may.load())); });
  bus_.publish("slow", Json(0));
  watch.wait("slow.began");
  bus_.publish("count", Json(0));
  build("counter_2");
  const Error error = error_of([&] { impatient.reload("counter"); });
  EXPECT_EQ(error.code(), ErrorCode::timed_out);
  EXPECT_TRUE(mentions(error.what(), "did not come back from what it is doing within 1000 ms"));
  may = true;
  watch.wait("slow.done");
  EXPECT_EQ(number(watch.wait("counted"), "build"), 1);
  impatient.reload("counter");
  bus_.publish("count", Json(1));
  EXPECT_EQ(number(watch.wait("counted", 1), "count"), 2);
}

TEST_F(FailedReload, LetsTheSourceGoOn) {
  constexpr int kLines = 20'000;
  const Lines lines(bus_);
  run_build("counter_1", {{"lines", kLines}});
  build("counter_fails_start");
  for (int i = 0; i < 20; ++i) {
    EXPECT_NE(error_of([&] { manager_.reload("counter"); }).code(), ErrorCode::ok);
  }
  ASSERT_TRUE(manager_.wait_until_idle(kGuard));
  EXPECT_EQ(lines.seen(), kLines);
  EXPECT_TRUE(lines.in_order());
}

TEST_F(FailedReload, OfASourceThatCannotBeEndedIsRefused) {
  run("old_source");
  EXPECT_TRUE(mentions(error_of([&] { manager_.reload("old_source"); }).what(),
                       "does not end when it is asked to"));
  EXPECT_EQ(manager_.find("old_source")->state, PluginState::running);
  EXPECT_EQ(manager_.find("old_source")->source, PluginSource::active);
}

TEST_F(FailedReload, StartsTheOldOneAgainThatWasStoppedFirst) {
  Watcher watch(bus_, {"started", "stopped", "counted"});
  run_build("counter_1", {{"lines", 1}}, PluginReload::stop_first);
  const auto before = subscription_ids();
  Counting counting(bus_);
  build("counter_fails_start");
  for (int i = 0; i < std::max(reloads() / 10, 1); ++i) {
    EXPECT_NE(error_of([&] { manager_.reload("counter"); }).code(), ErrorCode::ok);
  }
  counting.finish();
  EXPECT_TRUE(counting.all_heard());
  EXPECT_TRUE(counting.in_order());
  EXPECT_EQ(counting.refused(), 0);
  EXPECT_EQ(subscription_ids().size(), before.size() - 1) << "all but that of setup()";
  for (const SubscriptionId id : subscription_ids()) EXPECT_TRUE(before.contains(id));
  EXPECT_EQ(manager_.find("counter")->state, PluginState::running);
  EXPECT_TRUE(manager_.wait_until_idle(kGuard));
}

/// Where the plugin hangs in the test's own process, it can be let go.
Json hanging_in(const char* step, const Trap& trap) {
  Json config = {{"hangs_in", step}};
  if (!isolated()) config["trap"] = trap.address();
  return config;
}

TEST_F(FailedReload, OfOneThatHangsWhileItSavesItsStateLeavesItFailed) {
  Trap trap;
  {
    PluginManager impatient(bus_, {.call_timeout = std::chrono::seconds(1)});
    build("counter_1");
    impatient.load(PluginSpec{
        .path = file(), .config = hanging_in("save_state", trap), .rules = usual_rules()});
    impatient.start("counter");
    const Error error = error_of([&] { impatient.reload("counter"); });
    EXPECT_TRUE(mentions(error.what(), isolated() ? "save_state" : "it hangs in a call"));
    EXPECT_EQ(impatient.find("counter")->state,
              isolated() ? PluginState::running : PluginState::failed);
    if (!isolated()) {
      EXPECT_TRUE(subscription_ids().empty());
      EXPECT_EQ(error_of([&] { impatient.unload("counter"); }).code(), ErrorCode::plugin_failed);
    }
  }
  trap.open = true;
  EXPECT_TRUE(isolated() || eventually([&] { return trap.threads_ended == 1; }));
}

TEST_F(FailedReload, OfANewOneThatHangsInRestoreStateNeverStartsIt) {
  Trap trap;
  PluginManager impatient(bus_, {.call_timeout = std::chrono::seconds(1)});
  Watcher watch(bus_, {"started", "counted"});
  build("counter_1");
  impatient.load(PluginSpec{
      .path = file(), .config = hanging_in("restore_state", trap), .rules = usual_rules()});
  impatient.start("counter");
  build("counter_2");
  const Error error = error_of([&] { impatient.reload("counter"); });
  EXPECT_TRUE(mentions(error.what(), "restore_state")) << error.what();
  EXPECT_TRUE(mentions(error.what(), "and runs on as it was"));
  if (!isolated()) {
    trap.open = true;  // and it comes back, when nobody waits for it any more
    ASSERT_TRUE(eventually([&] { return trap.threads_ended == 1; }));
  }
  EXPECT_EQ(watch.count("started"), 1U);
  bus_.publish("count", Json(1));
  EXPECT_EQ(number(watch.wait("counted"), "build"), 1);
}

TEST_F(FailedReload, OfOneThatGetsBusyBeforeItsStateIsSavedLeavesItsWorkerFree) {
  Watcher watch(bus_, {"slow.began", "slow.done", "counted"});
  std::atomic<bool> may{false};
  const Subscription answers = bus_.subscribe(
      "may.go.on", [&](const Event&, Context& context) { context.reply(Json(may.load())); });
  PluginManager impatient(bus_, {.call_timeout = std::chrono::seconds(1)});
  build("counter_1");
  // In this process always: one of its own is killed for such a handler and started again.
  impatient.load(PluginSpec{.path = file(), .config = {{"busy_at_end", true}}});
  impatient.start("counter");
  impatient.begin_sources();
  build("counter_2");
  const Error error = error_of([&] { impatient.reload("counter"); });
  EXPECT_TRUE(mentions(error.what(), "did not come back from what it is doing within 1000 ms"));
  EXPECT_TRUE(mentions(error.what(), "and runs on as it was"));
  watch.wait("slow.began");
  may = true;
  watch.wait("slow.done");
  bus_.publish("count", Json(1));
  EXPECT_EQ(number(watch.wait("counted"), "build"), 1);
  impatient.reload("counter");
  bus_.publish("count", Json(2));
  EXPECT_EQ(number(watch.wait("counted", 1), "count"), 2);
}

TEST_F(FailedReload, IsNotWhatARequestInSaveStateLeadsTo) {
  PluginManager impatient(bus_, {.call_timeout = std::chrono::seconds(2)});
  const Subscription never = bus_.subscribe("never", [](const Event&) {}, {.mode = Mode::async});
  build("counter_1");
  impatient.load(
      PluginSpec{.path = file(), .config = {{"asks_in_save", true}}, .rules = usual_rules()});
  impatient.start("counter");
  impatient.reload("counter");
  EXPECT_EQ(impatient.find("counter")->generation, 2U);
}

TEST_F(FailedReload, IsRefusedWhereItCannotBe) {
  run_build("counter_1", Json::object(), PluginReload::none);
  EXPECT_TRUE(
      mentions(error_of([&] { manager_.reload("counter"); }).what(), "may not be reloaded"));
  manager_.stop("counter");
  EXPECT_EQ(error_of([&] { manager_.reload("counter"); }).code(), ErrorCode::plugin_state);
  EXPECT_TRUE(mentions(error_of([&] { manager_.reload("counted"); }).what(),
                       "there is no plugin \"counted\" (did you mean \"counter\"?)"));
  manager_.load("static:test_linked_in");
  manager_.start("linked_in");
  EXPECT_TRUE(mentions(error_of([&] { manager_.reload("linked_in"); }).what(),
                       "only one from a file can be reloaded"));
  const Subscription handler = bus_.subscribe("plugin.starting", [&](const Event&) {
    EXPECT_EQ(error_of([&] { manager_.reload("counter"); }).code(), ErrorCode::would_block);
  });
  manager_.start("counter");
}

}  // namespace
}  // namespace busway
