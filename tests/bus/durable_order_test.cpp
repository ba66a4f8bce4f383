// Durable subscriptions with strict order: nothing is handled before an earlier event that waits.
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <utility>
#include <vector>

#include "durable_fixture.hpp"

namespace busway {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_P(Durable, StrictRetriesHoldBackWhatFollows) {
  Pumped pumped(options());
  Names seen;
  int failures = 2;
  RetryPolicy strict = retries(5);
  strict.order = RetryOrder::strict;
  const Subscription work = pumped.bus.subscribe("job.*",
                                                 [&](const Event& event) {
                                                   if (event.topic() == "job.b" && failures-- > 0)
                                                     throw std::runtime_error("not now");
                                                   seen.emplace_back(event.topic());
                                                 },
                                                 {.retry = strict, .durable = "work"});
  for (const char* topic : {"job.a", "job.b", "job.c"}) (void)pumped.bus.publish(topic);
  (void)pumped.bus.poll();
  EXPECT_EQ(seen, Names{"job.a"});
  pass(pumped, seconds(4));
  EXPECT_EQ(seen, (Names{"job.a", "job.b", "job.c"}));
}

/// Nothing is handled before an earlier event that waits, not after the deadline of a stop either.
TEST_P(Durable, StrictOrderHoldsWhenAStopIsOverdue) {
  store->close();
  const std::shared_ptr<Store> real = open(nullptr);
  BusOptions with = quiet();
  with.opened_store = real;
  RetryPolicy strict = retries(5);
  strict.order = RetryOrder::strict;
  Gate in_first;
  Gate go;
  std::mutex mutex;
  Names handled;
  Bus bus(with);
  const Subscription made = bus.subscribe("job.*",
                                          [&](const Event& event) {
                                            if (event.topic() == "job.a") {
                                              in_first.open();
                                              (void)go.wait();
                                              throw std::runtime_error("not now");
                                            }
                                            const std::lock_guard lock(mutex);
                                            handled.emplace_back(event.topic());
                                          },
                                          {.retry = strict, .durable = "work"});
  (void)bus.publish_batch(std::vector<Event>{Event("job.a"), Event("job.b"), Event("job.c")});
  ASSERT_TRUE(in_first.wait());
  EXPECT_FALSE(bus.stop(milliseconds(1)).ok());
  go.open();
  EXPECT_TRUE(eventually([&] { return real->durables().front().leased == 0; }));
  const std::lock_guard lock(mutex);
  EXPECT_EQ(handled, Names{}) << "job.a waits";
}

/// The same when the earlier one waits for its next attempt by then.
TEST_P(Durable, StrictOrderHoldsWhenAStopEndsTheWaitOfARetry) {
  Pumped pumped(options());
  RetryPolicy strict = retries(5);
  strict.order = RetryOrder::strict;
  Names handled;
  const Subscription made = pumped.bus.subscribe("job.*",
                                                 [&](const Event& event) {
                                                   handled.emplace_back(event.topic());
                                                   throw std::runtime_error("not now");
                                                 },
                                                 {.retry = strict, .durable = "work"});
  (void)pumped.bus.publish_batch(std::vector<Event>{Event("job.a"), Event("job.b")});
  (void)pumped.bus.poll();
  EXPECT_EQ(handled, Names{"job.a"});
  EXPECT_FALSE(pumped.bus.stop(milliseconds(1)).ok());
  (void)pumped.bus.poll();
  EXPECT_EQ(handled, Names{"job.a"}) << "it waits";
  EXPECT_EQ(info("work").leased, 0U);
}

/// A clock that jumps when it has been asked so many times.
class JumpingClock final : public Clock {
 public:
  [[nodiscard]] WallTime wall() const noexcept override { return still_.wall() + offset(); }
  [[nodiscard]] SteadyTime steady() const noexcept override {
    if (left_ > 0 && --left_ == 0) offset_ += step_;
    return still_.steady() + offset();
  }
  [[nodiscard]] bool is_manual() const noexcept override { return true; }
  [[nodiscard]] Watch watch(std::function<void()> moved) override {
    return still_.watch(std::move(moved));
  }
  void jump_after(int looks, seconds step) {
    left_ = looks;
    step_ = step;
  }
  void advance(std::chrono::nanoseconds step) { still_.advance(step); }

 private:
  [[nodiscard]] seconds offset() const { return offset_; }
  testing::ManualClock still_;
  mutable int left_ = 0;
  mutable seconds offset_{};
  seconds step_{};
};

/// An open breaker gives an event back; when it lets the next one through, whenever that is, the
/// one behind it must not be that.
TEST(DurableInMemory, StrictOrderHoldsWhenItsBreakerRefusesAnEvent) {
  for (int looks = 1; looks < 40; ++looks) {
    const auto clock = std::make_shared<JumpingClock>();
    BusOptions with;
    with.clock = clock;
    Pumped pumped(with);
    RetryPolicy strict = retries(50);
    strict.order = RetryOrder::strict;
    Names handled;
    bool broken = true;
    const Subscription made =
        pumped.bus.subscribe("job.*",
                             [&](const Event& event) {
                               if (broken) throw std::runtime_error("not now");
                               handled.emplace_back(event.topic());
                             },
                             {.retry = strict,
                              .breaker = BreakerPolicy{.failures = 1, .open_for = seconds(5)},
                              .durable = "work"});
    for (const char* topic : {"job.a", "job.b", "job.c"}) (void)pumped.bus.publish(topic);
    (void)pumped.bus.poll();
    broken = false;
    // The retry is due in a second, when the breaker is open still.
    for (int i = 0; i < 2'000 && handled.size() < 3; ++i) {
      if (i == 99) clock->jump_after(looks, seconds(10));
      clock->advance(milliseconds(10));
      (void)pumped.bus.poll();
    }
    EXPECT_EQ(handled, (Names{"job.a", "job.b", "job.c"})) << "jumped at look " << looks;
  }
}

/// What it asks for counts, though its subscription ends meanwhile.
TEST_P(Durable, AStrictDeliveryThatWantsToBeADeadLetterIsOneThoughItsSubscriptionEnds) {
  Pumped pumped(options());
  RetryPolicy strict = retries(5);
  strict.order = RetryOrder::strict;
  Subscription made;
  made = pumped.bus.subscribe("job",
                              [&](const Event&) {
                                made.reset();
                                return Outcome::dead_letter("useless");
                              },
                              {.retry = strict, .durable = "work"});
  (void)pumped.bus.publish("job");
  (void)pumped.bus.poll();
  EXPECT_EQ(info("work").dead_letters, 1U);
  EXPECT_EQ(info("work").retrying, 0U);
}

}  // namespace
}  // namespace busway
