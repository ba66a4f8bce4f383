// A call that does not return in time is given up, and its mailbox goes on without it.
#include <gtest/gtest.h>

#include <latch>
#include <memory>

#include "busway/testing/manual_clock.hpp"
#include "mailbox_fixture.hpp"

namespace busway::delivery_detail {
namespace {

using std::chrono::seconds;

constexpr std::chrono::nanoseconds kTimeout = seconds(1);

/// A mailbox with a timeout on a pool of one thread, and a handler that hangs on topics named so.
struct Timed {
  explicit Timed(MailboxOptions options = {})
      : mailbox(sink, with_timeout(options), &pool, nullptr) {
    sink.clock = clock;
    sink.keeper = std::make_unique<Timekeeper>(clock, Drive::by_hand);
    sink.executor = &pool;
    sink.timeout = mailbox.options().timeout;
    sink.on_call = [this](Delivery& delivery, CallSlot& call) {
      if (delivery.event.topic() != "hang") return;
      const std::stop_token stop = call.stop_source().get_token();
      ++hanging;
      while (!released) std::this_thread::yield();
      if (stop.stop_requested()) ++told;
      kept += delivery.event.topic() == "hang" ? 1 : 0;
    };
  }
  ~Timed() {
    released = true;
    EXPECT_TRUE(eventually([&] { return sink.back == static_cast<int>(sink.late.size()); }));
    mailbox.close();
    pool.shut_down();
    EXPECT_TRUE(eventually([&] { return sink.references == 0; }));
  }
  static MailboxOptions with_timeout(MailboxOptions options) {
    options.timeout = kTimeout;
    return options;
  }
  void push(std::string_view topic) {
    EXPECT_EQ(mailbox.push(named(topic), nullptr, MayWait::no), Pushed::accepted);
  }
  void hang(int calls) {
    ASSERT_TRUE(eventually([&] { return hanging == calls; }));
  }
  void pass(std::chrono::nanoseconds time) {
    clock->advance(time);
    (void)sink.keeper->run_due();
  }

