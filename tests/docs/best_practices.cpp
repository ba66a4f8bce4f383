// The snippets of docs/best_practices.md: compiled here, and run, to prove that the good ones do
// what the page says and the bad ones what it warns of. snippets_test.cpp compares the two.
#include <gtest/gtest.h>
#include <busway/manual_executor.hpp>
#include <busway/typed.hpp>

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

namespace {

using namespace std::chrono_literals;
using busway::Bus;
using busway::BusOptions;
using busway::Context;
using busway::Error;
using busway::ErrorCode;
using busway::Event;
using busway::EventId;
using busway::Json;
using busway::ManualExecutor;
using busway::Mode;
using busway::Overflow;
using busway::Pattern;
using busway::Priority;
using busway::PublishResult;
using busway::Stats;
using busway::Subscription;
using busway::SubscriptionInfo;

BusOptions quiet() {
  return {.log = [](busway::LogLevel, std::string_view, std::span<const busway::LogField>) {}};
}

BusOptions manual() {
  BusOptions options = quiet();
  options.executor = std::make_shared<ManualExecutor>();
  return options;
}

TEST(BestPractice, APatternSaysHowMuchItWants) {
  int orders = 0;
  {
    Bus bus;
    // begin: patterns_bad
    auto audit = bus.subscribe(".*", [&](const Event& event) {
      if (event.topic().starts_with("order.")) ++orders;
    });
    // end: patterns_bad
    EXPECT_EQ(bus.publish("chat.message").matched, 1U) << "called for what it does not want";
  }
  {
    Bus bus;
    // begin: patterns_good
    auto audit = bus.subscribe("order.*", [&](const Event&) { ++orders; });
    // end: patterns_good
    EXPECT_EQ(bus.publish("chat.message").matched, 0U);
    EXPECT_EQ(bus.publish("order.created").matched, 1U);
  }
  EXPECT_EQ(orders, 1);
}

TEST(BestPractice, TextFromOutsideIsNoPattern) {
  const std::string room = "*";
  int messages = 0;
  const auto show = [&](const Event&) { ++messages; };
  {
    Bus bus;
    // begin: pattern_from_outside_bad
    auto listener = bus.subscribe("room." + room, show);  // room is "*": all rooms
    // end: pattern_from_outside_bad
    bus.publish("room.secret");
    EXPECT_EQ(messages, 1);
  }
  Bus bus;
  try {
    // begin: pattern_from_outside_good
    auto listener = bus.subscribe(Pattern::exact("room." + room), show);  // refused
    // end: pattern_from_outside_good
    FAIL() << "the star was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_pattern);
  }
}

TEST(BestPractice, AHandlerThatMustBeFirstSaysSo) {
  std::vector<std::string> steps;
  const auto mail = [&](const Event&) { steps.emplace_back("mail"); };
  const auto check = [&](const Event&) { steps.emplace_back("check"); };
  {
    Bus bus;
    // begin: priorities_bad
    auto mailing = bus.subscribe("order.created", mail);
    auto checking = bus.subscribe("order.created", check);  // should run first
    // end: priorities_bad
    bus.publish("order.created");
    EXPECT_EQ(steps.front(), "mail");
  }
  steps.clear();
  {
    Bus bus;
    // begin: priorities_good
    auto mailing = bus.subscribe("order.created", mail);
    auto checking = bus.subscribe("order.created", check, {.priority = 100});
    // end: priorities_good
    bus.publish("order.created");
    EXPECT_EQ(steps.front(), "check");
  }
}

TEST(BestPractice, AnUrgentEventTakesTheHighLane) {
  Bus bus(manual());
  std::vector<std::string> done;
  auto worker =
      bus.subscribe("job.*", [&](const Event& event) { done.emplace_back(event.topic()); },
                    {.mode = Mode::async});
  bus.publish("job.report");
  // begin: event_priorities_bad
  bus.publish("job.alarm");  // waits behind a thousand reports
  // end: event_priorities_bad
  // begin: event_priorities_good
  bus.publish("job.fire", Json::object(), {.priority = Priority::high});
  // end: event_priorities_good
  bus.poll();
  EXPECT_EQ(done, (std::vector<std::string>{"job.fire", "job.report", "job.alarm"}));
}

TEST(BestPractice, WhatThePublisherNeedNotWaitForIsAsynchronous) {
  int mails = 0;
  const auto send_mail = [&](const Event&) { ++mails; };
  {
    Bus bus(manual());
    // begin: async_bad
    auto mailer =
        bus.subscribe("user.registered", send_mail);  // the sign-up waits for the mail server
    // end: async_bad
    bus.publish("user.registered");
    EXPECT_EQ(mails, 1) << "before publish returned";
  }
  {
    Bus bus(manual());
    // begin: async_good
    auto mailer = bus.subscribe("user.registered", send_mail, {.mode = Mode::async});
    // end: async_good
    EXPECT_EQ(bus.publish("user.registered").queued, 1U);
    EXPECT_EQ(mails, 1);
    bus.poll();
    EXPECT_EQ(mails, 2);
  }
}

TEST(BestPractice, AFailureIsLeftToTheBusAndTheResultIsRead) {
  const auto save = [](const Event&) { throw std::runtime_error("the disk is full"); };
  std::string alarm;
  {
    Bus bus;
    // begin: errors_bad
    auto saver = bus.subscribe("order.created", [&](const Event& event) {
      try {
        save(event);
      } catch (...) {  // nobody will ever know
      }
    });
    bus.publish("order.created");
    // end: errors_bad
    EXPECT_EQ(bus.stats().failed, 0U);
  }
  {
    Bus bus;
    // begin: errors_good
    auto saver = bus.subscribe("order.created", [&](const Event& event) { save(event); });
    const PublishResult result = bus.publish("order.created");
    if (!result.ok()) alarm = result.message();
    // end: errors_good
    EXPECT_NE(alarm.find("the disk is full"), std::string::npos);
    EXPECT_EQ(bus.stats().failed, 1U);
  }
}

// begin: clean_up_bad
class LeakyCart {
 public:
  explicit LeakyCart(Bus& bus) {
    bus.subscribe("cart.added", [this](const Event&) { ++items_; }).release();
  }

