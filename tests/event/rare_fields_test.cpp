#include "event/rare_fields.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include <allocation_count.hpp>
#include <expect_error.hpp>

namespace busway::detail {
namespace {

TEST(RareFields, ThatAreUnsetAreNothing) {
  EXPECT_EQ(RareFields::make(EventOptions{.source = "a", .priority = Priority::high}), nullptr);
  EXPECT_EQ(RareFields::make(RareValues{}), nullptr);
}

TEST(RareFields, TakeOneAllocationForAllTexts) {
  const std::string long_text(100, 's');
  const std::size_t before = allocation_count();
  RareFields* const rare = RareFields::make(EventOptions{
      .key = "k", .session_id = long_text, .schema = "schema", .traceparent = "trace"});
  EXPECT_EQ(allocation_count() - before, 1U);
  EXPECT_EQ(rare->text(RareText::key), "k");
  EXPECT_EQ(rare->text(RareText::user_id), "");
  EXPECT_EQ(rare->text(RareText::session_id), long_text);
  EXPECT_EQ(rare->text(RareText::schema), "schema");
  EXPECT_EQ(rare->text(RareText::correlation_id), "");
  EXPECT_EQ(rare->text(RareText::traceparent), "trace");
  release(rare);
}

TEST(RareFields, KeepTheOtherValuesWhenTheTraceparentChanges) {
  RareFields* const before = RareFields::make(EventOptions{
      .key = "k", .metadata = {{"m", 1}}, .correlation_id = "c", .traceparent = "old"});
  RareFields* const after = RareFields::with_traceparent(before, "a new one");
  release(before);
  EXPECT_EQ(after->text(RareText::key), "k");
  EXPECT_EQ(after->text(RareText::schema), "");
  EXPECT_EQ(after->text(RareText::correlation_id), "c");
  EXPECT_EQ(after->text(RareText::traceparent), "a new one");
  EXPECT_EQ(after->metadata.size(), 1U);
  release(after);

  RareFields* const alone = RareFields::with_traceparent(nullptr, "t");
  EXPECT_EQ(alone->text(RareText::traceparent), "t");
  release(alone);
}

TEST(RareFields, NameTheFieldThatIsRefused) {
  const auto message = [](const EventOptions& options) {
    return error_of(ErrorCode::invalid_option, [&] { (void)RareFields::make(options); });
  };
  EXPECT_TRUE(mentions(message({.key = "a\nb"}), "key"));
  EXPECT_TRUE(mentions(message({.user_id = "\xff"}), "user_id"));
  EXPECT_TRUE(mentions(message({.traceparent = "\x01"}), "traceparent"));
}

}  // namespace
}  // namespace busway::detail