  std::shared_ptr<testing::ManualClock> clock = std::make_shared<testing::ManualClock>();
  std::atomic<bool> released{false};
  std::atomic<int> hanging{0};
  std::atomic<int> told{0};
  std::atomic<int> kept{0};
  WorkerPool pool{1};
  RecordingSink sink;
  Mailbox mailbox;
};

TEST(MailboxDeadlines, ACallThatHangsIsGivenUpAndTheNextOnesGoOn) {
  Timed timed;
  timed.push("hang");
  timed.push("a");
  timed.push("b");
  timed.hang(1);
  timed.pass(kTimeout - std::chrono::nanoseconds(1));
  EXPECT_TRUE(timed.sink.late.empty());
  timed.pass(std::chrono::nanoseconds(1));
  EXPECT_EQ(timed.sink.late, Names{"hang"});
  EXPECT_TRUE(timed.mailbox.wait_idle(Mailbox::Idle::empty, SteadyTime::max()));
  EXPECT_EQ(timed.sink.seen(), (Names{"hang", "a", "b"}));
  EXPECT_EQ(timed.sink.back, 0);
  EXPECT_EQ(timed.sink.counted, 3U);
  timed.released = true;
  EXPECT_TRUE(eventually([&] { return timed.sink.back == 1; }));
  EXPECT_EQ(timed.told, 1) << "its stop token was signalled";
  EXPECT_EQ(timed.kept, 1) << "its event was there until it returned";
}

TEST(MailboxDeadlines, CountFromTheBeginOfTheCallNotOfTheRun) {
  Timed timed;
  timed.push("a");
  ASSERT_TRUE(timed.mailbox.wait_idle(Mailbox::Idle::empty, SteadyTime::max()));
  timed.pass(kTimeout - std::chrono::milliseconds(1));
  timed.push("hang");
  timed.hang(1);
  timed.pass(std::chrono::milliseconds(1));
  EXPECT_TRUE(timed.sink.late.empty());
  timed.pass(kTimeout - std::chrono::milliseconds(2));
  EXPECT_TRUE(timed.sink.late.empty());
  timed.pass(std::chrono::milliseconds(1));
  EXPECT_EQ(timed.sink.late, Names{"hang"});
}

TEST(MailboxDeadlines, KeepTheOrderOfWhatWasClaimedBehindTheCall) {
  Timed timed;
  timed.push("hang");
  for (int i = 0; i < 50; ++i) timed.push("t" + std::to_string(i));
  timed.hang(1);
  timed.pass(kTimeout);
  ASSERT_TRUE(timed.mailbox.wait_idle(Mailbox::Idle::empty, SteadyTime::max()));
  const Names seen = timed.sink.seen();
  ASSERT_EQ(seen.size(), 51U);
  for (std::size_t i = 0; i < 50; ++i) EXPECT_EQ(seen[i + 1], "t" + std::to_string(i));
  EXPECT_EQ(timed.mailbox.waiting(), 0U);
}

TEST(MailboxDeadlines, AHoldAfterATimeoutLetsNothingPass) {
  Timed timed;
  timed.sink.then_late = Then::hold;
  timed.push("hang");
  timed.push("a");
  timed.hang(1);
  timed.mailbox.wait_again();
  timed.pass(kTimeout);
  ASSERT_TRUE(timed.mailbox.wait_idle(Mailbox::Idle::no_call, SteadyTime::max()));
  EXPECT_EQ(timed.sink.seen(), Names{"hang"});
  EXPECT_TRUE(timed.mailbox.push_again(named("again"), nullptr, nullptr));
  ASSERT_TRUE(timed.mailbox.wait_idle(Mailbox::Idle::empty, SteadyTime::max()));
  EXPECT_EQ(timed.sink.seen(), (Names{"hang", "again", "a"}));
}

TEST(MailboxDeadlines, WhatWasClaimedBehindACallIsDroppedWhenTheMailboxHasClosed) {
  Timed timed;
  timed.mailbox.pause();
  for (const char* topic : {"hang", "a", "b"}) timed.push(topic);
  timed.mailbox.resume();
  timed.hang(1);
  timed.mailbox.close();
  timed.pass(kTimeout);
  EXPECT_EQ(timed.sink.late, Names{"hang"});
  EXPECT_EQ(timed.sink.gone, (Names{"a", "b"}));
}

// As the last attempt of several that have a common end.
TEST(MailboxDeadlines, ACallMayHaveLessTimeThanOthers) {
  Timed timed;
  timed.sink.timeout = kTimeout / 4;
  const auto on_call = timed.sink.on_call;
  timed.sink.on_call = [&](Delivery& delivery, CallSlot& call) {
    timed.mailbox.look_by(timed.sink.deadline());
    on_call(delivery, call);
  };
  timed.push("hang");
  timed.hang(1);
  timed.pass(kTimeout / 4 - std::chrono::nanoseconds(1));
  EXPECT_EQ(timed.sink.late.size(), 0U);
  timed.pass(std::chrono::nanoseconds(1));
  EXPECT_EQ(timed.sink.late.size(), 1U);
}

TEST(MailboxDeadlines, ManyHangingCallsLeaveAsManyThreadsBehind) {
  Timed timed;
  for (int i = 1; i <= 5; ++i) {
    timed.push("hang");
    timed.hang(i);
    timed.pass(kTimeout);
  }
  timed.push("a");
  ASSERT_TRUE(timed.mailbox.wait_idle(Mailbox::Idle::empty, SteadyTime::max()));
  EXPECT_EQ(timed.sink.late.size(), 5U);
  EXPECT_EQ(timed.sink.seen().back(), "a");
}

TEST(MailboxDeadlines, ACloseDoesNotWaitForACallThatWasGivenUp) {
  Timed timed;
  timed.push("hang");
  timed.hang(1);
  timed.pass(kTimeout);
  timed.mailbox.close();
  EXPECT_TRUE(timed.mailbox.wait_idle(Mailbox::Idle::no_call, SteadyTime::max()));
  EXPECT_GT(timed.sink.references, 0) << "the thread left behind still needs the mailbox";
}

TEST(MailboxDeadlines, AreNotKeptOnceNobodyNeedsThem) {
  Timed timed;
  timed.push("a");
  ASSERT_TRUE(timed.mailbox.wait_idle(Mailbox::Idle::empty, SteadyTime::max()));
  EXPECT_EQ(timed.sink.keeper->armed(), 1U);
  EXPECT_TRUE(eventually([&] {
    timed.pass(kTimeout);
    return timed.sink.keeper->armed() == 0;
  })) << "an idle mailbox has no timer";
  timed.push("b");
  ASSERT_TRUE(timed.mailbox.wait_idle(Mailbox::Idle::empty, SteadyTime::max()));
  EXPECT_EQ(timed.sink.keeper->armed(), 1U);
  timed.mailbox.close();
  EXPECT_TRUE(eventually([&] { return timed.sink.keeper->armed() == 0; }))
      << "nor does a closed one";
}

TEST(MailboxDeadlines, WithAKeyOnlyTheKeyThatHangsWaits) {
  Timed timed({.concurrency = 4, .order_by = OrderBy::key});
  ASSERT_EQ(timed.mailbox.push(named("hang", Priority::normal, "k"), nullptr, MayWait::no),
            Pushed::accepted);
  timed.hang(1);
  ASSERT_EQ(timed.mailbox.push(named("same", Priority::normal, "k"), nullptr, MayWait::no),
            Pushed::accepted);
  timed.pass(kTimeout);
  ASSERT_TRUE(timed.mailbox.wait_idle(Mailbox::Idle::empty, SteadyTime::max()));
  EXPECT_EQ(timed.sink.seen(), (Names{"hang", "same"}));
}

/// Calls that end right at their deadline, on several threads: each has one end.
TEST(MailboxDeadlinesStress, EachCallEndsOnce) {
  constexpr int kEvents = 3000;
  auto clock = std::make_shared<testing::ManualClock>();
  WorkerPool pool(3);
  RecordingSink sink;
  sink.clock = clock;
  sink.keeper = std::make_unique<Timekeeper>(clock, Drive::thread);
  sink.executor = &pool;
  std::atomic<int> ended{0};
  sink.on_call = [&](Delivery& delivery, CallSlot&) {
    if (delivery.event.key() == "slow") {
      for (int i = 0; i < 300; ++i) pause();
    }
  };
  Mailbox mailbox(sink,
                  {.capacity = 10'000, .concurrency = 3, .timeout = std::chrono::microseconds(1)},
                  &pool, nullptr);
  sink.timeout = mailbox.options().timeout;
  std::atomic<bool> over{false};
  std::thread time([&] {
    while (!over) clock->advance(std::chrono::microseconds(2));
  });
  for (int i = 0; i < kEvents; ++i) {
    ASSERT_EQ(
        mailbox.push(named("t", Priority::normal, i % 3 == 0 ? "slow" : ""), nullptr, MayWait::no),
        Pushed::accepted);
    if (i % 64 == 0) std::this_thread::yield();
  }
  ASSERT_TRUE(mailbox.wait_idle(Mailbox::Idle::empty, SteadyTime::max()));
  over = true;
  time.join();
  EXPECT_TRUE(eventually([&] { return sink.back == static_cast<int>(sink.late.size()); }));
  EXPECT_EQ(sink.seen().size(), static_cast<std::size_t>(kEvents));
  EXPECT_EQ(sink.counted, static_cast<std::size_t>(kEvents));
  EXPECT_EQ(mailbox.waiting(), 0U);
  mailbox.close();
  pool.shut_down();
  EXPECT_TRUE(eventually([&] { return sink.references == 0; }));
}

}  // namespace
}  // namespace busway::delivery_detail
