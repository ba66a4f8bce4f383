// The default bus is one a process, so each test here takes over from those before it.
#include "busway/default_bus.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "busway/error.hpp"
#include "busway/on.hpp"

namespace busway {
namespace {

std::vector<std::string>& heard() {
  static std::vector<std::string> all;
  return all;
}

void on_event(const Event& event) { heard().emplace_back(event.topic()); }
void on_json(const Json& json) { heard().push_back(json.dump()); }

BUSWAY_ON(on_event, "default_bus:event")
BUSWAY_ON(on_event, {"default_bus:list.*", "default_bus:other"}, {.name = "list", .priority = 5})
BUSWAY_ON(on_json, Pattern::exact("default_bus:json"))

class DefaultBus : public testing::Test {
 protected:
  void SetUp() override { heard().clear(); }

  /// A bus that is the default one from now on.
  static std::shared_ptr<Bus> take_over() {
    detail::retire_default_bus(default_bus());
    auto bus = std::make_shared<Bus>();
    set_default_bus(bus);
    return bus;
  }
};

TEST_F(DefaultBus, IsTheSameAtEachCallAndHearsWhatBuswayOnDeclared) {
  Bus& bus = default_bus();
  EXPECT_EQ(&default_bus(), &bus);
  bus.publish("default_bus:event");
  bus.publish("default_bus:list.one");
  bus.publish("default_bus:json", Json{{"a", 1}});
  EXPECT_EQ(heard(),
            (std::vector<std::string>{"default_bus:event", "default_bus:list.one", R"({"a":1})"}));
}

TEST_F(DefaultBus, KeepsTheOptionsOfBuswayOn) {
  std::vector<int> priorities;
  for (const SubscriptionInfo& one : default_bus().subscriptions()) {
    if (one.name == "list") priorities.push_back(one.priority);
  }
  EXPECT_EQ(priorities, std::vector<int>{5});
}

TEST_F(DefaultBus, CannotBeReplacedWhileItIsInUse) {
  Bus& bus = default_bus();
  try {
    set_default_bus(std::make_shared<Bus>());
    FAIL() << "a second default bus was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::already_exists);
  }
  EXPECT_EQ(&default_bus(), &bus);
  EXPECT_THROW(set_default_bus(nullptr), Error);
}

TEST_F(DefaultBus, GivesItsHandlersToTheNextOneOnceItHasStopped) {
  const std::shared_ptr<Bus> first = take_over();
  ASSERT_TRUE(first->stop().ok());
  EXPECT_EQ(&default_bus(), first.get()) << "it stays until there is another";
  EXPECT_EQ(default_bus().publish("default_bus:event").code, ErrorCode::stopped);
  const std::shared_ptr<Bus> second = take_over();
  EXPECT_EQ(&default_bus(), second.get());
  second->publish("default_bus:event");
  EXPECT_EQ(heard(), std::vector<std::string>{"default_bus:event"});
  EXPECT_TRUE(first->subscriptions().empty());
}

TEST_F(DefaultBus, OutlivesEverybodyWhoSharesIt) {
  std::weak_ptr<Bus> watched;
  {
    const std::shared_ptr<Bus> mine = take_over();
    watched = mine;
  }
  take_over();
  EXPECT_FALSE(watched.expired());
}

TEST_F(DefaultBus, SubscribesAHandlerDeclaredLaterAtOnceAndEndsItWithItsLibrary) {
  Bus& bus = *take_over();
  int calls = 0;
  {
    const detail::OnRegistration late(
        "late", "late.cpp", 7, detail::on([&](const Event&) { ++calls; }, "default_bus:late"));
    bus.publish("default_bus:late");
  }
  bus.publish("default_bus:late");
  EXPECT_EQ(calls, 1);
}

TEST_F(DefaultBus, IsNotSetWhenAHandlerIsDeclaredWithABadPatternWhichTheErrorNames) {
  Bus& before = *take_over();
  detail::retire_default_bus(before);
  // Subscribed to no bus: this one logs that its pattern is bad, and is asked again for the next.
  const detail::OnRegistration bad("on_bad", "bad.cpp", 12,
                                   detail::on([](const Event&) {}, "a..*"));
  try {
    set_default_bus(std::make_shared<Bus>());
    FAIL() << "a bad pattern was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_pattern);
    const std::string text = error.what();
    EXPECT_NE(text.find("bad.cpp:12"), std::string::npos) << text;
    EXPECT_NE(text.find("on_bad"), std::string::npos) << text;
    EXPECT_NE(text.find("a..*"), std::string::npos) << text;
  }
  EXPECT_EQ(&default_bus(), &before);
}

}  // namespace
}  // namespace busway
