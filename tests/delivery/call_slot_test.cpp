#include "delivery/call_slot.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "mailbox_fixture.hpp"

namespace busway::delivery_detail {
namespace {

constexpr SteadyTime kDeadline{std::chrono::seconds(5)};

TEST(CallSlot, ShowsTheCallUnderWayAndWhenItBegan) {
  CallSlot slot;
  EXPECT_FALSE(slot.look());
  slot.begin(kDeadline);
  ASSERT_TRUE(slot.look());
  EXPECT_EQ(slot.look()->deadline, kDeadline);
  EXPECT_TRUE(slot.finish());
  EXPECT_FALSE(slot.look());
}

TEST(CallSlot, ACallThatWasGivenUpFinishesInVain) {
  CallSlot slot;
  slot.begin(kDeadline);
  EXPECT_TRUE(slot.give_up(*slot.look()));
  EXPECT_FALSE(slot.finish());
}

TEST(CallSlot, ACallThatHasReturnedCannotBeGivenUp) {
  CallSlot slot;
  slot.begin(kDeadline);
  const auto seen = *slot.look();
  EXPECT_TRUE(slot.finish());
  EXPECT_FALSE(slot.give_up(seen));
  slot.begin(kDeadline);
  EXPECT_FALSE(slot.give_up(seen)) << "another call of the same slot";
  EXPECT_TRUE(slot.finish());
}

TEST(CallSlot, ATokenBelongsToOneCall) {
  CallSlot slot;
  slot.begin(kDeadline);
  const std::stop_token first = slot.stop_source().get_token();
  (void)slot.stop_source().request_stop();
  EXPECT_TRUE(first.stop_requested());
  EXPECT_TRUE(slot.finish());
  slot.begin(kDeadline);
  EXPECT_FALSE(slot.stop_source().get_token().stop_requested());
  EXPECT_TRUE(slot.finish());
}

/// Whoever wins, both must agree, call after call.
TEST(CallSlotStress, GiverAndFinisherAgree) {
  for (int round = 0; round < 200; ++round) {
    CallSlot slot;
    std::atomic<int> given_up{0};
    std::atomic<bool> over{false};
    std::thread keeper([&] {
      while (!over) {
        const auto call = slot.look();
        if (call && slot.give_up(*call)) {
          ++given_up;
          return;
        }
      }
    });
    int discarded = 0;
    for (int i = 0; i < 200 && discarded == 0; ++i) {
      slot.begin(kDeadline);
      if (i % 7 == round % 7) std::this_thread::yield();
      if (!slot.finish()) ++discarded;
    }
    over = true;
    keeper.join();
    EXPECT_EQ(discarded, given_up);
  }
}

}  // namespace
}  // namespace busway::delivery_detail