 private:
  int items_ = 0;  // the handler writes here after the cart is gone
};
// end: clean_up_bad

// begin: clean_up_good
class Cart {
 public:
  explicit Cart(Bus& bus)
      : added_(bus.subscribe("cart.added", [this](const Event&) { ++items_; })) {}

 private:
  int items_ = 0;
  Subscription added_;  // last: it ends before what its handler uses
};
// end: clean_up_good

TEST(BestPractice, ASubscriptionIsTheLastMember) {
  {
    Bus bus;
    { const LeakyCart cart(bus); }
    EXPECT_EQ(bus.subscriptions().size(), 1U) << "still there, with a pointer to nothing";
  }
  Bus bus;
  { const Cart cart(bus); }
  EXPECT_EQ(bus.subscriptions().size(), 0U);
}

TEST(BestPractice, ATopicNamesWhatHappenedAndToWhatKindOfThing) {
  const std::string id = "4711";
  Bus bus;
  // begin: names_bad
  bus.publish("created");              // of what?
  bus.publish("order.created." + id);  // a topic for each order
  // end: names_bad
  EXPECT_EQ(bus.stats().topics.size(), 2U);
  // begin: names_good
  bus.publish("order.created", Json{{"order", id}}, {.key = id});
  // end: names_good
  EXPECT_EQ(bus.history("order.created").front().key(), id);
}

TEST(BestPractice, AThreadOfAHandlerPublishesThroughTheContext) {
  Bus bus;
  EventId cause;
  std::vector<EventId> causes;
  auto result = bus.subscribe("scan.done",
                              [&](const Event& event) { causes.push_back(event.causation_id()); });
  // begin: context_bad
  auto careless = bus.subscribe("scan.started", [&](const Event&) {
    std::thread worker([&] { bus.publish("scan.done"); });  // an event without a cause
    worker.join();
  });
  // end: context_bad
  // begin: context_good
  auto careful = bus.subscribe("scan.started", [&](const Event&, Context& context) {
    std::thread worker([&] { context.publish("scan.done"); });
    worker.join();  // the context ends with the handler
  });
  // end: context_good
  cause = bus.publish("scan.started").id;
  EXPECT_EQ(causes, (std::vector<EventId>{EventId{}, cause}));
}

TEST(BestPractice, WhatIsKeptIsCopied) {
  Bus bus;
  // begin: keep_bad
  const Event* last = nullptr;
  auto careless = bus.subscribe("price.*", [&](const Event& event) { last = &event; });
  // end: keep_bad
  // begin: keep_good
  Event latest;
  auto careful = bus.subscribe("price.*", [&](const Event& event) { latest = event; });
  // end: keep_good
  bus.publish("price.changed", Json{{"cents", 250}});
  EXPECT_NE(last, nullptr);  // and points to what is gone
  EXPECT_EQ(latest.json().at("cents"), 250);
}

TEST(BestPractice, ASecretStaysOutOfEvents) {
  const std::string email = "ada@example.com";
  const std::string password = "correct horse";
  Bus bus;
  // begin: secrets_bad
  bus.publish("user.login", Json{{"email", email}, {"password", password}});
  // end: secrets_bad
  EXPECT_TRUE(bus.history("user.login").front().json().contains("password")) << "for all to read";
  // begin: secrets_good
  bus.publish("user.login", Json{{"email", email}}, {.user_id = "42"});
  // end: secrets_good
  EXPECT_FALSE(bus.history("user.login").front().json().contains("password"));
}

/// A mutex that can be asked.
class Mutex {
 public:
  void lock() { held_ = true; }
  void unlock() { held_ = false; }
  [[nodiscard]] bool held() const { return held_; }

