// Calls that keep their place in a mailbox after their thread has gone.
#include <gtest/gtest.h>

#include <deque>
#include <memory>

#include "busway/testing/manual_clock.hpp"
#include "mailbox_fixture.hpp"

namespace busway::delivery_detail {
namespace {

using std::chrono::seconds;

/// Counts who holds it.
struct Suspended final : SuspendedCall {
  void retain() noexcept override { ++references; }
  void release() noexcept override { --references; }
  std::atomic<int> references{0};
  CallSlot* slot = nullptr;
  std::string topic;
};

/// A mailbox whose calls are all suspended until the test ends them.
struct Suspending {
  explicit Suspending(MailboxOptions options = {})
      : mailbox(sink, with_suspension(options), nullptr, executor) {
    sink.clock = clock;
    sink.keeper = std::make_unique<Timekeeper>(clock, Drive::by_hand);
    sink.timeout = mailbox.options().timeout;
    sink.instead = [this](Delivery& delivery, CallSlot& slot) {
      calls.emplace_back();
      Suspended& call = calls.back();
      call.slot = &slot;
      call.topic = std::string(delivery.event.topic());
      slot.hand_to(&call);
      slot.begin(sink.deadline());
      mailbox.suspended(slot);
      return Then::suspended;
    };
  }
  ~Suspending() {
    mailbox.close();
    executor->run();
    sink.keeper.reset();
  }
  static MailboxOptions with_suspension(MailboxOptions options) {
    options.may_suspend = true;
    return options;
  }
  void push(std::string_view topic, std::string_view key = {}) {
    EXPECT_EQ(mailbox.push(named(topic, Priority::normal, key), nullptr, MayWait::no),
              Pushed::accepted);
  }
  /// The call with this number ends.
  void end(std::size_t index, Then then = Then::next) {
    CallSlot& slot = *calls[index].slot;
    mailbox.completed(slot, slot.finish() ? then : Then::left);
  }
  void pass(std::chrono::nanoseconds time) {
    clock->advance(time);
    (void)sink.keeper->run_due();
  }

