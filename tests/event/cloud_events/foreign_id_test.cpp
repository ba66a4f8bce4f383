#include "event/cloud_events/foreign_id.hpp"

#include <gtest/gtest.h>

namespace busway::detail {
namespace {

// The values are those of Python's uuid.uuid5(): anybody can compute them.
TEST(ForeignId, IsTheUuid5OfSourceAndId) {
  EXPECT_EQ(to_string(derive_id("/shop", "A234-1234-1234")),
            "05725064-8fa1-5a18-859c-b3166d4ea548");
  EXPECT_EQ(to_string(derive_id("", "")), "2f2e8ee3-8e17-59fe-8a7f-b64a838e72b9");
}

TEST(ForeignId, DependsOnBothParts) {
  EXPECT_NE(derive_id("a", "b"), derive_id("a", "c"));
  EXPECT_NE(derive_id("a", "b"), derive_id("c", "b"));
  EXPECT_NE(derive_id("a", "bc"), derive_id("ab", "c"));
  EXPECT_EQ(derive_id("a", "b"), derive_id("a", "b"));
}

}  // namespace
}  // namespace busway::detail
