// A plugin that runs is replaced by a later build of it, and nothing is lost.
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "busway/events/plugin_event_data.hpp"
#include "busway/testing/manual_clock.hpp"
#include "busway/typed.hpp"
#include "hanging_fixture.hpp"
#include "plugin_fixture.hpp"

namespace busway {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

/// In the short form; all of them with BUSWAY_TEST_RELOADS.
int reloads() {
  const char* const told = std::getenv("BUSWAY_TEST_RELOADS");
  return told == nullptr ? 100 : std::atoi(told);
}

class Reload : public PluginTest {
 protected:
  Reload() {
    std::string name = (fs::temp_directory_path() / "busway-reload-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~Reload() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  /// What a build leaves: the file is there in one moment.
  void build(std::string_view name) {
    const fs::path made = folder_ / "made";
    fs::copy_file(library(name), made, fs::copy_options::overwrite_existing);
    fs::rename(made, file());
  }
  [[nodiscard]] std::string file() const { return (folder_ / "counter.so").string(); }

  void run_build(std::string_view name, Json config = Json::object(),
                 PluginReload reload = PluginReload::overlap) {
    build(name);
    manager_.load(PluginSpec{.path = file(), .config = std::move(config), .reload = reload});
    manager_.start("counter");
  }

  [[nodiscard]] std::set<SubscriptionId> subscription_ids() {
    std::set<SubscriptionId> ids;
    for (const SubscriptionInfo& info : bus_.subscriptions("counter")) ids.insert(info.id);
    return ids;
  }

  fs::path folder_;
};

int number(const Event& event, const char* member) { return event.json().at(member).get<int>(); }

TEST_F(Reload, HandsOverStateAndKeepsSubscriptionsWithTheirIds) {
  Watcher watch(bus_, {"counted", "plugin.*", "stopped"});
  run_build("counter_1");
  const auto before = subscription_ids();
  ASSERT_EQ(before.size(), 6U);
  bus_.publish("count", Json(0));
  EXPECT_EQ(number(watch.wait("counted", 0), "build"), 1);
  build("counter_2");
  manager_.reload("counter");
  bus_.publish("count", Json(1));
  const Event counted = watch.wait("counted", 1);
  EXPECT_EQ(number(counted, "build"), 2);
  EXPECT_EQ(number(counted, "count"), 2);
  const auto after = subscription_ids();
  EXPECT_EQ(after.size(), 6U);
  std::size_t same = 0;
  for (const SubscriptionId id : before) same += after.count(id);
  EXPECT_EQ(same, 5U) << "all but only.1";
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

/// Publishes count 0, 1, 2 ... on a thread of its own until told to end.
class Counting {
 public:
  explicit Counting(Bus& bus)
      : heard_(bus.subscribe("counted",
                             [this](const Event& event) {
                               in_order_ = in_order_ && number(event, "n") == seen_ &&
                                           number(event, "count") == seen_ + 1;
                               builds_.insert(number(event, "build"));
                               ++seen_;
                             })),
        thread_([this, &bus] {
          for (; !end_; ++sent_) refused_ += bus.publish("count", Json(sent_.load())).ok() ? 0 : 1;
        }) {}
  ~Counting() { finish(); }
  /// When all that was published has been heard.
  void finish() {
    end_ = true;
    if (thread_.joinable()) thread_.join();
  }
  bool all_heard() {
    return eventually([&] { return seen_ == sent_; });
  }
  [[nodiscard]] int sent() const { return sent_; }
  [[nodiscard]] int refused() const { return refused_; }
  [[nodiscard]] bool in_order() const { return in_order_; }
  [[nodiscard]] std::size_t builds() const { return builds_.size(); }

 private:
  std::atomic<int> seen_{0};
  std::atomic<int> sent_{0};
  std::atomic<int> refused_{0};
  std::atomic<bool> end_{false};
  std::atomic<bool> in_order_{true};
  std::set<int> builds_;
  Subscription heard_;
  std::thread thread_;
};

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

struct Failure {
  const char* build;
  const char* words;
};

class ReloadFailure : public Reload, public ::testing::WithParamInterface<Failure> {};

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

TEST_F(Reload, OfADamagedFilePutsTheOldOneBack) {
  run_build("counter_1");
  std::ofstream(file(), std::ios::trunc) << "no library at all";
  EXPECT_EQ(error_of([&] { manager_.reload("counter"); }).code(), ErrorCode::bad_plugin_file);
  fs::remove(file());
  EXPECT_EQ(error_of([&] { manager_.reload("counter"); }).code(), ErrorCode::bad_plugin_file);
  Watcher watch(bus_, "counted");
  bus_.publish("count", Json(0));
  EXPECT_EQ(number(watch.wait("counted"), "build"), 1);
}

TEST_F(Reload, WhoseOldOneCannotSaveItsStatePutsItBack) {
  Watcher watch(bus_, "counted");
  run_build("counter_1", {{"fails_to_save", true}});
  build("counter_2");
  EXPECT_TRUE(
      mentions(error_of([&] { manager_.reload("counter"); }).what(), "there is no saving it"));
  bus_.publish("count", Json(0));
  EXPECT_EQ(number(watch.wait("counted"), "build"), 1);
}

TEST_F(Reload, RefusesAStateThatIsTooNewByName) {
  Watcher watch(bus_, "counted");
  run_build("counter_2");
  build("counter_1");
  EXPECT_TRUE(
      mentions(error_of([&] { manager_.reload("counter"); }).what(), "a state of version 2"));
  bus_.publish("count", Json(0));
  EXPECT_EQ(number(watch.wait("counted"), "build"), 2);
}

TEST_F(Reload, WhatOnlyTheOldOneListensToItHandlesToTheEnd) {
  Watcher watch(bus_, {"only", "slow.began", "slow.done", "plugin.reloading", "plugin.error"});
  run_build("counter_1");
  std::atomic<bool> may{false};
  const Subscription answers = bus_.subscribe(
      "may.go.on", [&](const Event&, Context& context) { context.reply(Json(may.load())); });
  bus_.publish("slow", Json(0));
  watch.wait("slow.began");
  // More than one run of the mailbox's pump, so that some are left when the old one rests.
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(bus_.publish("only.1", Json(i)).ok());
  build("counter_2");
  std::jthread opens([&] {
    watch.wait("plugin.reloading");
    may = true;
  });
  manager_.reload("counter");
  EXPECT_EQ(watch.count("only"), 1000U);
  EXPECT_EQ(watch.count("plugin.error"), 0U);
  bus_.publish("only.1", Json(0));
  bus_.publish("only.2", Json(0));
  EXPECT_EQ(number(watch.wait("only", 1000), "build"), 2);
  EXPECT_EQ(watch.count("slow.done"), 1U);
}

TEST_F(Reload, OfOneThatIsBusyIsRefusedAndItRunsOn) {
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

TEST_F(Reload, APublisherOutsideHandlersWaitsForTheNewOne) {
  Watcher watch(bus_, "waited");
  run_build("counter_1");
  std::atomic<bool> end{false};
  std::atomic<int> delivered{0};
  std::atomic<int> published{0};
  std::jthread publisher([&] {
    for (; !end; ++published) {
      delivered += static_cast<int>(bus_.publish("wait", Json(published.load())).delivered);
    }
  });
  for (int i = 0; i < std::max(reloads() / 10, 1); ++i) manager_.reload("counter");
  end = true;
  publisher.join();
  EXPECT_EQ(delivered, published);
  EXPECT_EQ(watch.count("waited"), static_cast<std::size_t>(published.load()));
}

TEST_F(Reload, APublisherInsideAHandlerGoesOnAndItsDeliveryIsMade) {
  Watcher watch(bus_, "waited");
  run_build("counter_1");
  std::atomic<bool> end{false};
  std::atomic<int> done{0};
  std::atomic<int> published{0};
  const Subscription outer = bus_.subscribe("outer", [&](const Event&) {
    const PublishResult result = bus_.publish("wait", Json(0));
    done += static_cast<int>(result.delivered + result.queued);
    ++published;
  });
  std::jthread publisher([&] {
    while (!end) (void)bus_.publish("outer");
  });
  for (int i = 0; i < std::max(reloads() / 10, 1); ++i) manager_.reload("counter");
  end = true;
  publisher.join();
  EXPECT_EQ(done, published);
  EXPECT_TRUE(eventually(
      [&] { return watch.count("waited") == static_cast<std::size_t>(published.load()); }));
}

TEST_F(Reload, ASourceGoesOnWhereItWas) {
  constexpr int kLines = 20'000;
  std::atomic<int> next{0};
  std::atomic<bool> in_order{true};
  const Subscription lines = bus_.subscribe("line", [&](const Event& event) {
    in_order = in_order && number(event, "n") == next;
    ++next;
  });
  run_build("counter_1", {{"lines", kLines}});
  int reloaded = 0;
  for (; reloaded < 1000 && manager_.find("counter")->source == PluginSource::active; ++reloaded) {
    build(reloaded % 2 == 0 ? "counter_1b" : "counter_1");
    manager_.reload("counter");
  }
  ASSERT_TRUE(manager_.wait_until_idle(kGuard));
  EXPECT_GE(reloaded, 1);
  EXPECT_EQ(next, kLines);
  EXPECT_TRUE(in_order);
  EXPECT_EQ(manager_.find("counter")->source, PluginSource::ended);
}

TEST_F(Reload, ThatFailsLetsTheSourceGoOn) {
  constexpr int kLines = 20'000;
  std::atomic<int> next{0};
  std::atomic<bool> in_order{true};
  const Subscription lines = bus_.subscribe("line", [&](const Event& event) {
    in_order = in_order && number(event, "n") == next;
    ++next;
  });
  run_build("counter_1", {{"lines", kLines}});
  build("counter_fails_start");
  for (int i = 0; i < 20; ++i) {
    EXPECT_NE(error_of([&] { manager_.reload("counter"); }).code(), ErrorCode::ok);
  }
  ASSERT_TRUE(manager_.wait_until_idle(kGuard));
  EXPECT_EQ(next, kLines);
  EXPECT_TRUE(in_order);
}

TEST_F(Reload, OfASourceThatCannotBeEndedIsRefused) {
  run("old_source");
  EXPECT_TRUE(mentions(error_of([&] { manager_.reload("old_source"); }).what(),
                       "does not end when it is asked to"));
  EXPECT_EQ(manager_.find("old_source")->state, PluginState::running);
  EXPECT_EQ(manager_.find("old_source")->source, PluginSource::active);
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

TEST_F(Reload, ThatStoppedTheOldOneFirstStartsItAgainWhereItFails) {
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

TEST_F(Reload, IsRefusedWhereItCannotBe) {
  run_build("counter_1", Json::object(), PluginReload::none);
  EXPECT_TRUE(
      mentions(error_of([&] { manager_.reload("counter"); }).what(), "may not be reloaded"));
  manager_.stop("counter");
  EXPECT_EQ(error_of([&] { manager_.reload("counter"); }).code(), ErrorCode::plugin_state);
  EXPECT_EQ(error_of([&] { manager_.reload("nobody"); }).code(), ErrorCode::not_found);
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

TEST_F(Reload, ThatStopsFirstTellsWhatNobodyCouldHandle) {
  Watcher watch(bus_, {"slow.began", "plugin.reloading", "plugin.error", "only"});
  run_build("counter_1", Json::object(), PluginReload::stop_first);
  std::atomic<bool> may{false};
  const Subscription answers = bus_.subscribe(
      "may.go.on", [&](const Event&, Context& context) { context.reply(Json(may.load())); });
  bus_.publish("slow", Json(0));
  watch.wait("slow.began");
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(bus_.publish("only.1", Json(i)).ok());
  build("counter_2");
  std::jthread opens([&] {
    watch.wait("plugin.reloading");
    may = true;
  });
  manager_.reload("counter");
  const std::size_t handled = watch.count("only");
  if (handled != 1000) {
    EXPECT_TRUE(mentions(watch.wait("plugin.error").as<PluginEventData>().error,
                         std::to_string(1000 - handled) + " events of subscriptions"));
  }
}

TEST_F(Reload, OfOneThatHangsWhileItSavesItsStateLeavesItFailed) {
  PluginManager impatient(bus_, {.call_timeout = std::chrono::seconds(1)});
  build("counter_1");
  impatient.load(PluginSpec{.path = file(), .config = {{"hangs_in_save", true}}});
  impatient.start("counter");
  std::atomic<bool> asked{false};
  const Subscription never =
      bus_.subscribe("never", [&](const Event&) { asked = true; }, {.mode = Mode::async});
  const Error error = error_of([&] { impatient.reload("counter"); });
  EXPECT_TRUE(asked);
  EXPECT_TRUE(mentions(error.what(), "the earlier one could not go on: it hangs in a call"));
  EXPECT_EQ(impatient.find("counter")->state, PluginState::failed);
  EXPECT_TRUE(subscription_ids().empty());
  EXPECT_EQ(error_of([&] { impatient.unload("counter"); }).code(), ErrorCode::plugin_failed);
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
