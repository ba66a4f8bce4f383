#include "busway/metadata.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include <expect_error.hpp>
#include "busway/limits.hpp"

namespace busway {
namespace {

TEST(Metadata, HoldsTextNumbersBooleansAndJson) {
  const Metadata metadata{{"text", "t"},       {"string", std::string("s")},
                          {"negative", -3},    {"big", 18'446'744'073'709'551'615ULL},
                          {"real", 0.5},       {"flag", true},
                          {"list", Json{1, 2}}};
  EXPECT_EQ(metadata.size(), 7U);
  EXPECT_EQ(*metadata.find("text"), "t");
  EXPECT_EQ(*metadata.find("string"), "s");
  EXPECT_EQ(*metadata.find("negative"), -3);
  EXPECT_EQ(metadata.find("big")->get<std::uint64_t>(), 18'446'744'073'709'551'615ULL);
  EXPECT_EQ(*metadata.find("real"), 0.5);
  EXPECT_TRUE(metadata.find("flag")->is_boolean());
  EXPECT_EQ(*metadata.find("list"), Json({1, 2}));
  EXPECT_EQ(metadata.find("other"), nullptr);
}

TEST(Metadata, IsEmptyAtFirst) {
  EXPECT_TRUE(Metadata().empty());
  EXPECT_TRUE(Metadata{}.json().is_object());
  EXPECT_EQ(Metadata().find("a"), nullptr);
}

TEST(Metadata, DoesNotChangeItsCopies) {
  Metadata metadata{{"a", 1}};
  const Metadata copy = metadata;
  metadata.set("a", 2);
  metadata.set("b", 3);
  EXPECT_EQ(*copy.find("a"), 1);
  EXPECT_EQ(copy.size(), 1U);
  EXPECT_EQ(*metadata.find("a"), 2);
  EXPECT_EQ(metadata.size(), 2U);
}

TEST(Metadata, IsMadeFromItsJson) {
  const Metadata metadata{{"a", 1}, {"b", "x"}};
  EXPECT_EQ(Metadata::from_json(metadata.json()).json(), metadata.json());
  EXPECT_TRUE(Metadata::from_json(Json::object()).empty());
}

TEST(Metadata, IsAnObjectOnly) {
  EXPECT_TRUE(mentions(
      error_of(ErrorCode::invalid_argument, [] { (void)Metadata::from_json(Json::array()); }),
      "array"));
}

TEST(Metadata, RefusesNamesThatAreEmptyTwiceOrNotUtf8) {
  EXPECT_TRUE(mentions(error_of(ErrorCode::invalid_argument, [] { Metadata{{"", 1}}; }), "\"\""));
  EXPECT_TRUE(mentions(error_of(ErrorCode::invalid_argument,
                                [] {
                                  Metadata{{"k", 1}, {"k", 2}};
                                }),
                       "\"k\""));
  EXPECT_TRUE(
      mentions(error_of(ErrorCode::invalid_argument, [] { Metadata().set("\xff", 1); }), "\\xff"));
}

TEST(Metadata, RefusesValuesThatCannotBeWritten) {
  (void)error_of(ErrorCode::invalid_json, [] { Metadata{{"k", "\xff"}}; });
  Json deep = 1;
  for (std::size_t i = 0; i < limits::kJsonDepthMax; ++i) deep = Json::array({std::move(deep)});
  (void)error_of(ErrorCode::too_deep, [&] { Metadata{{"k", deep}}; });
}

TEST(Metadata, RefusesAnEntryTooMany) {
  Json object = Json::object();
  for (std::size_t i = 0; i < limits::kMetadataEntriesMax; ++i) object["k" + std::to_string(i)] = i;
  Metadata metadata = Metadata::from_json(object);
  metadata.set("k0", "replaced");
  (void)error_of(ErrorCode::invalid_argument, [&] { metadata.set("one more", 1); });
  EXPECT_EQ(metadata.size(), limits::kMetadataEntriesMax);
}

}  // namespace
}  // namespace busway
