#include "busway/publisher.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "busway/busway.hpp"

namespace busway {
namespace {

TEST(Publisher, FillsInSourceAndOriginWhereTheOptionsLeaveThemUnset) {
  Bus bus;
  std::string source;
  Origin origin = Origin::internal;
  const Subscription heard = bus.subscribe("order.created", [&](const Event& event) {
    source = event.source();
    origin = event.origin();
  });
  const Publisher shop = bus.publisher("shop", Origin::frontend);
  EXPECT_TRUE(shop.publish("order.created").ok());
  EXPECT_EQ(source, "shop");
  EXPECT_EQ(origin, Origin::frontend);
  EXPECT_TRUE(shop.publish("order.created", Payload{}, {.source = "till"}).ok());
  EXPECT_EQ(source, "till");
}

TEST(Publisher, OutlivesItsBusAndThenAnswersStopped) {
  std::optional<Bus> bus(std::in_place);
  const Publisher shop = bus->publisher("shop");
  bus.reset();
  EXPECT_EQ(shop.publish("order.created").code, ErrorCode::stopped);
}

TEST(Publisher, RefusesAnEmptySourceAndAnEmptyHandle) {
  Bus bus;
  EXPECT_THROW((void)bus.publisher(""), Error);
  EXPECT_THROW((void)Publisher().publish("order.created"), Error);
}

}  // namespace
}  // namespace busway
