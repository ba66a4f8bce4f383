// What a full mailbox does, in all four kinds.
#include <gtest/gtest.h>

#include "delivery/mailbox.hpp"
#include "mailbox_fixture.hpp"

namespace busway::delivery_detail {
namespace {

TEST(MailboxOverflow, RejectTakesExactlyTheCapacity) {
  HandPumped box({.capacity = 3, .overflow = Overflow::reject});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(box.push("in"), Pushed::accepted);
  EXPECT_EQ(box.push("out"), Pushed::full);
  EXPECT_EQ(box.push("out", Priority::high), Pushed::full);
  box.executor->run();
  EXPECT_EQ(box.sink.delivered, Names(3, "in"));
  EXPECT_TRUE(box.sink.gone.empty());
  EXPECT_EQ(box.push("again"), Pushed::accepted);
}

TEST(MailboxOverflow, CountsTheClaimedButNotTheRunning) {
  // While the first of a run is handled the others still wait: there is room for one more, not for
  // a run.
  HandPumped box({.capacity = 4, .overflow = Overflow::reject});
  std::vector<Pushed> inside;
  box.sink.on_deliver = [&](Delivery& delivery) {
    if (delivery.event.topic() != "e0") return;
    inside.push_back(box.push("late"));
    inside.push_back(box.push("too.late"));
  };
  for (int i = 0; i < 4; ++i) box.push("e" + std::to_string(i));
  box.executor->run();
  EXPECT_EQ(inside, (std::vector{Pushed::accepted, Pushed::full}));
  EXPECT_EQ(box.sink.delivered, (Names{"e0", "e1", "e2", "e3", "late"}));
}

TEST(MailboxOverflow, DropNewestKeepsWhatWaits) {
  HandPumped box({.capacity = 2, .overflow = Overflow::drop_newest});
  box.push("a");
  box.push("b");
  EXPECT_EQ(box.push("c"), Pushed::dropped_newest);
  EXPECT_EQ(box.push("c", Priority::high), Pushed::dropped_newest);
  box.executor->run();
  EXPECT_EQ(box.sink.delivered, (Names{"a", "b"}));
}

TEST(MailboxOverflow, DropOldestTakesTheOldestOfTheLowestLane) {
  HandPumped box({.capacity = 4, .overflow = Overflow::drop_oldest});
  box.push("normal1");
  box.push("low1", Priority::low);
  box.push("low2", Priority::low);
  box.push("high1", Priority::high);
  EXPECT_EQ(box.push("high2", Priority::high), Pushed::displaced);
  EXPECT_EQ(box.push("high3", Priority::high), Pushed::displaced);
  EXPECT_EQ(box.push("normal2"), Pushed::displaced);
  EXPECT_EQ(box.sink.gone, (Names{"low1", "low2", "normal1"}));
  EXPECT_EQ(box.sink.reasons, std::vector(3, DropReason::displaced));
  box.executor->run();
  EXPECT_EQ(box.sink.delivered, (Names{"high1", "high2", "high3", "normal2"}));
}

TEST(MailboxOverflow, DropOldestNeverTakesAnEventAboveTheNewOne) {
  HandPumped box({.capacity = 2, .overflow = Overflow::drop_oldest});
  box.push("high", Priority::high);
  box.push("normal");
  EXPECT_EQ(box.push("low", Priority::low), Pushed::dropped_newest);
  EXPECT_TRUE(box.sink.gone.empty());
  EXPECT_EQ(box.push("normal2"), Pushed::displaced);
  EXPECT_EQ(box.sink.gone, Names{"normal"});
  EXPECT_EQ(box.push("high2", Priority::high), Pushed::displaced);
  EXPECT_EQ(box.push("normal3"), Pushed::dropped_newest);
  box.executor->run();
  EXPECT_EQ(box.sink.delivered, (Names{"high", "high2"}));
}

TEST(MailboxOverflow, DropOldestByKeyNeverTakesAnEventAboveTheNewOneOrLeavesALowerOne) {
  // The lanes of all stripes count, not those of the new event's stripe alone.
  HandPumped box({.capacity = 16,
                  .overflow = Overflow::drop_oldest,
                  .concurrency = 8,
                  .order_by = OrderBy::key});
  for (int i = 0; i < 15; ++i) box.push("normal", Priority::normal, "k" + std::to_string(i));
  box.push("low", Priority::low, "other");
  EXPECT_EQ(box.push("new", Priority::normal, "k3"), Pushed::displaced);
  EXPECT_EQ(box.sink.gone, Names{"low"});
  EXPECT_EQ(box.mailbox.waiting(), 16U);
}

TEST(MailboxOverflow, DropOldestGoesOnForALongTime) {
  HandPumped box({.capacity = 8, .overflow = Overflow::drop_oldest});
  for (int i = 0; i < 500; ++i) box.push("e" + std::to_string(i));
  EXPECT_EQ(box.sink.gone.size(), 492U);
  EXPECT_EQ(box.sink.gone.front(), "e0");
  box.executor->run();
  Names last;
  for (int i = 492; i < 500; ++i) last.push_back("e" + std::to_string(i));
  EXPECT_EQ(box.sink.delivered, last);
}

TEST(MailboxOverflow, ReplayedEventsAreNotDisplacedAndNeedNoRoom) {
  HandPumped box({.capacity = 1, .overflow = Overflow::drop_oldest});
  box.mailbox.hold();
  box.mailbox.begin_with(by_one({named("past1"), named("past2")}), false);
  EXPECT_EQ(box.push("a"), Pushed::accepted);
  EXPECT_EQ(box.push("b"), Pushed::displaced);
  EXPECT_EQ(box.sink.gone, Names{"a"});
  box.executor->run();
  EXPECT_EQ(box.sink.delivered, (Names{"past1", "past2", "b"}));
}

TEST(MailboxOverflow, BlockRefusesAtOnceWhereWaitingIsForbidden) {
  HandPumped box(
      {.capacity = 1, .overflow = Overflow::block, .block_timeout = std::chrono::hours(1)});
  box.push("a");
  EXPECT_EQ(box.mailbox.push(named("b"), nullptr, MayWait::no), Pushed::full);
}

TEST(MailboxOverflow, BlockOnThePumpThreadPumps) {
  HandPumped box(
      {.capacity = 1, .overflow = Overflow::block, .block_timeout = std::chrono::hours(1)});
  box.push("a");
  EXPECT_EQ(box.mailbox.push(named("b"), nullptr, MayWait::yes), Pushed::accepted);
  EXPECT_EQ(box.sink.delivered, Names{"a"});
  box.executor->run();
  EXPECT_EQ(box.sink.delivered, (Names{"a", "b"}));
}

TEST(MailboxOverflow, BlockOnThePumpThreadGivesUpWhenNothingIsRunnable) {
  HandPumped box(
      {.capacity = 1, .overflow = Overflow::block, .block_timeout = std::chrono::hours(1)});
  box.push("a");
  box.mailbox.pause();
  EXPECT_EQ(box.mailbox.push(named("b"), nullptr, MayWait::yes), Pushed::full);
}

TEST(MailboxOverflow, BlockOnThePumpThreadMindsNothingThatTheCapacityDoesNotBound) {
  HandPumped box(
      {.capacity = 1, .overflow = Overflow::block, .block_timeout = std::chrono::hours(1)});
  box.push("a");
  box.sink.on_deliver = [&](Delivery&) {
    // Stays queued, beyond the capacity.
    box.mailbox.wait_again();
    EXPECT_TRUE(box.mailbox.push_again(named("again"), nullptr, nullptr));
    box.mailbox.pause();
    box.sink.on_deliver = nullptr;
  };
  EXPECT_EQ(box.mailbox.push(named("b"), nullptr, MayWait::yes), Pushed::accepted);
  EXPECT_EQ(box.sink.delivered, Names{"a"});
  box.mailbox.resume();
  box.executor->run();
  EXPECT_EQ(box.sink.delivered, (Names{"a", "again", "b"}));
}

TEST(MailboxOverflow, BlockWithoutPatienceIsReject) {
  WorkerPool pool(1);
  RecordingSink sink;
  Mailbox mailbox(sink, {.capacity = 1, .overflow = Overflow::block, .block_timeout = {}}, &pool,
                  nullptr);
  mailbox.pause();
  EXPECT_EQ(mailbox.push(named("a"), nullptr, MayWait::yes), Pushed::accepted);
  EXPECT_EQ(mailbox.push(named("b"), nullptr, MayWait::yes), Pushed::full);
  mailbox.close();
  pool.shut_down();
}

TEST(MailboxOverflow, BlockWaitsForRoom) {
  WorkerPool pool(1);
  RecordingSink sink;
  Mailbox mailbox(
      sink, {.capacity = 1, .overflow = Overflow::block, .block_timeout = std::chrono::hours(1)},
      &pool, nullptr);
  mailbox.pause();
  mailbox.push(named("a"), nullptr, MayWait::yes);
  std::atomic<int> answer{-1};
  std::thread publisher(
      [&] { answer = static_cast<int>(mailbox.push(named("b"), nullptr, MayWait::yes)); });
  mailbox.resume();
  publisher.join();
  EXPECT_EQ(answer, static_cast<int>(Pushed::accepted));
  mailbox.wait_idle(Mailbox::Idle::empty, std::chrono::steady_clock::time_point::max());
  EXPECT_EQ(sink.delivered, (Names{"a", "b"}));
  pool.shut_down();
}

TEST(MailboxOverflow, BlockGoesOnAsSoonAsOneEventWasTakenNotOnlyAfterARun) {
  // The handler of b waits for what is published after d went in: with the room that taking b made.
  WorkerPool pool(1);
  RecordingSink sink;
  Mailbox mailbox(
      sink, {.capacity = 2, .overflow = Overflow::block, .block_timeout = std::chrono::hours(1)},
      &pool, nullptr);
  std::atomic<bool> a_runs{false};
  std::atomic<bool> a_may_end{false};
  std::atomic<bool> d_is_in{false};
  std::atomic<bool> b_saw_d{false};
  sink.on_deliver = [&](Delivery& delivery) {
    if (delivery.event.topic() == "a") {
      a_runs = true;
      eventually([&] { return a_may_end.load(); });
    } else if (delivery.event.topic() == "b") {
      b_saw_d = eventually([&] { return d_is_in.load(); });
    }
  };
  mailbox.push(named("a"), nullptr, MayWait::yes);
  ASSERT_TRUE(eventually([&] { return a_runs.load(); }));
  mailbox.push(named("b"), nullptr, MayWait::yes);
  mailbox.push(named("c"), nullptr, MayWait::yes);
  std::atomic<bool> at_the_door{false};
  std::thread publisher([&] {
    at_the_door = true;
    mailbox.push(named("d"), nullptr, MayWait::yes);
    d_is_in = true;
  });
  eventually([&] { return at_the_door.load(); });
  for (int i = 0; i < 100; ++i) std::this_thread::yield();  // give it time to begin its wait
  a_may_end = true;
  publisher.join();
  mailbox.wait_idle(Mailbox::Idle::empty, std::chrono::steady_clock::time_point::max());
  EXPECT_TRUE(b_saw_d);
  EXPECT_EQ(sink.delivered, (Names{"a", "b", "c", "d"}));
  pool.shut_down();
}

TEST(MailboxOverflow, BlockEndsWhenTheMailboxIsClosed) {
  WorkerPool pool(1);
  RecordingSink sink;
  Mailbox mailbox(
      sink, {.capacity = 1, .overflow = Overflow::block, .block_timeout = std::chrono::hours(1)},
      &pool, nullptr);
  mailbox.pause();
  mailbox.push(named("a"), nullptr, MayWait::yes);
  std::atomic<int> answer{-1};
  std::thread publisher(
      [&] { answer = static_cast<int>(mailbox.push(named("b"), nullptr, MayWait::yes)); });
  mailbox.close();
  publisher.join();
  EXPECT_EQ(answer, static_cast<int>(Pushed::closed));
  pool.shut_down();
}

TEST(MailboxOverflow, NeverHoldsMoreThanTheCapacityUnderManyPublishers) {
  for (const Overflow overflow :
       {Overflow::reject, Overflow::block, Overflow::drop_oldest, Overflow::drop_newest}) {
    WorkerPool pool(2);
    RecordingSink sink;
    Mailbox mailbox(sink,
                    {.capacity = 5,
                     .overflow = overflow,
                     .block_timeout = std::chrono::hours(1),
                     .concurrency = 2},
                    &pool, nullptr);
    std::atomic<std::size_t> most{0};
    std::atomic<std::size_t> accepted{0};
    std::atomic<std::size_t> displaced{0};
    std::vector<std::thread> publishers;
    for (int t = 0; t < 3; ++t) {
      publishers.emplace_back([&] {
        for (int i = 0; i < 500; ++i) {
          const Pushed pushed = mailbox.push(named("e"), nullptr, MayWait::yes);
          if (pushed == Pushed::accepted || pushed == Pushed::displaced) ++accepted;
          if (pushed == Pushed::displaced) ++displaced;
          std::size_t now = mailbox.waiting();
          std::size_t before = most.load();
          while (before < now && !most.compare_exchange_weak(before, now)) {
          }
        }
      });
    }
    for (std::thread& one : publishers) one.join();
    mailbox.wait_idle(Mailbox::Idle::empty, std::chrono::steady_clock::time_point::max());
    EXPECT_LE(most, 5U);
    EXPECT_EQ(sink.delivered.size() + sink.gone.size(), accepted);
    EXPECT_EQ(sink.gone.size(), displaced);
    if (overflow == Overflow::block) {
      EXPECT_EQ(sink.delivered.size(), 1500U);
    }
    pool.shut_down();
  }
}

}  // namespace
}  // namespace busway::delivery_detail
