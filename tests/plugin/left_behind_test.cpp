// A plugin's handlers that pass their deadline: the plugin goes on without them, and nothing they
// touch goes away.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <thread>

#include "busway/typed.hpp"
#include "hanging_fixture.hpp"
#include "platform/loaded_images.hpp"

namespace busway {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// Part of the name of the library's mappings.
constexpr std::string_view kHangingImage = "busway-test_hanging";

std::size_t thread_in(const Event& event) { return event.json().at("thread").get<std::size_t>(); }

TEST(PluginLeftBehind, TheRestOfThePluginsQueueGoesOnOnAnotherThread) {
  HangingPlugin plugin;
  Watcher watch(plugin.bus, {"hanging", "quick.seen"});
  plugin.bus.publish("hang", Json{{"text", "kept"}});
  ASSERT_TRUE(plugin.holds(1));
  for (int i = 0; i < 3; ++i) plugin.bus.publish("quick", Json(i));
  plugin.clock->advance(seconds(1));
  for (std::size_t i = 0; i < 3; ++i) {
    const Event seen = watch.wait("quick.seen", i);
    EXPECT_EQ(seen.json().at("number"), i);
    EXPECT_NE(thread_in(seen), thread_in(watch.wait("hanging")));
    EXPECT_EQ(thread_in(seen), thread_in(watch.wait("quick.seen")));
  }
  EXPECT_EQ(plugin.trap.inside, 1);
  EXPECT_EQ(plugin.bus.stats().abandoned, 1U);
  EXPECT_EQ(plugin.info("hang").abandoned, 1U);
  ASSERT_TRUE(eventually([&] { return plugin.bus.dead_letters().size() == 1; }));
  EXPECT_EQ(plugin.bus.dead_letters().list().front().last().code, ErrorCode::timed_out);
  EXPECT_EQ(plugin.manager.health("hanging").level, PluginHealthInfo::Level::ok);
  EXPECT_TRUE(plugin.manager.wait_until_idle(kGuard));

  plugin.trap.open = true;
  EXPECT_TRUE(eventually([&] { return plugin.bus.stats().abandoned == 0; }));
  plugin.bus.publish("quick", Json(3));
  EXPECT_EQ(thread_in(watch.wait("quick.seen", 3)), thread_in(watch.wait("quick.seen")))
      << "the one that came back does not take its place again";
}

TEST(PluginLeftBehind, ALateCallHasItsOwnEventContextAndWordsUntilItReturns) {
  HangingPlugin plugin;
  Watcher watch(plugin.bus, {"hang.after", "own.seen", "hanging", "plugin.error"});
  const PublishResult sent = plugin.bus.publish("hang", Json{{"text", "kept"}});
  ASSERT_TRUE(plugin.holds(1));
  plugin.clock->advance(seconds(1));
  Trap second;
  plugin.bus.publish("second", Json{{"trap", second.address()}});
  ASSERT_TRUE(eventually([&] { return second.inside == 1; })) << "both are in the plugin now";

  plugin.trap.open = true;
  const Event after = watch.wait("hang.after");
  EXPECT_EQ(after.json(),
            (Json{{"text", "kept"}, {"topic", "hang"}, {"stop", true}, {"attempt", 1}}));
  EXPECT_EQ(after.causation_id(), sent.id);
  // Its sync delivery to its own plugin waits for the worker, which is busy with the second.
  EXPECT_EQ(watch.count("own.seen"), 0U);
  second.open = true;
  const Json own = watch.wait("own.seen").json();
  EXPECT_EQ(own.at("delivered"), 1);
  EXPECT_NE(own.at("thread"), watch.wait("hanging").json().at("thread"));

  ASSERT_TRUE(eventually([&] { return plugin.bus.dead_letters().size() == 2; }));
  ASSERT_TRUE(eventually([&] { return plugin.bus.stats().abandoned == 0; }));
  for (const DeadLetter& letter : plugin.bus.dead_letters().list()) {
    ASSERT_EQ(letter.history.size(), 1U) << "what came late is nobody's";
    EXPECT_TRUE(mentions(letter.last().reason, letter.event.topic() == "hang"
                                                   ? "did not return within 1s"
                                                   : "words of the second"));
  }
  EXPECT_EQ(watch.count("plugin.error"), 0U);
}

TEST(PluginLeftBehind, AtTheLimitTheBreakerOpensAndNoMoreThreadsAreReplaced) {
  HangingPlugin plugin({.max_abandoned = 1});
  Watcher watch(plugin.bus, {"hanging", "quick.seen"});
  ASSERT_TRUE(plugin.hang("hang", 1));
  EXPECT_TRUE(eventually([&] { return plugin.info("hang").breaker == BreakerState::open; }));
  plugin.bus.publish("hang", Json{{"text", "refused"}});
  ASSERT_TRUE(eventually([&] { return plugin.bus.dead_letters().size() == 2; }));
  EXPECT_EQ(plugin.info("hang").counters.dead_lettered, 2U);
  EXPECT_EQ(plugin.trap.inside, 1) << "it was not called";
  plugin.bus.publish("quick", Json(0));
  const std::size_t worker = thread_in(watch.wait("quick.seen"));

  // One that hangs at the limit is settled, and holds the worker.
  plugin.bus.publish("hang.too", Json{{"text", "kept"}});
  ASSERT_TRUE(plugin.holds(2));
  plugin.bus.publish("quick", Json(1));
  plugin.clock->advance(seconds(1));
  ASSERT_TRUE(eventually([&] { return plugin.bus.dead_letters().size() == 3; }));
  EXPECT_EQ(plugin.bus.stats().abandoned, 2U);
  EXPECT_FALSE(plugin.manager.idle());
  plugin.trap.open = true;
  EXPECT_EQ(thread_in(watch.wait("quick.seen", 1)), worker);
}

TEST(PluginLeftBehind, ThePublisherOfASyncOneGoesOnAtTheDeadlineAndSoDoesThePlugin) {
  HangingPlugin plugin;
  Watcher watch(plugin.bus, {"hanging", "quick.seen", "hang.after", "plugin.error"});
  PublishResult result;
  std::thread publisher([&] { result = plugin.bus.publish("hang.sync", Json{{"text", "kept"}}); });
  ASSERT_TRUE(plugin.holds(1));
  plugin.bus.publish("quick", Json(0));
  plugin.clock->advance(seconds(1));
  publisher.join();
  ASSERT_EQ(result.failures.size(), 1U);
  EXPECT_EQ(result.failures.front().code, ErrorCode::timed_out);
  EXPECT_EQ(result.failures.front().reason, "the plugin hanging has not finished within 1s");
  EXPECT_NE(thread_in(watch.wait("quick.seen")), thread_in(watch.wait("hanging")));
  EXPECT_EQ(plugin.trap.inside, 1);
  EXPECT_EQ(plugin.bus.stats().abandoned, 1U);
  EXPECT_EQ(plugin.info("hang.sync").abandoned, 1U);
  EXPECT_EQ(plugin.info("hang.sync").counters.timed_out, 1U);
  plugin.trap.open = true;
  EXPECT_EQ(watch.wait("hang.after").json().at("stop"), true);
  EXPECT_TRUE(eventually([&] { return plugin.bus.stats().abandoned == 0; }));
  EXPECT_EQ(watch.count("plugin.error"), 0U) << "a late result is discarded";
}

TEST(PluginLeftBehind, ASyncOneIsRefusedAtTheLimit) {
  HangingPlugin plugin({.max_abandoned = 1});
  std::thread publisher([&] { plugin.bus.publish("hang.sync", Json{{"text", "kept"}}); });
  ASSERT_TRUE(plugin.holds(1));
  plugin.clock->advance(seconds(1));
  publisher.join();
  EXPECT_EQ(plugin.info("hang.sync").breaker, BreakerState::open);
  const PublishResult result = plugin.bus.publish("hang.sync", Json{{"text", "refused"}});
  ASSERT_EQ(result.failures.size(), 1U);
  EXPECT_EQ(result.failures.front().code, ErrorCode::breaker_open);
  EXPECT_EQ(plugin.trap.inside, 1);
}

TEST(PluginLeftBehind, ASyncOneThatWasQueuedHasADeadlineOfItsOwn) {
  HangingPlugin plugin;
  Watcher watch(plugin.bus, {"asked", "quick.seen"});
  PublishResult queued;
  std::atomic<bool> published{false};
  const Subscription replier =
      plugin.bus.subscribe("question",
                           [&](const Event&, Context& context) {
                             // The worker waits for the reply: this must not wait for the worker.
                             queued = plugin.bus.publish("hang.sync", Json{{"text", "kept"}});
                             published = true;
                             context.reply(Json());
                           },
                           {.mode = Mode::async});
  plugin.bus.publish("ask");
  EXPECT_EQ(watch.wait("asked").json().at("status"), 0);
  ASSERT_TRUE(eventually([&] { return published.load(); }));
  EXPECT_EQ(queued.queued, 1U);
  ASSERT_TRUE(plugin.holds(1));
  plugin.bus.publish("quick", Json(0));
  ASSERT_TRUE(eventually([&] {
    plugin.clock->advance(milliseconds(250));
    return watch.count("quick.seen") == 1;
  }));
  EXPECT_EQ(plugin.trap.inside, 1);
  EXPECT_EQ(plugin.info("hang.sync").abandoned, 1U);
  // The plugin goes on before the call that was given up is counted.
  EXPECT_TRUE(eventually([&] { return plugin.info("hang.sync").counters.timed_out == 1; }));
  EXPECT_TRUE(eventually([&] { return plugin.bus.stats().timed_out == 1; }));
}

/// Time that passes a second at a time, each when all that was due by then has been done.
struct Pace {
  explicit Pace(HangingPlugin& of)
      : plugin(of),
        tick(of.bus.subscribe(
            "tick",
            [this](const Event&, const Context& context) {
              ++calls;
              if (context.attempt() == 1) throw std::runtime_error("again");
            },
            {.mode = Mode::async,
             .retry = RetryPolicy{.max_retries = 1, .initial_delay = seconds(1)}})) {}
  [[nodiscard]] bool second() {
    plugin.bus.publish("tick");
    ++ticks;
    if (!eventually([&] { return plugin.bus.stats().retried == ticks; })) return false;
    plugin.clock->advance(seconds(1));
    return eventually([&] { return calls == 2 * ticks; });
  }
  HangingPlugin& plugin;
  std::atomic<std::uint64_t> calls{0};
  std::uint64_t ticks = 0;
  Subscription tick;
};

TEST(PluginLeftBehind, AStuckSyncOneWithoutATimeoutIsReportedAndAskedToStop) {
  HangingPlugin plugin({.stuck_after = seconds(4)});
  Pace pace(plugin);
  PublishResult result;
  std::thread publisher([&] { result = plugin.bus.publish("wait.sync", Json()); });
  EXPECT_TRUE(plugin.holds(1));
  constexpr int kTimeout = 30;
  for (int i = 1; i < kTimeout && plugin.bus.stats().stuck == 0; ++i) EXPECT_TRUE(pace.second());
  publisher.join();
  EXPECT_EQ(plugin.trap.left, 1);
  EXPECT_EQ(result.delivered, 1U) << "it obeyed before its time was over";
  EXPECT_EQ(plugin.bus.stats().stuck, 1U);
  const std::string line = plugin.line("a synchronous handler does not return");
  EXPECT_TRUE(mentions(line, "subscription=waits"));
  EXPECT_TRUE(mentions(line, "owner=hanging"));
  EXPECT_TRUE(mentions(line, "topic=wait.sync"));
}

TEST(PluginLeftBehind, ASyncOneWithALongerTimeoutIsNotReportedBeforeIt) {
  HangingPlugin plugin({.stuck_after = seconds(4)});
  Pace pace(plugin);
  PublishResult result;
  std::thread publisher([&] { result = plugin.bus.publish("wait.sync.long", Json()); });
  EXPECT_TRUE(plugin.holds(1));
  for (int i = 0; i < 9; ++i) EXPECT_TRUE(pace.second());
  EXPECT_EQ(plugin.trap.inside, 1) << "nobody has asked it to stop";
  EXPECT_EQ(plugin.bus.stats().stuck, 0U);
  plugin.clock->advance(seconds(2));
  publisher.join();
  ASSERT_EQ(result.failures.size(), 1U);
  EXPECT_EQ(result.failures.front().code, ErrorCode::timed_out);
}

TEST(PluginLeftBehind, ASyncOneWithATimeoutIsAskedToStopWhenTheBusStops) {
  HangingPlugin plugin;
  PublishResult result;
  std::thread publisher([&] { result = plugin.bus.publish("wait.sync.long", Json()); });
  EXPECT_TRUE(plugin.holds(1));
  EXPECT_EQ(plugin.bus.stop(std::chrono::milliseconds(1)).kind, StopResult::Kind::deadline);
  publisher.join();
  EXPECT_EQ(plugin.trap.left, 1);
  EXPECT_EQ(result.delivered, 1U);
}

TEST(PluginLeftBehind, TheAttemptsOfASyncOneHaveNoMoreThanTheirTotalTogether) {
  HangingPlugin plugin;
  PublishResult result;
  const auto began = plugin.clock->steady();
  Watcher watch(plugin.bus, "tries.failed");
  std::thread publisher([&] { result = plugin.bus.publish("tries.sync", Json()); });
  (void)watch.wait("tries.failed");
  // Far less than the total, however slow the publisher is to begin its wait.
  EXPECT_TRUE(eventually([&] {
    plugin.clock->advance(std::chrono::milliseconds(1));
    return plugin.trap.inside == 1;
  }));
  plugin.clock->advance(began + std::chrono::hours(2) - plugin.clock->steady());
  publisher.join();
  ASSERT_EQ(result.failures.size(), 1U);
  EXPECT_EQ(result.failures.front().code, ErrorCode::timed_out);
  EXPECT_TRUE(mentions(result.failures.front().reason, "before retry.total (7200s) was over"));
}

// -- Unloading ------------------------------------------------------------------------------------

TEST(PluginLeftBehind, UnloadingWaitsForALateCallAndThenTakesTheCodeOut) {
  HangingPlugin plugin;
  Watcher watch(plugin.bus, {"plugin.stopped", "plugin.unloaded", "own.seen"});
  ASSERT_TRUE(plugin.hang("hang", 1));
  std::thread unloading([&] { plugin.manager.unload("hanging"); });
  (void)watch.wait("plugin.stopped");
  EXPECT_TRUE(platform_detail::is_mapped(kHangingImage));
  EXPECT_EQ(watch.count("plugin.unloaded"), 0U);
  plugin.trap.open = true;
  unloading.join();
  EXPECT_EQ(plugin.trap.left, 1);
  EXPECT_EQ(watch.count("own.seen"), 1U) << "it had come to its end";
  EXPECT_EQ(plugin.manager.find("hanging")->state, PluginState::unloaded);
  EXPECT_FALSE(plugin.manager.find("hanging")->still_mapped);
}

TEST(PluginLeftBehind, APublisherThatHasGivenUpMayOutlastThePlugin) {
  HangingPlugin plugin;
  plugin.manager.unload("hanging");
  std::atomic<bool> telling{false};
  std::atomic<bool> unloaded{false};
  plugin.on_line = [&](const std::string& line) {
    if (line.find("was left behind") == std::string::npos) return;
    telling = true;
    EXPECT_TRUE(eventually([&] { return unloaded.load(); }));
  };
  plugin.manager.load(
      PluginSpec{.path = library("hanging"), .config = {{"trap", plugin.trap.address()}}});
  PublishResult result;
  std::thread publisher([&] { result = plugin.bus.publish("early.sync", Json()); });
  EXPECT_TRUE(plugin.holds(1));
  plugin.clock->advance(seconds(1));
  EXPECT_TRUE(eventually([&] { return telling.load(); }));
  plugin.trap.open = true;
  plugin.manager.unload("hanging");
  unloaded = true;
  publisher.join();
  ASSERT_EQ(result.failures.size(), 1U);
  EXPECT_EQ(result.failures.front().code, ErrorCode::timed_out);
}

TEST(PluginLeftBehind, UnloadingFailsAtItsDeadlineAndTheCodeStaysUnderTheLateCall) {
  HangingPlugin plugin({}, {.call_timeout = milliseconds(100)});
  Watcher watch(plugin.bus, {"plugin.failed", "hang.after", "quick.seen"});
  ASSERT_TRUE(plugin.hang("hang", 1));
  try {
    plugin.manager.unload("hanging");
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::plugin_failed);
    EXPECT_TRUE(mentions(error.what(), "hangs in a call and cannot be unloaded"));
    EXPECT_TRUE(
        mentions(error.what(), "1 of its deliveries, given up at its deadline, has not come back"));
  }
  (void)watch.wait("plugin.failed");
  const PluginInfo info = plugin.manager.find("hanging").value();
  EXPECT_EQ(info.state, PluginState::failed);
  EXPECT_TRUE(info.still_mapped);
  EXPECT_TRUE(platform_detail::is_mapped(kHangingImage));
  EXPECT_TRUE(plugin.bus.subscriptions("hanging").empty());
  EXPECT_EQ(plugin.trap.inside, 1);

