// What comes too late: a result after its deadline is discarded, whatever it says, and no attempt
// is made after the total.
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <stdexcept>

#include "bus_fixture.hpp"
#include "busway/coroutine.hpp"
#include "still_bus.hpp"

namespace busway {
namespace {

using std::chrono::milliseconds;

/// Retries twice, after a second each time.
SubscriptionOptions timed(Mode mode) {
  return {.mode = mode,
          .timeout = milliseconds(10),
          .retry = RetryPolicy{
              .max_retries = 2, .backoff_factor = 1.0, .total = std::chrono::minutes(1)}};
}

/// A handler whose first call returns at its deadline, with the answer given.
auto late_the_first_time(Still& still, int& calls, const Outcome& answer) {
  return [&still, &calls, answer](const Event&) {
    if (++calls > 1) return Outcome::done();
    still.clock->advance(milliseconds(10));
    return answer;
  };
}

TEST(LateResult, ThatGivesUpIsTriedAgainAsAnyLateCall) {
  Still still;
  int calls = 0;
  const Subscription late = still.bus.subscribe(
      "job", late_the_first_time(still, calls, Outcome::dead_letter("too late to say")),
      timed(Mode::async));
  (void)still.bus.publish("job");
  (void)still.bus.poll();
  EXPECT_EQ(still.bus.dead_letters().size(), 0U);
  still.pass(std::chrono::seconds(1));
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(still.bus.stats().delivered, 1U);
}

TEST(LateResult, ThatAsksForAnotherAttemptDoesNotChooseItsTime) {
  Still still;
  int calls = 0;
  const Subscription late =
      still.bus.subscribe("job", late_the_first_time(still, calls, Outcome::retry(milliseconds(0))),
                          timed(Mode::async));
  (void)still.bus.publish("job");
  (void)still.bus.poll();
  EXPECT_EQ(calls, 1) << "the policy says when, which is in a second";
  still.pass(std::chrono::seconds(1));
  EXPECT_EQ(calls, 2);
}

TEST(LateResult, OfASynchronousHandlerDoesNotChooseEither) {
  Still still;
  int calls = 0;
  const Subscription late = still.bus.subscribe(
      "job", late_the_first_time(still, calls, Outcome::retry(milliseconds(0))), timed(Mode::sync));
  const PublishResult result = still.bus.publish("job");
  EXPECT_EQ(calls, 1);
  ASSERT_EQ(result.failures.size(), 1U);
  EXPECT_EQ(result.failures.front().code, ErrorCode::timed_out);
}

TEST(LateAttempt, TheTotalCountsFromTheFirstAttemptAlsoWhereThatIsFoundOutLate) {
  Still still;
  int calls = 0;
  const Subscription stuck = still.bus.subscribe(
      "job",
      [&](const Event&) -> boost::asio::awaitable<void> {
        ++calls;
        boost::asio::steady_timer never(co_await boost::asio::this_coro::executor,
                                        std::chrono::steady_clock::time_point::max());
        co_await never.async_wait(boost::asio::use_awaitable);
      },
      {.timeout = milliseconds(10),
       .retry = RetryPolicy{.initial_delay = milliseconds(10), .total = milliseconds(30)}});
  (void)still.bus.publish("job");
  (void)still.bus.poll();
  still.clock->advance(milliseconds(25));  // nobody has looked at the deadline before
  (void)still.bus.poll();
  still.clock->advance(milliseconds(10));
  (void)still.bus.poll();
  EXPECT_EQ(calls, 1) << "another one could only begin after 35 ms of 30";
  EXPECT_EQ(still.bus.dead_letters().size(), 1U);
}

TEST(LateAttempt, ThatIsNotMadeLeavesTheProbeOfABreakerToTheNextCall) {
  Still still;
  int calls = 0;
  Subscription failing = still.bus.subscribe(
      "job",
      [&](const Event&) {
        if (++calls == 1) throw std::runtime_error("broken");
      },
      {.mode = Mode::async,
       .retry = RetryPolicy{.initial_delay = milliseconds(10), .total = milliseconds(30)},
       .breaker = BreakerPolicy{.failures = 1, .open_for = milliseconds(10)}});
  (void)still.bus.publish("job");
  (void)still.bus.poll();
  failing.pause();
  still.clock->advance(milliseconds(10));
  (void)still.bus.poll();  // the retry is due, and waits with the subscription
  still.clock->advance(milliseconds(30));
  failing.resume();
  (void)still.bus.poll();
  EXPECT_EQ(calls, 1) << "its time was over";
  (void)still.bus.publish("job");
  (void)still.bus.poll();
  EXPECT_EQ(calls, 2) << "the probe is still to be made";
  EXPECT_EQ(info_of(still.bus, failing.id()).breaker, BreakerState::closed);
}

}  // namespace
}  // namespace busway
