// Deliveries to a plugin that fail and are tried again.
#include <chrono>
#include <string>

#include "busway/receipt.hpp"
#include "hanging_fixture.hpp"

namespace busway {
namespace {

using std::chrono::seconds;

TEST(PluginRetries, APluginSeesTheNumberOfEachAttemptAndThenItIsADeadLetter) {
  HangingPlugin plugin;
  Watcher watch(plugin.bus, "flaky.attempt");
  const Receipt receipt = plugin.bus.publish_async(Event("flaky"));
  EXPECT_EQ(watch.wait("flaky.attempt", 0).json(), 1);
  ASSERT_TRUE(eventually([&] { return plugin.bus.stats().retried == 1; }));
  EXPECT_EQ(plugin.info("flaky").retries_waiting, 1U);
  plugin.clock->advance(seconds(1));
  EXPECT_EQ(watch.wait("flaky.attempt", 1).json(), 2);
  ASSERT_TRUE(eventually([&] { return plugin.bus.stats().retried == 2; }));
  plugin.clock->advance(seconds(2));
  EXPECT_EQ(watch.wait("flaky.attempt", 2).json(), 3);
  ASSERT_TRUE(receipt.wait_for(kGuard));
  ASSERT_EQ(receipt.outcomes().size(), 1U);
  EXPECT_EQ(receipt.outcomes().front().kind, DeliveryOutcome::Kind::dead_lettered);
  EXPECT_EQ(watch.count("flaky.attempt"), 3U);
  ASSERT_EQ(plugin.bus.dead_letters().size(), 1U);
  const DeadLetter letter = plugin.bus.dead_letters().list().front();
  EXPECT_EQ(letter.owner, "hanging");
  EXPECT_EQ(letter.name, "flaky");
  EXPECT_EQ(letter.last().attempts, 3U);
  EXPECT_EQ(letter.last().reason, "not today");
}

class PluginSyncRetries : public PluginTest {};

TEST_F(PluginSyncRetries, APluginSeesTheNumberOfEachAttempt) {
  const Trap unused;
  run("hanging", {{"trap", unused.address()}});
  const PublishResult result = bus_.publish("flaky.sync", Json());
  EXPECT_EQ(result.delivered, 1U) << result.message();
  EXPECT_EQ(bus_.stats().retried, 2U);
}

TEST(PluginRetries, UnloadingDropsOneThatWaits) {
  HangingPlugin plugin;
  Watcher watch(plugin.bus, "flaky.attempt");
  const Receipt receipt = plugin.bus.publish_async(Event("flaky"));
  ASSERT_TRUE(eventually([&] { return plugin.bus.stats().retried == 1; }));
  plugin.manager.unload("hanging");
  EXPECT_EQ(plugin.manager.find("hanging")->state, PluginState::unloaded);
  ASSERT_TRUE(receipt.wait_for(kGuard));
  ASSERT_EQ(receipt.outcomes().size(), 1U);
  EXPECT_EQ(receipt.outcomes().front().kind, DeliveryOutcome::Kind::dropped);
  EXPECT_EQ(receipt.outcomes().front().reason,
            "the subscription ended before the event was handled");
  EXPECT_EQ(plugin.bus.stats().dropped, 1U);
  EXPECT_EQ(plugin.bus.dead_letters().size(), 0U);
  plugin.clock->advance(std::chrono::hours(1));
  EXPECT_EQ(watch.count("flaky.attempt"), 1U);
}

}  // namespace
}  // namespace busway
