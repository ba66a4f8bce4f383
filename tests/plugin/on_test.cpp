// BUSWAY_ON in a plugin: handlers that are subscribed because they stand there.
#include "busway/plugin_import.hpp"
#include "busway/subscription_info.hpp"
#include "plugin_fixture.hpp"

BUSWAY_IMPORT_PLUGIN(test_on_linked_in)

namespace busway {
namespace {

class PluginOn : public PluginTest {};

TEST_F(PluginOn, SubscribesAFunctionWhenThePluginStarts) {
  manager_.load(library("on"));
  EXPECT_EQ(bus_.publish("on.ask", Json{{"n", 21}}).matched, 0U);
  manager_.start("on");
  const RequestResult result = bus_.request("on.ask", Json{{"n", 21}}, kGuard);
  ASSERT_TRUE(result.ok()) << result.message();
  EXPECT_EQ(result.reply().json(), (Json{{"twice", 42}}));
}

TEST_F(PluginOn, SubscribesAFunctionOfAnotherFileOfTheLibrary) {
  run("on");
  const RequestResult result = bus_.request("on.elsewhere", Json(), kGuard);
  ASSERT_TRUE(result.ok()) << result.message();
  EXPECT_EQ(result.reply().json(), "from elsewhere");
}

TEST_F(PluginOn, SubscribesAMemberOfThePluginBeforeItsStart) {
  Watcher watch(bus_, "on.member_heard");
  run("on");
  EXPECT_EQ(watch.wait("on.member_heard").json(), (Json{{"topic", "on.started"}, {"heard", 1}}));
  bus_.publish("on.member", Json());
  EXPECT_EQ(watch.wait("on.member_heard", 1).json(), (Json{{"topic", "on.member"}, {"heard", 2}}));
}

TEST_F(PluginOn, TakesTheOptionsOfASubscription) {
  run("on");
  for (const SubscriptionInfo& info : bus_.subscriptions("on")) {
    if (info.name != "answer") continue;
    EXPECT_EQ(info.priority, 7);
    EXPECT_EQ(info.mode, Mode::sync);
    return;
  }
  FAIL() << "there is no subscription of this name";
}

TEST_F(PluginOn, EndsWithThePluginsStopAndBeginsWithItsNextStart) {
  run("on");
  EXPECT_EQ(bus_.subscriptions("on").size(), 3U);
  manager_.stop("on");
  EXPECT_TRUE(bus_.subscriptions("on").empty());
  manager_.start("on");
  EXPECT_EQ(bus_.subscriptions("on").size(), 3U);
  manager_.unload("on");
  EXPECT_FALSE(manager_.find("on")->still_mapped);
}

TEST_F(PluginOn, ThatIsRefusedFailsTheStartWithItsFileLineAndHandler) {
  const std::string message = error_of([&] { run("on_refused"); }).what();
  EXPECT_NE(message.find("on_refused.cpp:12: BUSWAY_ON(on_nothing): "), std::string::npos)
      << message;
  EXPECT_NE(message.find("pattern \"re:(\""), std::string::npos) << message;
  EXPECT_TRUE(bus_.subscriptions("on_refused").empty());
}

TEST_F(PluginOn, OfOnePluginLinkedInIsNotThatOfAnother) {
  manager_.load("static:test_linked_in");
  manager_.load("static:test_on_linked_in");
  EXPECT_TRUE(manager_.start_all().empty());
  EXPECT_TRUE(bus_.request("on.ask", Json{{"n", 1}}, kGuard).ok());
  std::size_t asked = 0;
  for (const SubscriptionInfo& info : bus_.subscriptions("linked_in")) {
    asked += info.name == "answer" ? 1U : 0U;
  }
  EXPECT_EQ(asked, 0U);
}

}  // namespace
}  // namespace busway
