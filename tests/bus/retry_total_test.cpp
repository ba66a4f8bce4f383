// `total` bounds all attempts of a delivery with their waits: also how long the last one may run.
#include <atomic>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <thread>

#include "bus_fixture.hpp"
#include "still_bus.hpp"

namespace busway {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto kLong = std::chrono::minutes(1);

/// A handler that fails at once, and hangs in its second attempt until the test ends.
struct FailsThenHangs : OwnClock {
  explicit FailsThenHangs(Mode mode)
      : bus(quiet({.worker_count = 2, .clock = clock})),
        subscription(bus.subscribe("job",
                                   [this](const Event&, Context& context) {
                                     if (context.attempt() == 1) {
                                       failed = true;
                                       throw std::runtime_error("not yet");
                                     }
                                     deadline = context.deadline().value_or(SteadyTime::max());
                                     hangs = true;
                                     while (!open) std::this_thread::yield();
                                   },
                                   {.name = "slow",
                                    .mode = mode,
                                    .timeout = hours(3),
                                    .retry = RetryPolicy{.max_retries = 5,
                                                         .initial_delay = seconds(1),
                                                         .jitter = 0,
                                                         .total = hours(2)}})) {}
  ~FailsThenHangs() {
    open = true;
    EXPECT_TRUE(eventually([&] { return bus.stats().abandoned == 0; }));
  }

  const SteadyTime began = clock->steady();
  std::atomic<bool> open{false};
  std::atomic<bool> failed{false};
  std::atomic<bool> hangs{false};
  std::atomic<SteadyTime> deadline{SteadyTime{}};
  Bus bus;
  Subscription subscription;
};

TEST(RetryTotal, EndsTheLastAttemptOfAnAsynchronousDelivery) {
  FailsThenHangs job(Mode::async);
  const Receipt receipt = job.bus.publish_async("job");
  ASSERT_TRUE(
      eventually([&] { return info_of(job.bus, job.subscription.id()).retries_waiting == 1; }));
  job.clock->advance(seconds(1));
  ASSERT_TRUE(eventually([&] { return job.hangs.load(); }));
  EXPECT_EQ(job.deadline.load(), job.began + hours(2));
  job.clock->advance(hours(2) - seconds(1) - milliseconds(1));
  EXPECT_FALSE(receipt.wait_for(milliseconds(0)));
  job.clock->advance(milliseconds(1));
  ASSERT_TRUE(receipt.wait_for(kLong));
  EXPECT_EQ(receipt.outcomes().front().kind, DeliveryOutcome::Kind::dead_lettered);
  EXPECT_TRUE(mentions(receipt.outcomes().front().reason, "retry.total (7200s)"));
  const DeadLetter letter = job.bus.dead_letters().list().front();
  EXPECT_EQ(letter.last().code, ErrorCode::timed_out);
  EXPECT_EQ(letter.last().attempts, 2U);
}

TEST(RetryTotal, EndsTheLastAttemptOfASynchronousDelivery) {
  FailsThenHangs job(Mode::sync);
  PublishResult result;
  std::thread publisher([&] { result = job.bus.publish("job"); });
  EXPECT_TRUE(eventually([&] { return job.failed.load(); }));
  // Far less than the total, however slow the publisher is to begin its wait.
  EXPECT_TRUE(eventually([&] {
    job.clock->advance(milliseconds(1));
    return job.hangs.load();
  }));
  EXPECT_EQ(job.deadline.load(), job.began + hours(2));
  job.clock->advance(job.began + hours(2) - job.clock->steady());
  publisher.join();
  ASSERT_EQ(result.failures.size(), 1U);
  EXPECT_EQ(result.failures.front().code, ErrorCode::timed_out);
  EXPECT_TRUE(mentions(result.failures.front().reason, "retry.total (7200s)"));
}

TEST(RetryTotal, IsTheLongestTimeOfTheFirstAttempt) {
  Still still(quiet());
  std::optional<SteadyTime> deadline;
  const SteadyTime began = still.clock->steady();
  const Subscription one = still.bus.subscribe(
      "job", [&](const Event&, Context& context) { deadline = context.deadline(); },
      {.mode = Mode::async, .timeout = seconds(10), .retry = RetryPolicy{.total = seconds(5)}});
  (void)still.bus.publish("job");
  (void)still.bus.poll();
  EXPECT_EQ(deadline, began + seconds(5));
}

// A retry that was due in time, and came to its turn too late.
TEST(RetryTotal, NoAttemptBeginsAfterItThoughItWasDueBefore) {
  Still still(quiet());
  int calls = 0;
  const Subscription one = still.bus.subscribe(
      "job",
      [&](const Event&) {
        ++calls;
        throw std::runtime_error("not yet");
      },
      {.mode = Mode::async,
       .retry = RetryPolicy{
           .max_retries = 5, .initial_delay = seconds(1), .jitter = 0, .total = seconds(5)}});
  (void)still.bus.publish("job");
  (void)still.bus.poll();
  still.clock->advance(seconds(6));
  (void)still.bus.poll();
  EXPECT_EQ(calls, 1);
  ASSERT_EQ(still.bus.dead_letters().size(), 1U);
  const DeadLetter letter = still.bus.dead_letters().list().front();
  EXPECT_TRUE(mentions(letter.last().reason, "not yet (no retry: the total time is used up)"));
}

}  // namespace
}  // namespace busway
