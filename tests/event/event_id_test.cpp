#include "busway/event_id.hpp"

#include <gtest/gtest.h>

#include <string>
#include <unordered_set>

namespace busway {
namespace {

constexpr EventId kId{0x01932c07209b7e5aULL, 0x8e2f5b8f6d2f3a11ULL};

TEST(EventId, IsWrittenAsThirtySixLowerCaseCharacters) {
  EXPECT_EQ(to_string(kId), "01932c07-209b-7e5a-8e2f-5b8f6d2f3a11");
  EXPECT_EQ(to_string(EventId{}), "00000000-0000-0000-0000-000000000000");
}

TEST(EventId, IsReadInEitherCase) {
  EXPECT_EQ(EventId::parse("01932c07-209b-7e5a-8e2f-5b8f6d2f3a11"), kId);
  EXPECT_EQ(EventId::parse("01932C07-209B-7E5A-8E2F-5B8F6D2F3A11"), kId);
}

TEST(EventId, IsNotReadFromAnythingElse) {
  for (const std::string text :
       {"", "01932c07", "01932c07-209b-7e5a-8e2f-5b8f6d2f3a1",
        "01932c07-209b-7e5a-8e2f-5b8f6d2f3a111", "01932c07209b-7e5a-8e2f-5b8f6d2f3a11-",
        "01932c07-209b-7e5a-8e2f-5b8f6d2f3a1g", "{1932c07-209b-7e5a-8e2f-5b8f6d2f3a1}",
        "01932c07_209b_7e5a_8e2f_5b8f6d2f3a11"}) {
    EXPECT_EQ(EventId::parse(text), std::nullopt) << text;
  }
}

TEST(EventId, TellsTheMillisecondItWasMade) { EXPECT_EQ(kId.time_ms(), 0x01932c07209bU); }

TEST(EventId, OfZeroBitsIsNil) {
  EXPECT_TRUE(EventId{}.is_nil());
  EXPECT_FALSE(kId.is_nil());
}

TEST(EventId, OrdersByItsTimeFirst) {
  EXPECT_LT((EventId{1, 9}), (EventId{2, 0}));
  EXPECT_LT((EventId{1, 1}), (EventId{1, 2}));
}

TEST(EventId, CanBeAKey) {
  const std::unordered_set<EventId> ids{kId, EventId{}, kId};
  EXPECT_EQ(ids.size(), 2U);
}

}  // namespace
}  // namespace busway
