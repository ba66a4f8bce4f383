// A sink that is told what is coming, run by run, and calls that are given up without a deadline.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <thread>

#include "mailbox_fixture.hpp"

namespace busway::delivery_detail {
namespace {

/// Writes down in one list what the sink is told ("a b c") and what it gets ("a").
struct Ahead : HandPumped {
  explicit Ahead(const MailboxOptions& options = {}) : HandPumped(options) {
    mailbox.look_ahead();
    sink.on_coming = [this](std::span<const Delivery> deliveries) {
      std::string line = "coming";
      for (const Delivery& one : deliveries) line.append(" ").append(one.event.topic());
      lines.push_back(line);
      told += deliveries.size();
      return takes;
    };
    sink.on_deliver = [this](Delivery& delivery) {
      lines.emplace_back(delivery.event.topic());
      if (on_deliver) on_deliver(delivery);
    };
  }
  void push_all(const Names& names, Priority priority = Priority::normal) {
    for (const std::string& name : names) EXPECT_EQ(push(name, priority), Pushed::accepted);
  }
  Names run() {
    executor->run();
    return std::exchange(lines, {});
  }
  Names lines;
  std::size_t told = 0;
  bool takes = true;
  std::function<void(Delivery&)> on_deliver;
};

TEST(MailboxAhead, TellsARunBeforeItsFirstDeliveryAndInOrder) {
  Ahead box;
  box.push_all({"a", "b", "c"});
  EXPECT_EQ(box.run(), (Names{"coming a b c", "a", "b", "c"}));
  box.push_all({"d", "e"});
  EXPECT_EQ(box.run(), (Names{"coming d e", "d", "e"}));
  EXPECT_EQ(box.sink.counted, 5U);
}

TEST(MailboxAhead, TellsNothingUnlessAskedTo) {
  HandPumped box;
  int told = 0;
  box.sink.on_coming = [&](std::span<const Delivery>) {
    ++told;
    return true;
  };
  for (const char* name : {"a", "b", "c"}) box.push(name);
  box.executor->run();
  EXPECT_EQ(told, 0);
  box.mailbox.look_ahead();
  for (const char* name : {"d", "e"}) box.push(name);
  box.executor->run();
  EXPECT_EQ(told, 1);
  EXPECT_EQ(box.sink.delivered, (Names{"a", "b", "c", "d", "e"}));
}

TEST(MailboxAhead, TellsNothingOfOneThatComesAlone) {
  Ahead box;
  for (const char* name : {"a", "b"}) {
    box.push(name);
    EXPECT_EQ(box.run(), Names{name});
  }
  // One that comes while the run before it is made is alone as well.
  box.on_deliver = [&](Delivery& delivery) {
    if (delivery.event.topic() == "first") box.push("alone");
  };
  box.push("first");
  EXPECT_EQ(box.run(), (Names{"first", "alone"}));
}

TEST(MailboxAhead, TellsOfEachDeliveryOnceHoweverManyThereAre) {
  Ahead box({.capacity = 10'000});
  Names all;
  for (int i = 0; i < 1000; ++i) all.push_back("e" + std::to_string(i));
  box.push_all(all);
  const Names lines = box.run();
  Names told;
  Names made;
  for (const std::string& line : lines) {
    if (line.rfind("coming ", 0) != 0) {
      made.push_back(line);
      if (told.size() < made.size()) told.push_back(line);  // it came alone
      ASSERT_EQ(told[made.size() - 1], line) << "told in the order in which they are made";
      continue;
    }
    ASSERT_EQ(told.size(), made.size()) << "a run is told when the one before it is done";
    for (std::size_t at = 7; at < line.size();) {
      const std::size_t end = std::min(line.find(' ', at), line.size());
      told.push_back(line.substr(at, end - at));
      at = end + 1;
    }
  }
  EXPECT_EQ(made, all);
  EXPECT_EQ(told, all);
  EXPECT_GT(box.told, 900U) << "most come in runs";
}

TEST(MailboxAhead, DoesNotGiveBackATakenRunWhenItIsPaused) {
  Ahead box;
  box.on_deliver = [&](Delivery& delivery) {
    if (delivery.event.topic() == "a") {
      box.mailbox.pause();
      box.push("later");
    }
  };
  box.push_all({"a", "b", "c"});
  EXPECT_EQ(box.run(), (Names{"coming a b c", "a", "b", "c"}));
  EXPECT_EQ(box.mailbox.waiting(), 1U);
  box.mailbox.resume();
  EXPECT_EQ(box.run(), Names{"later"});
}

TEST(MailboxAhead, GivesBackARunThatWasNotTakenWhenItIsPausedAndTellsItAgain) {
  Ahead box;
  box.takes = false;
  box.on_deliver = [&](Delivery& delivery) {
    if (delivery.event.topic() == "a") box.mailbox.pause();
  };
  box.push_all({"a", "b", "c"});
  EXPECT_EQ(box.run(), (Names{"coming a b c", "a"}));
  EXPECT_EQ(box.mailbox.waiting(), 2U);
  box.takes = true;
  box.mailbox.resume();
  EXPECT_EQ(box.run(), (Names{"coming b c", "b", "c"}));
}

TEST(MailboxAhead, MakesATakenRunBeforeAHigherEventThatCameMeanwhile) {
  Ahead box;
  box.on_deliver = [&](Delivery& delivery) {
    if (delivery.event.topic() == "a") box.push("high", Priority::high);
  };
  box.push_all({"a", "b", "c"});
  EXPECT_EQ(box.run(), (Names{"coming a b c", "a", "b", "c", "high"}));
}

TEST(MailboxAhead, LetsAHigherEventPassARunThatWasNotTaken) {
  Ahead box;
  box.takes = false;
  box.on_deliver = [&](Delivery& delivery) {
    if (delivery.event.topic() == "a") box.push("high", Priority::high);
  };
  box.push_all({"a", "b", "c"});
  EXPECT_EQ(box.run(), (Names{"coming a b c", "a", "high", "coming b c", "b", "c"}));
}

TEST(MailboxAhead, DropsTheRestOfATakenRunWhenItIsClosed) {
  Ahead box;
  box.on_deliver = [&](Delivery& delivery) {
    if (delivery.event.topic() == "b") box.mailbox.close();
  };
  box.push_all({"a", "b", "c", "d"});
  EXPECT_EQ(box.run(), (Names{"coming a b c d", "a", "b"}));
  EXPECT_EQ(box.sink.gone, (Names{"c", "d"}));
  EXPECT_EQ(box.sink.reasons,
            (std::vector<DropReason>{DropReason::unsubscribed, DropReason::unsubscribed}));
  EXPECT_EQ(box.sink.counted, 2U) << "of those that were made";
  EXPECT_TRUE(box.mailbox.idle());
}

TEST(MailboxAhead, DropsAWholeTakenRunWhenItIsClosedBeforeTheFirst) {
  Ahead box;
  box.push_all({"a", "b"});
  box.sink.on_coming = [&](std::span<const Delivery>) {
    box.mailbox.close();
    return true;
  };
  EXPECT_EQ(box.run(), Names{});
  EXPECT_EQ(box.sink.gone, (Names{"a", "b"}));
}

TEST(MailboxAhead, GivesBackTheRestOfATakenRunThatHasToWaitForOneOfIt) {
  Ahead box;
  bool fail = true;
  box.on_deliver = [&](Delivery& delivery) {
    box.sink.then = Then::next;
    if (delivery.event.topic() != "b" || !std::exchange(fail, false)) return;
    box.mailbox.wait_again();
    box.sink.then = Then::hold;
  };
  box.push_all({"a", "b", "c", "d"});
  EXPECT_EQ(box.run(), (Names{"coming a b c d", "a", "b"}));
  EXPECT_EQ(box.mailbox.waiting(), 2U);
  ASSERT_TRUE(box.mailbox.push_again(named("b"), nullptr, nullptr));
  EXPECT_EQ(box.run(), (Names{"b", "coming c d", "c", "d"})) << "it is tried again alone";
}

TEST(MailboxAhead, TellsEachStripeOfItsOwn) {
  Ahead box({.concurrency = 3, .order_by = OrderBy::key});
  std::size_t pushed = 0;
  for (int i = 0; i < 60; ++i) {
    const std::string key(1, static_cast<char>('a' + i % 6));
    EXPECT_EQ(box.push(key + std::to_string(i), Priority::normal, key), Pushed::accepted);
    ++pushed;
  }
  bool mixed = false;
  box.sink.on_coming = [&](std::span<const Delivery> deliveries) {
    box.told += deliveries.size();
    for (const Delivery& one : deliveries)
      mixed = mixed || one.event.key() != std::string_view(one.event.topic()).substr(0, 1);
    return true;
  };
  box.executor->run();
  EXPECT_EQ(box.told, pushed);
  EXPECT_FALSE(mixed);
  EXPECT_EQ(box.sink.delivered.size(), pushed);
}

// -- Given up without a deadline ------------------------------------------------------------------

/// A mailbox on a pool, and a handler that hangs on topics named so.
struct Hanging {
  explicit Hanging(const MailboxOptions& options = {}, std::size_t threads = 1)
      : pool(threads), mailbox(sink, options, &pool, nullptr) {
    sink.executor = &pool;
    sink.on_call = [this](Delivery& delivery, CallSlot& call) {
      if (delivery.event.topic() != "hang") return;
      const std::stop_token stop = call.stop_source().get_token();
      ++inside;
      while (!released) std::this_thread::yield();
      if (stop.stop_requested()) ++stopped;
    };
  }
  ~Hanging() {
    released = true;
    EXPECT_TRUE(eventually([&] { return sink.back == static_cast<int>(sink.late.size()); }));
    mailbox.close();
    pool.shut_down();
    EXPECT_TRUE(eventually([&] { return sink.references == 0; }));
  }
  void push(std::string_view topic, std::string_view key = {}) {
    EXPECT_EQ(mailbox.push(named(topic, Priority::normal, key), nullptr, MayWait::no),
              Pushed::accepted);
  }
  [[nodiscard]] bool holds(int calls) const {
    return eventually([&] { return inside == calls; });
  }
  [[nodiscard]] bool done() const {
    return mailbox.wait_idle(Mailbox::Idle::empty, SteadyTime::max());
  }

  std::atomic<bool> released{false};
  std::atomic<int> inside{0};
  std::atomic<int> stopped{0};
  WorkerPool pool;
  RecordingSink sink;
  Mailbox mailbox;
};

TEST(MailboxGiveUpCalls, SettlesTheCallThatHangsAndTheNextOnesGoOn) {
  Hanging box;
  for (const char* topic : {"hang", "a", "b"}) box.push(topic);
  ASSERT_TRUE(box.holds(1));
  box.mailbox.give_up_calls();
  EXPECT_EQ(box.sink.late, Names{"hang"});
  ASSERT_TRUE(box.done());
  EXPECT_EQ(box.sink.seen(), (Names{"hang", "a", "b"}));
  EXPECT_EQ(box.sink.counted, 3U);
  EXPECT_EQ(box.sink.back, 0);
  box.released = true;
  EXPECT_TRUE(eventually([&] { return box.sink.back == 1; }));
  EXPECT_EQ(box.stopped, 1) << "its token had been signalled";
  EXPECT_EQ(box.sink.counted, 3U) << "it is nobody's any more";
}

TEST(MailboxGiveUpCalls, GivesUpEachOfThemOnce) {
  Hanging box({.concurrency = 3}, 3);
  for (int i = 0; i < 3; ++i) box.push("hang");
  ASSERT_TRUE(box.holds(3));
  EXPECT_EQ(box.mailbox.on_threads(), 3U);
  box.mailbox.give_up_calls();
  EXPECT_EQ(box.sink.late.size(), 3U);
  box.mailbox.give_up_calls();
  EXPECT_EQ(box.sink.late.size(), 3U);
  ASSERT_TRUE(box.done());
  EXPECT_EQ(box.mailbox.on_threads(), 0U);
}

TEST(MailboxGiveUpCalls, GivesUpTheCallsOfAllStripes) {
  Hanging box({.concurrency = 2, .order_by = OrderBy::key}, 2);
  // Of some keys one takes the one stripe and another the other.
  for (const char* key : {"a", "b", "c", "d", "e", "f", "g", "h"}) box.push("hang", key);
  ASSERT_TRUE(box.holds(2));
  box.mailbox.give_up_calls();
  EXPECT_EQ(box.sink.late.size(), 2U);
  ASSERT_TRUE(box.holds(4)) << "both go on with the next";
  box.mailbox.close();
  box.mailbox.give_up_calls();
  EXPECT_EQ(box.sink.late.size(), 4U);
  EXPECT_TRUE(box.done());
  EXPECT_EQ(box.sink.gone.size(), 4U);
}

TEST(MailboxGiveUpCalls, DoesNothingWhereNoneRuns) {
  Hanging box;
  box.mailbox.give_up_calls();
  box.push("a");
  ASSERT_TRUE(box.done());
  box.mailbox.give_up_calls();
  EXPECT_EQ(box.sink.late, Names{});
  box.push("b");
  ASSERT_TRUE(box.done());
  EXPECT_EQ(box.sink.seen(), (Names{"a", "b"}));
}

TEST(MailboxGiveUpCalls, DropsWhatWaitsBehindACallThatHangsInAClosedMailbox) {
  Hanging box;
  for (const char* topic : {"hang", "a", "b"}) box.push(topic);
  ASSERT_TRUE(box.holds(1));
  box.mailbox.close();
  box.mailbox.give_up_calls();
  EXPECT_TRUE(box.done());
  EXPECT_EQ(box.sink.late, Names{"hang"});
  EXPECT_EQ(box.sink.gone, (Names{"a", "b"}));
  EXPECT_EQ(box.sink.seen(), Names{"hang"});
}

TEST(MailboxGiveUpCalls, TellsTheRestOfATakenRunAgain) {
  Hanging box;
  Names told;
  box.mailbox.look_ahead();
  box.sink.on_coming = [&](std::span<const Delivery> deliveries) {
    std::string line;
    for (const Delivery& one : deliveries) line.append(one.event.topic()).append(" ");
    told.push_back(line);
    return true;
  };
  box.mailbox.pause();
  for (const char* topic : {"hang", "a", "b"}) box.push(topic);
  box.mailbox.resume();
  ASSERT_TRUE(box.holds(1));
  box.mailbox.give_up_calls();
  ASSERT_TRUE(box.done());
  EXPECT_EQ(told, (Names{"hang a b ", "a b "}));
  EXPECT_EQ(box.sink.seen(), (Names{"hang", "a", "b"}));
}

TEST(MailboxGiveUpCalls, MeetsCallsThatReturnAtThatVeryTime) {
  RecordingSink sink;
  WorkerPool pool(2);
  sink.executor = &pool;
  constexpr std::size_t kEvents = 2000;
  Mailbox mailbox(sink, {.capacity = kEvents, .concurrency = 2}, &pool, nullptr);
  std::atomic<bool> over{false};
  std::thread keeper([&] {
    while (!over) {
      mailbox.give_up_calls();
      std::this_thread::yield();
    }
  });
  for (std::size_t i = 0; i < kEvents; ++i)
    EXPECT_EQ(mailbox.push(named("e"), nullptr, MayWait::no), Pushed::accepted);
  EXPECT_TRUE(mailbox.wait_idle(Mailbox::Idle::empty, SteadyTime::max()));
  over = true;
  keeper.join();
  EXPECT_EQ(sink.seen().size(), kEvents);
  EXPECT_EQ(sink.counted, kEvents) << "each is settled once, by the one or the other";
  mailbox.close();
  pool.shut_down();
  EXPECT_TRUE(eventually([&] { return sink.references == 0; }));
  EXPECT_EQ(static_cast<std::size_t>(sink.back), sink.late.size());
}

}  // namespace
}  // namespace busway::delivery_detail
