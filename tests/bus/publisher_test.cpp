#include "busway/publisher.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "busway/busway.hpp"
#include "busway/typed.hpp"

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

/// A version of its own, which JSON made on the way would lose.
struct Versioned {
  static constexpr std::string_view topic = "price.changed";
  static constexpr std::uint16_t schema_version = 2;
  int cents = 0;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Versioned, cents)
};

TEST(Publisher, ContextsAndReceiptsKeepATypedPayloadTyped) {
  Bus bus;
  std::vector<int> seen;
  const Subscription typed = bus.subscribe("price.changed", [&](const Event& event) {
    EXPECT_TRUE(event.is_typed());
    EXPECT_EQ(event.schema_version(), 2);
    seen.push_back(event.as<Versioned>().cents);
  });
  const Subscription again = bus.subscribe("start", [&](const Event&, Context& context) {
    EXPECT_TRUE(context.publish(Versioned{1}).ok());
    EXPECT_TRUE(context.publish("price.changed", Versioned{2}).ok());
  });
  (void)bus.publish("start");
  const Publisher shop = bus.publisher("shop");
  EXPECT_TRUE(shop.publish(Versioned{3}).ok());
  EXPECT_TRUE(shop.publish("price.changed", Versioned{4}, {.key = "k"}).ok());
  EXPECT_TRUE(bus.publish_async(Versioned{5}).wait_for(std::chrono::minutes(2)));
  EXPECT_TRUE(bus.publish_async("price.changed", Versioned{6}).wait_for(std::chrono::minutes(2)));
  EXPECT_EQ(seen, (std::vector{1, 2, 3, 4, 5, 6}));
}

TEST(Publisher, RefusesASourceThatIsNoText) {
  Bus bus;
  EXPECT_THROW((void)bus.publisher("\xff"), Error);
  EXPECT_THROW((void)bus.publish("a", Payload{}, {.source = "\xff"}), Error);
  EXPECT_THROW((void)bus.publish("a", Payload{}, {.source = std::string(5000, 'x')}), Error);
}

TEST(Publisher, RefusesAnEmptySourceAndAnEmptyHandle) {
  Bus bus;
  EXPECT_THROW((void)bus.publisher(""), Error);
  EXPECT_THROW((void)Publisher().publish("order.created"), Error);
}

}  // namespace
}  // namespace busway
