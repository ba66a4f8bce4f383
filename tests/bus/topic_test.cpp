#include "busway/topic.hpp"

#include <gtest/gtest.h>

#include <optional>

#include "bus_fixture.hpp"

namespace busway {
namespace {

TEST(Topic, PublishesAsTheBusDoes) {
  Bus bus;
  std::vector<Event> seen;
  const Subscription one = bus.subscribe("a", [&](const Event& event) { seen.push_back(event); });
  const Topic topic = bus.topic("a");
  EXPECT_EQ(topic.name(), "a");
  EXPECT_TRUE(topic);
  topic.publish();
  topic.publish(Point{1, 2});
  topic.publish(Note{"n", {3}});
  topic.publish(Json{{"k", 4}});
  topic.publish(Point{5, 6}, {.key = "key"});
  topic.publish(Payload::json(Json(7)), {.source = "s"});
  ASSERT_EQ(seen.size(), 6U);
  EXPECT_FALSE(seen[0].has_payload());
  EXPECT_EQ(seen[1].as<Point>().y, 2);
  EXPECT_EQ(seen[2].as<Note>().numbers, std::vector{3});
  EXPECT_EQ(seen[3].json()["k"], 4);
  EXPECT_EQ(seen[4].key(), "key");
  EXPECT_EQ(seen[5].source(), "s");
}

TEST(Topic, SeesSubscriptionsComeAndGo) {
  Bus bus;
  const Topic topic = bus.topic("a.b");
  EXPECT_EQ(topic.publish().matched, 0U);
  {
    const Subscription exact = bus.subscribe("a.b", [](const Event&) {});
    EXPECT_EQ(topic.publish().matched, 1U);
    const Subscription wild = bus.subscribe("a.*", [](const Event&) {});
    EXPECT_EQ(topic.publish().matched, 2U);
  }
  EXPECT_EQ(topic.publish().matched, 0U);
}

TEST(Topic, OutlivesItsBusAndThenAnswersStopped) {
  std::optional<Bus> bus(std::in_place);
  const Topic topic = bus->topic("a.topic.with.a.name.that.is.long");
  const Topic other = topic;
  bus.reset();
  EXPECT_EQ(topic.publish().code, ErrorCode::stopped);
  EXPECT_EQ(topic.publish(Point{}).code, ErrorCode::stopped);
  EXPECT_EQ(topic.publish(Note{}, {.key = "k"}).code, ErrorCode::stopped);
  EXPECT_EQ(other.publish(Json(1)).code, ErrorCode::stopped);
  EXPECT_EQ(topic.name(), "a.topic.with.a.name.that.is.long");
}

TEST(Topic, CopiesMovesAndIsEmpty) {
  Bus bus;
  Topic one = bus.topic("a");
  Topic two = one;
  Topic three = std::move(one);
  EXPECT_EQ(two.name(), "a");
  EXPECT_EQ(three.name(), "a");
  two = bus.topic("b");
  EXPECT_EQ(two.name(), "b");
  three = Topic();
  EXPECT_FALSE(three);
  EXPECT_EQ(three.name(), "");
  error_of(ErrorCode::invalid_argument, [&] { three.publish(); });
  error_of(ErrorCode::invalid_argument, [&] { three.publish(Point{}); });
  error_of(ErrorCode::invalid_argument, [&] { three.publish(Json(1)); });
  error_of(ErrorCode::invalid_argument, [&] { three.publish(Point{}, {.key = "k"}); });
}

TEST(Topic, IsOneTopicWhoeverPublishesIt) {
  Bus bus;
  const Topic topic = bus.topic("a");
  topic.publish();
  bus.publish("a");
  std::thread([&] { topic.publish(); }).join();
  EXPECT_EQ(bus.stats().topics.at(0).published, 3U);
}

}  // namespace
}  // namespace busway
