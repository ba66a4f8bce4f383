#include "bus/status_book.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

namespace busway::detail {
namespace {

EventId id(std::uint64_t number) { return {.high = 1, .low = number}; }

TEST(StatusBook, KeepsTheLastOnes) {
  StatusBook book(3);
  for (std::uint64_t i = 0; i < 10; ++i) {
    EXPECT_NE(book.begin(id(i), "t", static_cast<std::int64_t>(i)), 0U);
  }
  for (std::uint64_t i = 0; i < 7; ++i) EXPECT_FALSE(book.find(id(i))) << i;
  for (std::uint64_t i = 7; i < 10; ++i) {
    ASSERT_TRUE(book.find(id(i))) << i;
    EXPECT_EQ(book.find(id(i))->published.time_since_epoch().count(), i);
  }
}

TEST(StatusBook, ForgetsWhatIsToldOfARecordThatHasPassedOn) {
  StatusBook book(1);
  const StatusBook::Ticket old = book.begin(id(1), "old", 1);
  (void)book.begin(id(2), "new", 2);
  book.began(old, 3);
  book.expect(old, 3);
  book.withdraw(old);
  book.attempted(old, 7);
  book.failed(old, "s", "why");
  book.settled(old, 4);
  book.redriven(id(1), 1, 5);
  const std::optional<EventStatusInfo> young = book.find(id(2));
  ASSERT_TRUE(young);
  EXPECT_EQ(young->topic, "new");
  EXPECT_EQ(young->status, EventStatus::pending);
  EXPECT_EQ(young->attempts, 0U);
  EXPECT_FALSE(young->finished);
}

TEST(StatusBook, FindsAnIdThatCameTwiceByItsLastPublish) {
  StatusBook book(2);
  const StatusBook::Ticket first = book.begin(id(1), "t", 1);
  const StatusBook::Ticket second = book.begin(id(1), "t", 2);
  book.failed(first, "s", "why");
  book.settled(second, 3);
  EXPECT_EQ(book.find(id(1))->status, EventStatus::completed);
  // The first record's end does not take the id away from the second.
  (void)book.begin(id(2), "t", 4);
  EXPECT_TRUE(book.find(id(1)));
  (void)book.begin(id(3), "t", 5);
  EXPECT_FALSE(book.find(id(1)));
}

TEST(StatusBook, TellsTheFirstErrorAndTheMostAttempts) {
  StatusBook book(4);
  const StatusBook::Ticket ticket = book.begin(id(1), "t", 1);
  book.attempted(ticket, 3);
  book.attempted(ticket, 2);
  book.failed(ticket, "first", "no disk");
  book.failed(ticket, "second", "no net");
  const EventStatusInfo info = *book.find(id(1));
  EXPECT_EQ(info.attempts, 3U);
  EXPECT_EQ(info.error, "\"first\": no disk");
  EXPECT_EQ(info.status, EventStatus::failed);
  EXPECT_FALSE(info.finished) << "failed as soon as one delivery has, whatever the others do";
}

TEST(StatusBook, IsCompletedWhenTheLastDeadLetterWasDeliveredAfterAll) {
  StatusBook book(4);
  const StatusBook::Ticket ticket = book.begin(id(1), "t", 1);
  book.failed(ticket, "first", "no disk");
  book.failed(ticket, "second", "no net");
  book.settled(ticket, 2);
  book.redriven(id(1), 1, 3);
  EXPECT_EQ(book.find(id(1))->status, EventStatus::failed);
  book.redriven(id(1), 1, 4);
  const EventStatusInfo info = *book.find(id(1));
  EXPECT_EQ(info.status, EventStatus::completed);
  EXPECT_EQ(info.error, "");
  EXPECT_EQ(info.finished->time_since_epoch().count(), 4);
  book.redriven(id(1), 1, 5);
  EXPECT_EQ(book.find(id(1))->finished->time_since_epoch().count(), 4);
}

}  // namespace
}  // namespace busway::detail
