#include "delivery/mailbox.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "mailbox_fixture.hpp"

namespace busway::delivery_detail {
namespace {

TEST(Mailbox, DeliversInTheOrderPushed) {
  HandPumped box;
  Names pushed;
  for (int i = 0; i < 100; ++i) {
    pushed.push_back("e" + std::to_string(i));
    EXPECT_EQ(box.push(pushed.back()), Pushed::accepted);
  }
  EXPECT_EQ(box.mailbox.waiting(), 100U);
  EXPECT_TRUE(box.sink.delivered.empty());
  box.executor->run();
  EXPECT_EQ(box.sink.delivered, pushed);
  EXPECT_TRUE(box.mailbox.idle());
  EXPECT_EQ(box.mailbox.waiting(), 0U);
  EXPECT_EQ(box.mailbox.pushes(), 100U);
  EXPECT_EQ(box.sink.counted, 100U);
}

TEST(Mailbox, TakesWhatItsOwnHandlerPushes) {
  HandPumped box;
  box.sink.on_deliver = [&](Delivery& delivery) {
    if (delivery.event.topic() == "first") box.push("second");
  };
  box.push("first");
  box.executor->run();
  EXPECT_EQ(box.sink.delivered, (Names{"first", "second"}));
}

TEST(Mailbox, PostsOneTaskForARunOfDeliveries) {
  HandPumped box;
  for (int i = 0; i < 100; ++i) box.push("e");
  EXPECT_EQ(box.executor->pending(), 1U);
}

TEST(Mailbox, LetsOthersOnItsExecutorHaveATurn) {
  HandPumped box;
  for (int i = 0; i < 1000; ++i) box.push("e");
  bool other_ran = false;
  box.executor->post([&] { other_ran = true; });
  box.executor->run(2);
  EXPECT_TRUE(other_ran);
  EXPECT_LT(box.sink.delivered.size(), 1000U);
  box.executor->run();
  EXPECT_EQ(box.sink.delivered.size(), 1000U);
}

TEST(Mailbox, StartsNothingWhilePaused) {
  HandPumped box;
  box.push("before");
  box.mailbox.pause();
  EXPECT_EQ(box.push("during"), Pushed::accepted);
  box.executor->run();
  EXPECT_TRUE(box.sink.delivered.empty());
  EXPECT_EQ(box.mailbox.waiting(), 2U);
  EXPECT_FALSE(box.mailbox.idle());
  box.mailbox.resume();
  box.push("after");
  box.executor->run();
  EXPECT_EQ(box.sink.delivered, (Names{"before", "during", "after"}));
}

TEST(Mailbox, PausedByItsHandlerStopsAfterThatCallAndLosesNothing) {
  HandPumped box;
  box.sink.on_deliver = [&](Delivery& delivery) {
    if (delivery.event.topic() == "e3") box.mailbox.pause();
  };
  Names all;
  for (int i = 0; i < 40; ++i) {
    all.push_back("e" + std::to_string(i));
    box.push(all.back());
  }
  box.executor->run();
  EXPECT_EQ(box.sink.delivered, (Names{"e0", "e1", "e2", "e3"}));
  EXPECT_EQ(box.mailbox.waiting(), 36U);
  box.mailbox.resume();
  box.executor->run();
  EXPECT_EQ(box.sink.delivered, all);
}

TEST(Mailbox, PausedAtTheEndOfAChunkGivesTheRestBackBeforeLaterOnes) {
  // The claim reaches the end of its chunk while others are pushed behind it.
  HandPumped box;
  Names all;
  box.sink.on_deliver = [&](Delivery& delivery) {
    if (delivery.event.topic() != "e30") return;
    for (int i = 32; i < 70; ++i) {
      all.push_back("e" + std::to_string(i));
      box.push(all.back());
    }
    box.mailbox.pause();
  };
  for (int i = 0; i < 32; ++i) {
    all.push_back("e" + std::to_string(i));
    box.push(all.back());
  }
  box.executor->run();
  EXPECT_EQ(box.sink.delivered.size(), 31U);
  EXPECT_EQ(box.mailbox.waiting(), 39U);
  box.mailbox.resume();
  box.executor->run();
  EXPECT_EQ(box.sink.delivered, all);
}

TEST(Mailbox, ClosedDropsWhatWaitsAndTakesNothing) {
  HandPumped box;
  box.push("a");
  box.push("b");
  box.mailbox.close();
  EXPECT_EQ(box.sink.gone, (Names{"a", "b"}));
  EXPECT_EQ(box.sink.reasons, (std::vector{DropReason::unsubscribed, DropReason::unsubscribed}));
  EXPECT_EQ(box.push("c"), Pushed::closed);
  box.executor->run();
  EXPECT_TRUE(box.sink.delivered.empty());
  EXPECT_TRUE(box.mailbox.idle());
}

TEST(Mailbox, ClosedByItsHandlerDropsTheRestOfTheRun) {
  HandPumped box;
  box.sink.on_deliver = [&](Delivery& delivery) {
    if (delivery.event.topic() == "e1") box.mailbox.close();
  };
  for (int i = 0; i < 50; ++i) box.push("e" + std::to_string(i));
  box.executor->run();
  EXPECT_EQ(box.sink.delivered, (Names{"e0", "e1"}));
  EXPECT_EQ(box.sink.gone.size(), 48U);
  EXPECT_EQ(box.sink.counted, 2U);
  EXPECT_EQ(box.mailbox.waiting(), 0U);
}

TEST(Mailbox, GivesBackEveryReferenceItTook) {
  const auto executor = std::make_shared<ManualExecutor>();
  RecordingSink sink;
  {
    Mailbox mailbox(sink, {.concurrency = 3}, nullptr, executor);
    for (int i = 0; i < 10; ++i) mailbox.push(named("e"), nullptr, MayWait::no);
    EXPECT_GT(sink.references, 0);
    executor->run();
    EXPECT_EQ(sink.references, 0);
  }
}

TEST(Mailbox, ClosedHoldsNoReferenceThroughTasksThatAreYetToRun) {
  HandPumped box;
  box.push("a");
  box.mailbox.close();
  EXPECT_EQ(box.sink.references, 0);
}

TEST(Mailbox, HoldsNoReferenceOnceItsExecutorIsGoneWithTheTask) {
  RecordingSink sink;
  auto executor = std::make_shared<ManualExecutor>();
  struct Forwarding final : Executor {
    ManualExecutor* to = nullptr;
    Posted post(Task task) override { return to->post(std::move(task)); }
  };
  auto forwarding = std::make_shared<Forwarding>();
  forwarding->to = executor.get();
  Mailbox mailbox(sink, {}, nullptr, forwarding);
  mailbox.push(named("a"), nullptr, MayWait::no);
  executor.reset();
  EXPECT_EQ(sink.references, 0);
}

TEST(Mailbox, DropsWhatWaitsWhenItsExecutorRefuses) {
  struct Refusing final : Executor {
    Posted post(Task) override { return Posted::refused; }
  };
  RecordingSink sink;
  Mailbox mailbox(sink, {}, nullptr, std::make_shared<Refusing>());
  EXPECT_EQ(mailbox.push(named("a"), nullptr, MayWait::no), Pushed::accepted);
  EXPECT_EQ(sink.gone, Names{"a"});
  EXPECT_EQ(sink.reasons, std::vector{DropReason::no_executor});
  EXPECT_EQ(sink.references, 0);
  EXPECT_TRUE(mailbox.idle());
}

// -- Again ----------------------------------------------------------------------------------------

TEST(MailboxAgain, IsNotIdleWhileADeliveryWaitsElsewhere) {
  HandPumped box;
  EXPECT_TRUE(box.mailbox.idle());
  box.mailbox.wait_again();
  EXPECT_FALSE(box.mailbox.idle());
  EXPECT_EQ(box.mailbox.waiting_again(), 1U);
  EXPECT_TRUE(box.mailbox.push_again(named("again"), nullptr, nullptr));
  EXPECT_FALSE(box.mailbox.idle());
  box.executor->run();
  EXPECT_TRUE(box.mailbox.idle());
  EXPECT_EQ(box.sink.delivered, Names{"again"});
}

TEST(MailboxAgain, ComesBeforeWhatWaitsAndBeyondTheCapacity) {
  HandPumped box({.capacity = 1});
  box.push("waits");
  box.mailbox.wait_again();
  EXPECT_TRUE(box.mailbox.push_again(named("again"), nullptr, nullptr));
  EXPECT_EQ(box.push("full"), Pushed::full);
  box.executor->run();
  EXPECT_EQ(box.sink.delivered, (Names{"again", "waits"}));
}

TEST(MailboxAgain, AHeldStripeDeliversNothingUntilTheDeliveryItIsHeldForHasEnded) {
  HandPumped box;
  box.sink.on_deliver = [&](Delivery& delivery) {
    const bool fails = delivery.event.topic() == "fails";
    if (fails) box.mailbox.wait_again();
    box.sink.then = fails ? Then::hold : Then::next;
  };
  for (const char* topic : {"a", "fails", "b", "c"}) box.push(topic);
  box.executor->run();
  EXPECT_EQ(box.sink.delivered, (Names{"a", "fails"}));
  EXPECT_TRUE(box.mailbox.push_again(named("again"), nullptr, nullptr));
  box.executor->run();
  EXPECT_EQ(box.sink.delivered, (Names{"a", "fails", "again", "b", "c"}));
  EXPECT_TRUE(box.mailbox.idle());
}

TEST(MailboxAgain, AHeldStripeGoesOnWhenTheDeliveryIsGivenUp) {
  HandPumped box;
  box.sink.on_deliver = [&](Delivery& delivery) {
    const bool fails = delivery.event.topic() == "fails";
    if (fails) box.mailbox.wait_again();
    box.sink.then = fails ? Then::hold : Then::next;
  };
  box.push("fails");
  box.push("b");
  box.executor->run();
  box.mailbox.give_up_again(named("fails"));
  box.executor->run();
  EXPECT_EQ(box.sink.delivered, (Names{"fails", "b"}));
}

TEST(MailboxAgain, ARedrivenDeliveryDoesNotEndAHold) {
  HandPumped box;
  box.sink.on_deliver = [&](Delivery& delivery) {
    const bool fails = delivery.event.topic() == "fails";
    if (fails) box.mailbox.wait_again();
    box.sink.then = fails ? Then::hold : Then::next;
  };
  box.push("fails");
  box.executor->run();
  EXPECT_EQ(box.mailbox.push_redriven(named("redriven"), nullptr), Pushed::accepted);
  box.executor->run();
  EXPECT_EQ(box.sink.delivered, Names{"fails"});
  EXPECT_TRUE(box.mailbox.push_again(named("again"), nullptr, nullptr));
  box.executor->run();
  EXPECT_EQ(box.sink.delivered, (Names{"fails", "again", "redriven"}));
}

TEST(MailboxAgain, AClosedMailboxTakesNothingBack) {
  HandPumped box;
  box.mailbox.wait_again();
  box.mailbox.close();
  EXPECT_FALSE(box.mailbox.push_again(named("again"), nullptr, nullptr));
  EXPECT_EQ(box.mailbox.push_redriven(named("late"), nullptr), Pushed::closed);
  EXPECT_TRUE(box.mailbox.idle());
}

// -- Replay ---------------------------------------------------------------------------------------

TEST(MailboxReplay, HoldsWhatIsPushedUntilThePastIsPutBeforeIt) {
  HandPumped box;
  box.mailbox.hold();
  box.push("live");
  box.executor->run();
  EXPECT_TRUE(box.sink.delivered.empty());
  EXPECT_EQ(box.mailbox.begin_with(by_one({named("old"), named("newer")}), false), 2U);
  box.executor->run();
  EXPECT_EQ(box.sink.delivered, (Names{"old", "newer", "live"}));
}

TEST(MailboxReplay, LeavesOutWhatIsQueuedAlready) {
  HandPumped box;
  box.mailbox.hold();
  const Event both = named("both");
  box.mailbox.push(both, nullptr, MayWait::no);
  EXPECT_EQ(box.mailbox.begin_with(by_one({named("old"), both}), false), 1U);
  box.executor->run();
  EXPECT_EQ(box.sink.delivered, (Names{"old", "both"}));
}

TEST(MailboxReplay, LeavesOutWhatAPublisherPublishedAfterAnEventThatIsQueued) {
  HandPumped box;
  box.mailbox.hold();
  const Event first = named("first");
  const Event second = named("second");  // recorded, and on its way to the mailbox
  box.mailbox.push(first, nullptr, MayWait::no);
  EXPECT_EQ(box.mailbox.begin_with(
                {{named("old"), 0}, {named("other"), 1}, {first, 0}, {second, 0}, {named("x"), 1}},
                false),
            3U);
  box.mailbox.push(second, nullptr, MayWait::no);
  box.executor->run();
  EXPECT_EQ(box.sink.delivered, (Names{"old", "other", "x", "first", "second"}));
}

TEST(MailboxReplay, EndsBeforeAnyLiveEventWhateverTheLane) {
  HandPumped box;
  box.mailbox.hold();
  for (int i = 0; i < 5; ++i) {
    box.push("low", Priority::low);
    box.push("normal");
    box.push("high", Priority::high);
  }
  std::vector<Event> past;
  for (int i = 0; i < 100; ++i) past.push_back(named("past"));
  box.mailbox.begin_with(by_one(past), false);
  box.executor->run();
  ASSERT_EQ(box.sink.delivered.size(), 115U);
  EXPECT_EQ(Names(box.sink.delivered.begin(), box.sink.delivered.begin() + 100),
            Names(100, "past"));
}

TEST(MailboxReplay, TakesMoreThanTheCapacity) {
  HandPumped box({.capacity = 2});
  box.mailbox.hold();
  const std::vector<Event> past{named("a"), named("b"), named("c"), named("d")};
  EXPECT_EQ(box.mailbox.begin_with(by_one(past), false), 4U);
  EXPECT_EQ(box.push("live"), Pushed::accepted);
  box.executor->run();
  EXPECT_EQ(box.sink.delivered, (Names{"a", "b", "c", "d", "live"}));
}

TEST(MailboxReplay, TellsTheFirstCallThatTheHistoryWasCut) {
  HandPumped box;
  box.mailbox.hold();
  box.push("live");
  box.mailbox.begin_with(by_one({named("a"), named("b")}), true);
  box.executor->run();
  EXPECT_EQ(box.sink.cut, (std::vector{true, false, false}));
}

TEST(MailboxReplay, TellsTheFirstLiveCallOfACutHistoryWhenNothingIsLeftOfThePast) {
  HandPumped box;
  box.mailbox.hold();
  box.mailbox.begin_with({}, true);
  box.push("live");
  box.push("later");
  box.executor->run();
  EXPECT_EQ(box.sink.cut, (std::vector{true, false}));

  HandPumped queued;
  queued.mailbox.hold();
  queued.push("live");
  queued.push("later");
  queued.mailbox.begin_with({}, true);
  queued.executor->run();
  EXPECT_EQ(queued.sink.cut, (std::vector{true, false}));
}

TEST(MailboxReplay, BeginsNothingOnceClosed) {
  HandPumped box;
  box.mailbox.hold();
  box.mailbox.close();
  EXPECT_EQ(box.mailbox.begin_with(by_one({named("a")}), false), 0U);
  box.executor->run();
  EXPECT_TRUE(box.sink.delivered.empty());
  EXPECT_TRUE(box.mailbox.idle());
}

// -- Concurrency ----------------------------------------------------------------------------------

TEST(MailboxConcurrency, IsReachedAndNeverExceeded) {
  WorkerPool pool(6);
  RecordingSink sink;
  Mailbox mailbox(sink, {.concurrency = 3}, &pool, nullptr);
  std::atomic<int> running{0};
  std::atomic<int> most{0};
  std::atomic<bool> met{false};
  sink.on_deliver = [&](Delivery&) {
    const int now = ++running;
    int before = most.load();
    while (before < now && !most.compare_exchange_weak(before, now)) {
    }
    if (now == 3) met = true;
    // The first three wait for each other: it is reached.
    eventually([&] { return met.load(); });
    --running;
  };
  for (int i = 0; i < 300; ++i) mailbox.push(named("e"), nullptr, MayWait::no);
  EXPECT_TRUE(
      mailbox.wait_idle(Mailbox::Idle::empty, std::chrono::steady_clock::time_point::max()));
  EXPECT_EQ(most, 3);
  EXPECT_EQ(sink.delivered.size(), 300U);
  pool.shut_down();
}

TEST(MailboxConcurrency, OneNeverOverlapsWithItself) {
  WorkerPool pool(4);
  RecordingSink sink;
  Mailbox mailbox(sink, {.capacity = 100'000}, &pool, nullptr);
  std::atomic<int> running{0};
  std::atomic<bool> overlapped{false};
  sink.on_deliver = [&](Delivery&) {
    if (++running != 1) overlapped = true;
    --running;
  };
  std::vector<std::thread> publishers;
  for (int t = 0; t < 3; ++t) {
    publishers.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) mailbox.push(named("e"), nullptr, MayWait::no);
    });
  }
  for (std::thread& one : publishers) one.join();
  mailbox.wait_idle(Mailbox::Idle::empty, std::chrono::steady_clock::time_point::max());
  EXPECT_FALSE(overlapped);
  EXPECT_EQ(sink.delivered.size(), 6000U);
  pool.shut_down();
}

TEST(MailboxConcurrency, KeepsTheOrderOfEachPublisherAtOne) {
  WorkerPool pool(4);
  RecordingSink sink;
  Mailbox mailbox(sink, {.capacity = 100'000}, &pool, nullptr);
  std::vector<std::thread> publishers;
  for (int t = 0; t < 3; ++t) {
    publishers.emplace_back([&, t] {
      for (int i = 0; i < 1000; ++i) {
        mailbox.push(named("p" + std::to_string(t) + "." + std::to_string(i)), nullptr,
                     MayWait::no);
      }
    });
  }
  for (std::thread& one : publishers) one.join();
  mailbox.wait_idle(Mailbox::Idle::empty, std::chrono::steady_clock::time_point::max());
  std::map<std::string, int> next;
  for (const std::string& name : sink.delivered) {
    EXPECT_EQ(name.substr(3), std::to_string(next[name.substr(0, 2)]++)) << name;
  }
  EXPECT_EQ(next.size(), 3U);
  pool.shut_down();
}

TEST(MailboxConcurrency, KeepsTheOrderOfEachKeyAtAnyConcurrency) {
  WorkerPool pool(4);
  RecordingSink sink;
  Mailbox mailbox(sink, {.capacity = 100'000, .concurrency = 4, .order_by = OrderBy::key}, &pool,
                  nullptr);
  std::map<std::string, std::vector<std::string>> by_key;
  std::mutex mutex;
  sink.on_deliver = [&](Delivery& delivery) {
    const std::lock_guard lock(mutex);
    by_key[std::string(delivery.event.key())].emplace_back(delivery.event.topic());
  };
  std::map<std::string, Names> pushed;
  for (int i = 0; i < 3000; ++i) {
    const std::string key = "k" + std::to_string(i % 7);
    const std::string topic = "e" + std::to_string(i);
    pushed[key].push_back(topic);
    mailbox.push(named(topic, Priority::normal, key), nullptr, MayWait::no);
  }
  mailbox.wait_idle(Mailbox::Idle::empty, std::chrono::steady_clock::time_point::max());
  EXPECT_EQ(by_key, pushed);
  pool.shut_down();
}

TEST(MailboxConcurrency, OfDifferentKeysIsReal) {
  WorkerPool pool(4);
  RecordingSink sink;
  Mailbox mailbox(sink, {.concurrency = 8, .order_by = OrderBy::key}, &pool, nullptr);
  std::atomic<int> running{0};
  std::atomic<bool> met{false};
  sink.on_deliver = [&](Delivery&) {
    if (++running >= 2) met = true;
    eventually([&] { return met.load(); });
    --running;
  };
  for (int i = 0; i < 64; ++i) {
    mailbox.push(named("e", Priority::normal, "k" + std::to_string(i)), nullptr, MayWait::no);
  }
  mailbox.wait_idle(Mailbox::Idle::empty, std::chrono::steady_clock::time_point::max());
  EXPECT_TRUE(met);
  pool.shut_down();
}

// -- Waiting --------------------------------------------------------------------------------------

TEST(MailboxWaiting, ForNoCallDoesNotWaitForWhatIsQueued) {
  HandPumped box;
  box.push("a");
  const auto past = std::chrono::steady_clock::time_point{};
  EXPECT_TRUE(box.mailbox.wait_idle(Mailbox::Idle::no_call, past));
  EXPECT_FALSE(box.mailbox.wait_idle(Mailbox::Idle::empty, past));
}

TEST(MailboxWaiting, EndsWhenTheCallDoes) {
  WorkerPool pool(1);
  RecordingSink sink;
  Mailbox mailbox(sink, {}, &pool, nullptr);
  std::atomic<bool> entered{false};
  std::atomic<bool> go{false};
  std::atomic<bool> left{false};
  sink.on_deliver = [&](Delivery&) {
    entered = true;
    eventually([&] { return go.load(); });
    left = true;
  };
  mailbox.push(named("a"), nullptr, MayWait::no);
  ASSERT_TRUE(eventually([&] { return entered.load(); }));
  EXPECT_EQ(mailbox.running(), 1U);
  EXPECT_FALSE(mailbox.wait_idle(Mailbox::Idle::no_call, std::chrono::steady_clock::time_point{}));
  std::thread later([&] { go = true; });
  EXPECT_TRUE(
      mailbox.wait_idle(Mailbox::Idle::no_call, std::chrono::steady_clock::time_point::max()));
  EXPECT_TRUE(left);
  later.join();
  pool.shut_down();
}

}  // namespace
}  // namespace busway::delivery_detail