  // Another generation of it runs beside.
  plugin.manager.load(
      PluginSpec{.path = library("hanging"), .config = {{"trap", plugin.trap.address()}}});
  plugin.manager.start("hanging");
  plugin.bus.publish("quick", Json(0));
  (void)watch.wait("quick.seen");

  plugin.trap.open = true;
  EXPECT_EQ(watch.wait("hang.after").json().at("text"), "kept") << "its code is still there";
  EXPECT_TRUE(eventually([&] { return plugin.bus.stats().abandoned == 0; }));
}

TEST(PluginLeftBehind, TheManagerAndTheBusMayEndBeforeALateCallDoes) {
  Trap trap;
  const auto clock = std::make_shared<testing::ManualClock>();
  {
    Bus bus({.log = [](LogLevel, std::string_view, std::span<const LogField>) {}, .clock = clock});
    PluginManager manager(bus, {.call_timeout = milliseconds(100)});
    manager.load(PluginSpec{.path = library("hanging"), .config = {{"trap", trap.address()}}});
    manager.start("hanging");
    bus.publish("host", Json());
    ASSERT_TRUE(eventually([&] { return trap.inside == 1; }));
    clock->advance(seconds(1));
    ASSERT_TRUE(eventually([&] { return bus.stats().abandoned == 1; }));
  }
  EXPECT_EQ(trap.inside, 1);
  trap.open = true;
  EXPECT_TRUE(eventually([&] { return trap.done == 7; })) << "each of its calls came back";
  EXPECT_EQ(trap.refused, 3) << "publish, request and subscribe";
}

TEST(PluginLeftBehind, OneThatObeysItsStopTokenIsUnloadedAsIfNothingHadBeen) {
  HangingPlugin plugin;
  for (int i = 1; i <= 20; ++i) {
    plugin.bus.publish("wait", Json());
    ASSERT_TRUE(plugin.holds(1));
    plugin.clock->advance(seconds(1));
    ASSERT_TRUE(eventually([&] { return plugin.trap.left == i; }));
  }
  plugin.manager.unload("hanging");
  EXPECT_EQ(plugin.manager.find("hanging")->state, PluginState::unloaded);
  EXPECT_FALSE(plugin.manager.find("hanging")->still_mapped);
  EXPECT_TRUE(eventually(
      [&] { return plugin.bus.stats().abandoned == 0 && plugin.bus.dead_letters().size() == 20; }));
}

}  // namespace
}  // namespace busway