  std::shared_ptr<testing::ManualClock> clock = std::make_shared<testing::ManualClock>();
  std::shared_ptr<ManualExecutor> executor = std::make_shared<ManualExecutor>();
  std::deque<Suspended> calls;
  RecordingSink sink;
  Mailbox mailbox;
};

TEST(MailboxSuspended, TheNextCallWaitsUntilTheOneThatIsSuspendedHasEnded) {
  Suspending suspending;
  for (const char* topic : {"a", "b", "c"}) suspending.push(topic);
  suspending.executor->run();
  EXPECT_EQ(suspending.sink.seen(), Names{"a"});
  EXPECT_EQ(suspending.executor->pending(), 0U) << "it holds no task of the executor";
  EXPECT_EQ(suspending.mailbox.running(), 1U);
  EXPECT_EQ(suspending.mailbox.on_threads(), 0U);
  EXPECT_EQ(suspending.mailbox.waiting(), 2U);
  suspending.end(0);
  suspending.executor->run();
  suspending.end(1);
  suspending.executor->run();
  suspending.end(2);
  EXPECT_EQ(suspending.sink.seen(), (Names{"a", "b", "c"}));
  EXPECT_EQ(suspending.sink.counted, 3U);
  EXPECT_TRUE(suspending.mailbox.idle());
  EXPECT_EQ(suspending.sink.references, 0);
}

TEST(MailboxSuspended, AsManyAsConcurrencySaysAreSuspendedAtOnce) {
  Suspending suspending({.concurrency = 2});
  for (const char* topic : {"a", "b", "c"}) suspending.push(topic);
  suspending.executor->run();
  EXPECT_EQ(suspending.sink.seen(), (Names{"a", "b"}));
  suspending.end(1);
  suspending.executor->run();
  EXPECT_EQ(suspending.sink.seen(), (Names{"a", "b", "c"}));
  suspending.end(0);
  suspending.end(2);
  EXPECT_TRUE(suspending.mailbox.idle());
}

TEST(MailboxSuspended, WithAKeyOnlyItsKeyWaits) {
  Suspending suspending({.concurrency = 64, .order_by = OrderBy::key});
  suspending.push("a", "one");
  suspending.push("b", "one");
  suspending.push("c", "two");
  suspending.executor->run();
  EXPECT_EQ(suspending.sink.seen(), (Names{"a", "c"}));
  suspending.end(0);
  suspending.end(1);
  suspending.executor->run();
  suspending.end(2);
  EXPECT_TRUE(suspending.mailbox.idle());
}

TEST(MailboxSuspended, AHoldLetsNothingPassButWhatIsTriedAgain) {
  Suspending suspending;
  suspending.push("a");
  suspending.push("b");
  suspending.executor->run();
  suspending.mailbox.wait_again();
  suspending.end(0, Then::hold);
  suspending.executor->run();
  EXPECT_EQ(suspending.sink.seen(), Names{"a"});
  EXPECT_TRUE(suspending.mailbox.push_again(named("again"), nullptr, nullptr));
  suspending.executor->run();
  suspending.end(1);
  suspending.executor->run();
  EXPECT_EQ(suspending.sink.seen(), (Names{"a", "again", "b"}));
  suspending.end(2);
}

TEST(MailboxSuspended, IsGivenUpAtItsDeadlineAndTheNextGoesOn) {
  Suspending suspending({.timeout = seconds(1)});
  suspending.push("a");
  suspending.push("b");
  suspending.executor->run();
  const std::stop_token stop = suspending.calls[0].slot->stop_source().get_token();
  suspending.pass(seconds(1));
  EXPECT_EQ(suspending.sink.late, Names{"a"});
  EXPECT_EQ(suspending.sink.given_up, std::vector<SuspendedCall*>{&suspending.calls[0]});
  EXPECT_TRUE(stop.stop_requested());
  EXPECT_EQ(suspending.calls[0].references, 0);
  suspending.executor->run();
  EXPECT_EQ(suspending.sink.seen(), (Names{"a", "b"}));
  EXPECT_EQ(suspending.mailbox.running(), 1U) << "the one given up does not count";
  suspending.end(1);
  EXPECT_TRUE(suspending.mailbox.idle());
  EXPECT_EQ(suspending.sink.back, 0);
  suspending.end(0);
  EXPECT_EQ(suspending.sink.back, 1);
  EXPECT_EQ(suspending.sink.counted, 2U);
  suspending.mailbox.close();
  EXPECT_EQ(suspending.sink.references, 0);
}

TEST(MailboxSuspended, ThatEndedBeforeItsDeadlineIsNotGivenUp) {
  Suspending suspending({.timeout = seconds(1)});
  suspending.push("a");
  suspending.executor->run();
  suspending.end(0);
  suspending.pass(seconds(2));
  EXPECT_TRUE(suspending.sink.late.empty());
  EXPECT_EQ(suspending.sink.back, 0);
}

TEST(MailboxSuspended, AnUnsubscribeWaitsForThreadsAndNotForThoseThatAreSuspended) {
  Suspending suspending;
  suspending.push("a");
  suspending.executor->run();
  suspending.mailbox.close();
  EXPECT_TRUE(suspending.mailbox.wait_idle(Mailbox::Idle::no_thread, SteadyTime::max()));
  EXPECT_FALSE(suspending.mailbox.wait_idle(Mailbox::Idle::no_call, SteadyTime{}));
  EXPECT_GT(suspending.sink.references, 0) << "the mailbox stays until it has ended";
  suspending.end(0);
  EXPECT_TRUE(suspending.mailbox.wait_idle(Mailbox::Idle::no_call, SteadyTime::max()));
  EXPECT_EQ(suspending.sink.references, 0);
}

TEST(MailboxSuspended, AllCanBeAbandoned) {
  Suspending suspending({.concurrency = 2});
  for (const char* topic : {"a", "b"}) suspending.push(topic);
  suspending.executor->run();
  suspending.mailbox.close();
  suspending.mailbox.abandon_suspended();
  EXPECT_EQ(suspending.sink.gone, (Names{"a", "b"}));
  EXPECT_TRUE(suspending.mailbox.idle());
  EXPECT_EQ(suspending.sink.counted, 0U);
  suspending.end(0);
  suspending.end(1);
  EXPECT_EQ(suspending.sink.back, 2);
  EXPECT_EQ(suspending.sink.references, 0);
}

/// Each call ends on another thread, many at their deadline.
TEST(MailboxSuspendedStress, EachCallEndsOnce) {
  constexpr int kEvents = 3000;
  auto clock = std::make_shared<testing::ManualClock>();
  WorkerPool pool(2);
  RecordingSink sink;
  sink.clock = clock;
  sink.keeper = std::make_unique<Timekeeper>(clock, Drive::thread);
  std::mutex mutex;
  std::deque<Suspended> calls;
  std::deque<Suspended*> open;
  Mailbox* the_mailbox = nullptr;
  sink.instead = [&](Delivery&, CallSlot& slot) {
    Suspended* call = nullptr;
    {
      const std::lock_guard lock(mutex);
      call = &calls.emplace_back();
    }
    call->slot = &slot;
    slot.hand_to(call);
    slot.begin(sink.deadline());
    the_mailbox->suspended(slot);
    const std::lock_guard lock(mutex);
    open.push_back(call);
    return Then::suspended;
  };
  Mailbox mailbox(sink,
                  {.capacity = 10'000,
                   .concurrency = 3,
                   .timeout = std::chrono::microseconds(1),
                   .may_suspend = true},
                  &pool, nullptr);
  the_mailbox = &mailbox;
  sink.timeout = mailbox.options().timeout;
  std::atomic<bool> over{false};
  std::thread time([&] {
    while (!over) clock->advance(std::chrono::nanoseconds(100));
  });
  std::thread ender([&] {
    for (int ended = 0; ended < kEvents;) {
      Suspended* call = nullptr;
      {
        const std::lock_guard lock(mutex);
        if (!open.empty()) {
          call = open.front();
          open.pop_front();
        }
      }
      if (call == nullptr) {
        std::this_thread::yield();
      } else {
        mailbox.completed(*call->slot, call->slot->finish() ? Then::next : Then::left);
        ++ended;
      }
    }
  });
  for (int i = 0; i < kEvents; ++i) {
    ASSERT_EQ(mailbox.push(named("t"), nullptr, MayWait::no), Pushed::accepted);
  }
  ASSERT_TRUE(mailbox.wait_idle(Mailbox::Idle::empty, SteadyTime::max()));
  over = true;
  time.join();
  ender.join();
  // Of the two that a late call takes, its thread and who gives it up, either may be the last.
  EXPECT_TRUE(eventually([&] { return sink.back == static_cast<int>(sink.late.size()); }));
  EXPECT_EQ(sink.seen().size(), static_cast<std::size_t>(kEvents));
  EXPECT_EQ(sink.counted, static_cast<std::size_t>(kEvents));
  mailbox.close();
  pool.shut_down();
  EXPECT_TRUE(eventually([&] { return sink.references == 0; }));
}

}  // namespace
}  // namespace busway::delivery_detail
