#include "plugin/line/handled_events.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <memory>

namespace busway::plugin_host_detail {
namespace {

using Failures = HandledEvents::Failures;

EventId id_of(std::uint64_t n) { return {1, n}; }

/// Counts the calls and ends them as it is told.
class HandledEventsTest : public ::testing::Test {
 protected:
  Outcome live(std::uint64_t n, const Outcome& as = Outcome::done()) {
    return events_->call_live(id_of(n), [&] { return call(as); });
  }
  Outcome stored(std::uint64_t n, const Outcome& as = Outcome::done()) {
    return events_->call_stored(id_of(n), [&] { return call(as); });
  }
  Outcome call(const Outcome& as) {
    ++calls_;
    return as;
  }

  std::unique_ptr<HandledEvents> events_ = std::make_unique<HandledEvents>(Failures::final);
  int calls_ = 0;
};

TEST_F(HandledEventsTest, AreHandledOnceWhicheverWayIsFirst) {
  EXPECT_EQ(live(1).kind(), Outcome::Kind::done);
  EXPECT_EQ(stored(1).kind(), Outcome::Kind::done);
  EXPECT_EQ(calls_, 1);
  EXPECT_EQ(stored(2).kind(), Outcome::Kind::done);
  EXPECT_EQ(live(2).kind(), Outcome::Kind::done);
  EXPECT_EQ(calls_, 2);
}

TEST_F(HandledEventsTest, AreKnownUntilTheyHaveComeBothWays) {
  (void)live(1);
  EXPECT_FALSE(events_->was_done_live(id_of(2)));
  EXPECT_TRUE(events_->was_done_live(id_of(1)));
  EXPECT_FALSE(events_->was_done_live(id_of(1)));
  (void)stored(1);
  EXPECT_EQ(calls_, 2) << "the store gave it out a second time";
}

TEST_F(HandledEventsTest, AFailureThatWasToldIsADeadLetter) {
  EXPECT_EQ(live(1, Outcome::fail("no")).kind(), Outcome::Kind::fail);
  EXPECT_FALSE(events_->was_done_live(id_of(1)));
  const Outcome again = stored(1);
  EXPECT_EQ(again.kind(), Outcome::Kind::dead_letter);
  EXPECT_EQ(again.reason(), "no");
  EXPECT_EQ(calls_, 1);
  EXPECT_THROW(
      (void)events_->call_live(
          id_of(2), []() -> Outcome { throw Error(ErrorCode::payload_type, "not that type"); }),
      Error);
  EXPECT_EQ(stored(2).reason(), "not that type");
  (void)live(3, Outcome::retry(std::chrono::seconds(1)));
  EXPECT_EQ(stored(3).kind(), Outcome::Kind::dead_letter);
}

TEST_F(HandledEventsTest, AFailureThatIsTriedAgainIsNone) {
  events_ = std::make_unique<HandledEvents>(Failures::tried_again);
  (void)live(1, Outcome::fail("not yet"));
  EXPECT_EQ(stored(1).kind(), Outcome::Kind::done);
  EXPECT_EQ(calls_, 2);
}

TEST_F(HandledEventsTest, AFailureOfTheStoresWayIsToldThePublisherOnce) {
  EXPECT_EQ(stored(1, Outcome::fail("no")).kind(), Outcome::Kind::fail);
  const Outcome told = live(1);
  EXPECT_EQ(told.kind(), Outcome::Kind::fail);
  EXPECT_EQ(told.reason(), "no");
  EXPECT_EQ(calls_, 1);
  EXPECT_EQ(live(1).kind(), Outcome::Kind::done);
  EXPECT_EQ(calls_, 2);
}

TEST_F(HandledEventsTest, AreBounded) {
  for (std::uint64_t n = 0; n <= HandledEvents::kLiveMax; ++n) (void)live(n);
  EXPECT_FALSE(events_->was_done_live(id_of(0)));
  EXPECT_TRUE(events_->was_done_live(id_of(1)));
  calls_ = 0;
  for (std::uint64_t n = 0; n <= HandledEvents::kStoredMax; ++n) (void)stored(1'000'000 + n);
  calls_ = 0;
  (void)live(1'000'000);
  (void)live(1'000'001);
  EXPECT_EQ(calls_, 1);
}

}  // namespace
}  // namespace busway::plugin_host_detail
