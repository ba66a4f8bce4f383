#include "busway/typed_event.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

#include <expect_error.hpp>

namespace busway {
namespace shop {

struct Order {
  static constexpr std::string_view topic = "order.created";
  static constexpr std::string_view type_name = "order";
  int total = 0;
  std::string buyer{};
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Order, total, buyer)

struct Invoice {
  static constexpr const char* topic = "invoice";
  static constexpr int schema_version = 3;
  int amount_cents = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Invoice, amount_cents)

struct Socket {
  static constexpr std::string_view type_name = "socket";
  static constexpr bool in_process = true;
  int* descriptor = nullptr;
};
struct Window {
  static constexpr std::string_view type_name = "window";
  using in_process = void;
};
struct Silent {
  static constexpr std::string_view type_name = "silent";
  static constexpr bool in_process = false;
};
struct Nameless {};

}  // namespace shop

// The same type as another library would see it.
namespace library {

struct Order {
  static constexpr std::string_view type_name = "order";
  int total = 0;
  std::string buyer{};
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Order, total, buyer)

// And one that was changed without a new version.
struct WiderOrder {
  static constexpr std::string_view type_name = "order";
  int total = 0;
  std::string buyer{};
  std::string note{};
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(WiderOrder, total, buyer, note)

struct OrderOf2027 {
  static constexpr std::string_view type_name = "order";
  static constexpr int schema_version = 2;
  double total_eur = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(OrderOf2027, total_eur)

}  // namespace library

namespace {

using shop::Invoice;
using shop::Order;

static_assert(EventType<Order> && PayloadClass<Order>);
static_assert(EventType<Invoice>);
static_assert(!EventType<shop::Socket> && PayloadClass<shop::Socket>);
static_assert(!PayloadClass<shop::Nameless> && !PayloadClass<std::string> && !PayloadClass<Json>);
static_assert(!PayloadClass<const Order> && !PayloadClass<Order&>);
static_assert(detail::InProcess<shop::Socket> && detail::InProcess<shop::Window>);
static_assert(!detail::InProcess<shop::Silent> && !detail::InProcess<Order>);
static_assert(detail::WritesJson<Order> && detail::ReadsJson<Order>);
static_assert(!detail::WritesJson<shop::Silent> && !detail::ReadsJson<shop::Silent>);

TEST(TypedEvent, IsDescribedByNameVersionSizeAndAlignment) {
  const detail::PayloadType& order = detail::payload_type_of<Order>();
  EXPECT_EQ(order.name, "order");
  EXPECT_EQ(order.version, 1U);
  EXPECT_EQ(order.size, sizeof(Order));
  EXPECT_EQ(order.alignment, alignof(Order));
  EXPECT_FALSE(order.trivially_copyable);
  EXPECT_EQ(detail::payload_type_of<Invoice>().name, "invoice");
  EXPECT_EQ(detail::payload_type_of<Invoice>().version, 3U);
  EXPECT_TRUE(detail::payload_type_of<Invoice>().fits_inline());
  EXPECT_EQ(detail::payload_type_of<shop::Socket>().to_json, nullptr);
}

TEST(TypedEvent, IsPublishedUnderItsOwnTopic) {
  const Event event = typed_event(Order{3, "ann"}, {.source = "shop"});
  EXPECT_EQ(to_string(event), "Event(order.created from shop)");
  EXPECT_TRUE(event.is_typed());
  EXPECT_EQ(event.payload_name(), "order");
  EXPECT_EQ(event.content_type(), "application/json");
  EXPECT_EQ(event.as<Order>().buyer, "ann");
  EXPECT_EQ(typed_event(Invoice{}).schema_version(), 3);
}

TEST(TypedEvent, HasTheJsonOfItsFields) {
  EXPECT_EQ(typed_event(Order{3, "ann"}).json(), Json({{"total", 3}, {"buyer", "ann"}}));
}

TEST(TypedEvent, IsReadFromJsonAndFromJsonBytes) {
  const Event json("order.created", Payload::json({{"total", 3}, {"buyer", "ann"}}));
  EXPECT_EQ(json.as<Order>().total, 3);
  EXPECT_EQ(&json.as<Order>(), &json.as<Order>());
  const Event text("x", bytes(R"({"total":4,"buyer":"bob"})", "application/json"));
  EXPECT_EQ(text.as<Order>().buyer, "bob");
  EXPECT_EQ(text.try_as<Order>()->total, 4);
}

TEST(TypedEvent, OfAnotherLibraryIsTheSameTypeByName) {
  const Event event = typed_event(Order{5, "eve"});
  EXPECT_NE(&detail::payload_type_of<library::Order>(), &detail::payload_type_of<Order>());
  EXPECT_EQ(static_cast<const void*>(&event.as<library::Order>()),
            static_cast<const void*>(&event.as<Order>()));
}

TEST(TypedEvent, OfOneNameAndVersionButAnotherLayoutIsRefused) {
  const Event event = typed_event(Order{5, "eve"});
  const std::string message =
      error_of(ErrorCode::payload_type, [&] { (void)event.as<library::WiderOrder>(); });
  EXPECT_TRUE(mentions(message, "layout"));
  EXPECT_TRUE(mentions(message, std::to_string(sizeof(Order))));
  EXPECT_TRUE(mentions(message, std::to_string(sizeof(library::WiderOrder))));
}

TEST(TypedEvent, OfAnOlderVersionIsConvertedThroughItsUpcaster) {
  const Event event = typed_event(Order{500, "eve"});
  EXPECT_TRUE(
      mentions(error_of(ErrorCode::payload_type, [&] { (void)event.as<library::OrderOf2027>(); }),
               "no upcaster from version 1 to 2"));
  register_upcaster<library::OrderOf2027>(1, [](Json json) {
    return Json{{"total_eur", json.at("total").get<double>() / 100}};
  });
  EXPECT_EQ(event.as<library::OrderOf2027>().total_eur, 5.0);
  EXPECT_TRUE(mentions(
      error_of(ErrorCode::payload_type,
               [&] { (void)Event("x", typed_payload(library::OrderOf2027{})).as<Order>(); }),
      "never converts to an older one"));
  EXPECT_TRUE(remove_upcaster("order", 1));
}

TEST(TypedEvent, IsNeverTakenForAnotherType) {
  const Event event = typed_event(Order{3, "ann"});
  EXPECT_EQ(event.try_as<Invoice>(), nullptr);
  const std::string message = error_of(ErrorCode::payload_type, [&] { (void)event.as<Invoice>(); });
  EXPECT_TRUE(mentions(message, "as<invoice>() on a payload of type \"order\""));
  EXPECT_TRUE(mentions(message, "order.created"));
}

TEST(TypedEvent, SaysWhyAPayloadCannotBeDecoded) {
  const auto message = [](const Event& event) {
    EXPECT_EQ(event.try_as<Order>(), nullptr);
    return error_of(ErrorCode::payload_type, [&] { (void)event.as<Order>(); });
  };
  EXPECT_TRUE(mentions(message(Event("a")), "without a payload"));
  EXPECT_TRUE(mentions(message(Event("a", bytes("x", "text/plain"))), "\"text/plain\""));
  EXPECT_TRUE(mentions(message(Event("a", Payload::json({{"total", 1}}))), "buyer"));
  EXPECT_TRUE(mentions(message(Event("a", Payload::json(3))), "JSON payload"));
  EXPECT_TRUE(mentions(message(Event("a", bytes("{", "application/json"))), "byte 1"));
  EXPECT_TRUE(mentions(
      message(Event("a", Payload::json({{"total", 1}, {"buyer", "x"}}), {.schema_version = 2})),
      "version 2"));
}

TEST(TypedEvent, ThatStaysInProcessHasNoJson) {
  int descriptor = 3;
  const Event event("a", typed_payload(shop::Socket{&descriptor}));
  EXPECT_EQ(*event.as<shop::Socket>().descriptor, 3);
  EXPECT_TRUE(mentions(error_of(ErrorCode::payload_type, [&] { (void)event.json(); }), "socket"));
  EXPECT_TRUE(mentions(error_of(ErrorCode::payload_type, [&] { (void)event.bytes(); }), "socket"));
  EXPECT_TRUE(mentions(error_of(ErrorCode::payload_type,
                                [] { (void)Event("a", Payload::json({})).as<shop::Socket>(); }),
                       "in_process"));
}

struct Thrower {
  static constexpr std::string_view type_name = "thrower";
};
void to_json(Json&, const Thrower&) { throw 42; }
void from_json(const Json&, Thrower&) { throw 42; }

TEST(TypedEvent, WhoseConversionThrowsAnythingIsRefused) {
  EXPECT_TRUE(mentions(
      error_of(ErrorCode::payload_type, [] { (void)Event("a", Payload::json(1)).as<Thrower>(); }),
      "not a std::exception"));
}

struct BadText {
  static constexpr std::string_view type_name = "bad_text";
  std::string text{};
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(BadText, text)

TEST(TypedEvent, WhoseTextIsNotUtf8HasNoJson) {
  (void)error_of(ErrorCode::invalid_json,
                 [] { (void)Event("a", typed_payload(BadText{"\xff"})).bytes(); });
}

// No default constructor: nlohmann's other form of from_json.
struct Fixed {
  static constexpr std::string_view type_name = "fixed";
  explicit Fixed(int n) : number(n) {}
  int number;
};

}  // namespace
}  // namespace busway

template <>
struct nlohmann::adl_serializer<busway::Fixed> {
  static busway::Fixed from_json(const json& j) { return busway::Fixed(j.get<int>()); }
  static void to_json(json& j, const busway::Fixed& fixed) { j = fixed.number; }
};

namespace busway {
namespace {

TEST(TypedEvent, MayHaveASerializerInsteadOfMacros) {
  EXPECT_EQ(Event("a", Payload::json(8)).as<Fixed>().number, 8);
  EXPECT_EQ(Event("a", typed_payload(Fixed(9))).json(), 9);
}

}  // namespace
}  // namespace busway