 private:
  bool held_ = false;
};

TEST(BestPractice, NoLockIsHeldWhilePublishing) {
  Bus bus;
  Mutex mutex;
  int items = 0;
  std::vector<bool> held;
  auto listener =
      bus.subscribe("cart.changed", [&](const Event&) { held.push_back(mutex.held()); });
  {
    // begin: blocking_bad
    const std::lock_guard lock(mutex);
    ++items;
    bus.publish("cart.changed");  // a handler that takes the mutex never returns
    // end: blocking_bad
  }
  {
    // begin: blocking_good
    {
      const std::lock_guard lock(mutex);
      ++items;
    }
    bus.publish("cart.changed");
    // end: blocking_good
  }
  EXPECT_EQ(held, (std::vector<bool>{true, false}));
}

TEST(BestPractice, ASlowHandlerHasItsOwnQueueAndMayRunSeveralTimesAtOnce) {
  Bus bus(manual());
  const auto download = [](const Event&) {};
  // begin: slow_bad
  auto slow = bus.subscribe("link.posted", download, {.mode = Mode::async});  // one after the other
  // end: slow_bad
  // begin: slow_good
  auto fast = bus.subscribe("link.posted", download, {.mode = Mode::async, .concurrency = 4});
  // end: slow_good
  for (int i = 0; i < 8; ++i) bus.publish("link.posted");
  EXPECT_EQ(bus.poll(), 5U) << "one task for the first, four for the second";
}

TEST(BestPractice, TheSameEventTwiceDoesNoHarm) {
  int balance = 0;
  const Event paid("payment.received", busway::Payload::json({{"cents", 500}}),
                   {.id = EventId::parse("01932c07-209b-7e5a-8e2f-5b8f6d2f3a11")});
  {
    Bus bus;
    // begin: idempotence_bad
    auto account = bus.subscribe("payment.received", [&](const Json& payment) {
      balance += payment.at("cents").get<int>();  // a repeat counts twice
    });
    // end: idempotence_bad
    bus.publish(paid);
    bus.publish(paid);
    EXPECT_EQ(balance, 1000);
  }
  balance = 0;
  {
    Bus bus;
    // begin: idempotence_good
    std::unordered_set<EventId> booked;
    auto account = bus.subscribe("payment.received", [&](const Event& event) {
      if (!booked.insert(event.id()).second) return;
      balance += event.json().at("cents").get<int>();
    });
    // end: idempotence_good
    bus.publish(paid);
    bus.publish(paid);
    EXPECT_EQ(balance, 500);
  }
  balance = 0;
  {
    Bus bus;
    const auto book = [&](const Json& payment) { balance += payment.at("cents").get<int>(); };
    // begin: dedupe_good
    auto account = bus.subscribe("payment.received", book, {.dedupe = 10min});
    // end: dedupe_good
    bus.publish(paid);
    bus.publish(paid);
    EXPECT_EQ(balance, 500);
  }
}

TEST(BestPractice, WhatMustNotBeMissedHasAName) {
  int mails = 0;
  const auto send = [&](const Event&) { ++mails; };
  Bus bus(manual());
  const auto run = [&] {
    while (bus.poll() != 0) {
    }
  };
  {
    // begin: durable_bad
    auto mailer = bus.subscribe("order.made", send, {.mode = Mode::async});
    bus.publish("order.made");
    mailer.reset();  // or a crash: nobody will send that mail
    // end: durable_bad
    const auto next = bus.subscribe("order.made", send, {.mode = Mode::async});
    run();
    EXPECT_EQ(mails, 0);
  }
  {
    // begin: durable_good
    auto mailer = bus.subscribe("order.made", send, {.durable = "mailer"});
    bus.publish("order.made");
    mailer.reset();  // the next one of this name sends it
    // end: durable_good
    const auto next = bus.subscribe("order.made", send, {.durable = "mailer"});
    run();
    EXPECT_EQ(mails, 1);
  }
}

TEST(BestPractice, AnEventNamesALargeThingAndDoesNotCarryIt) {
  const std::string picture(std::size_t{2} << 20U, 'x');
  Bus bus(quiet());
  // begin: payload_bad
  const auto large = bus.publish("picture.added", busway::bytes(picture, "image/png"));
  // end: payload_bad
  EXPECT_EQ(large.code, ErrorCode::payload_too_large);
  // begin: payload_good
  const auto small = bus.publish("picture.added", Json{{"file", "pictures/17.png"}});
  // end: payload_good
  EXPECT_TRUE(small.ok());
}

TEST(BestPractice, AQueueHasASizeAndAPolicyThatFit) {
  Bus bus(manual());
  std::vector<int> shown;
  const auto show = [&](const Json& reading) { shown.push_back(reading.at("n").get<int>()); };
  {
    // begin: buffer_bad
    auto display =
        bus.subscribe("sensor.read", show, {.mode = Mode::async, .queue_capacity = 1'000'000});
    // end: buffer_bad
    for (int n = 0; n < 10; ++n) bus.publish("sensor.read", Json{{"n", n}});
    bus.poll();
    EXPECT_EQ(shown.size(), 10U) << "all the old readings first";
  }
  shown.clear();
  {
    // begin: buffer_good
    auto display = bus.subscribe(
        "sensor.read", show,
        {.mode = Mode::async, .queue_capacity = 1, .overflow = Overflow::drop_oldest});
    // end: buffer_good
    for (int n = 0; n < 10; ++n) bus.publish("sensor.read", Json{{"n", n}});
    bus.poll();
    EXPECT_EQ(shown, std::vector<int>{9});
  }
}

TEST(BestPractice, AHandlerDoesNotListenToWhatItPublishes) {
  int calls = 0;
  {
    Bus bus(quiet());
    // begin: loops_bad
    auto adjust = bus.subscribe("price.*", [&](const Event&) {
      ++calls;
      bus.publish("price.adjusted");  // is a price.* itself
    });
    // end: loops_bad
    bus.publish("price.changed");
    EXPECT_EQ(calls, 33) << "the first and max_hops more";
  }
  calls = 0;
  {
    Bus bus(quiet());
    // begin: loops_good
    auto adjust = bus.subscribe("price.changed", [&](const Event&) {
      ++calls;
      bus.publish("price.adjusted");
    });
    // end: loops_good
    bus.publish("price.changed");
    EXPECT_EQ(calls, 1);
  }
}

TEST(BestPractice, WhatIsWatchedIsWhatWentWrong) {
  Bus bus(manual());
  auto failing = bus.subscribe("order.*", [](const Event&) { throw std::runtime_error("no"); });
  auto waiting =
      bus.subscribe("order.*", [](const Event&) {}, {.mode = Mode::async, .queue_capacity = 2});
  bus.publish("order.created");
  bus.publish("order.created");
  std::vector<std::string> alarms;
  {
    // begin: watch_bad
    if (bus.stats().published == 0) alarms.emplace_back("the bus is idle");
    // end: watch_bad
  }
  EXPECT_TRUE(alarms.empty());
  {
    // begin: watch_good
    const Stats stats = bus.stats();
    if (stats.failed > 0) alarms.push_back(std::to_string(stats.failed) + " deliveries failed");
    if (stats.dropped > 0) alarms.push_back(std::to_string(stats.dropped) + " events dropped");
    for (const SubscriptionInfo& info : bus.subscriptions()) {
      const bool nearly_full = info.queued * 10 > info.queue_capacity * 9;
      if (nearly_full) alarms.push_back(info.patterns.front() + " falls behind");
    }
    // end: watch_good
  }
  EXPECT_EQ(alarms, (std::vector<std::string>{"2 deliveries failed", "order.* falls behind"}));
}

}  // namespace
