#include "delivery/retry_schedule.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "busway/limits.hpp"
#include "delivery/later.hpp"

namespace busway::delivery_detail {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr SteadyTime kStart{hours(1)};
constexpr std::uint64_t kMaxRandom = std::numeric_limits<std::uint64_t>::max();

FailedAttempt after_retries(unsigned retries_made, nanoseconds since_start = {}) {
  return {.retries_made = retries_made, .first_began = kStart, .now = kStart + since_start};
}

NextAttempt again(nanoseconds delay) { return {.verdict = RetryVerdict::again, .delay = delay}; }
NextAttempt no(RetryVerdict why) { return {.verdict = why}; }

TEST(RetrySchedule, GrowsTheDelayByTheFactorUpToMaxDelay) {
  const RetryPolicy policy{.max_retries = 10};
  const std::vector<int> expected{1, 2, 4, 8, 16, 30, 30, 30, 30, 30};
  for (unsigned i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(next_attempt(policy, after_retries(i), 0), again(seconds(expected[i]))) << i;
  }
}

TEST(RetrySchedule, StaysAtInitialDelayWithTheFactorOne) {
  const RetryPolicy policy{
      .max_retries = 5, .initial_delay = milliseconds(7), .backoff_factor = 1.0};
  for (unsigned i = 0; i < 5; ++i) {
    EXPECT_EQ(next_attempt(policy, after_retries(i), kMaxRandom), again(milliseconds(7)));
  }
}

TEST(RetrySchedule, EndsAfterMaxRetries) {
  EXPECT_EQ(next_attempt({.max_retries = 3}, after_retries(2), 0).verdict, RetryVerdict::again);
  EXPECT_EQ(next_attempt({.max_retries = 3}, after_retries(3), 0),
            no(RetryVerdict::no_retries_left));
  EXPECT_EQ(next_attempt({.max_retries = 0}, after_retries(0), 0),
            no(RetryVerdict::no_retries_left));
  FailedAttempt asking = after_retries(3);
  asking.asked = milliseconds(1);
  EXPECT_EQ(next_attempt({.max_retries = 3}, asking, 0), no(RetryVerdict::no_retries_left));
}

TEST(RetrySchedule, TakesARandomShareOffTheDelay) {
  const RetryPolicy policy{.jitter = 0.5};
  EXPECT_EQ(next_attempt(policy, after_retries(0), 0), again(seconds(1)));
  EXPECT_EQ(next_attempt(policy, after_retries(0), std::uint64_t{1} << 63U),
            again(milliseconds(750)));
  const nanoseconds least = next_attempt(policy, after_retries(0), kMaxRandom).delay;
  EXPECT_GE(least, milliseconds(500));
  EXPECT_LT(least, milliseconds(500) + microseconds(1));
}

TEST(RetrySchedule, TakesTheShareOffMaxDelayToo) {
  const RetryPolicy policy{.max_retries = 100, .jitter = 0.5};
  EXPECT_EQ(next_attempt(policy, after_retries(50), std::uint64_t{1} << 63U),
            again(milliseconds(22'500)));
}

TEST(RetrySchedule, NeverMakesTheDelayNegative) {
  const RetryPolicy policy{
      .initial_delay = nanoseconds(1), .max_delay = nanoseconds::max(), .jitter = 1.0};
  EXPECT_GE(next_attempt(policy, after_retries(0), kMaxRandom).delay, nanoseconds::zero());
  EXPECT_GE(next_attempt(policy, after_retries(2), kMaxRandom).delay, nanoseconds::zero());
}

TEST(RetrySchedule, HoldsWithHugeValues) {
  const unsigned many = std::numeric_limits<unsigned>::max();
  for (const double jitter : {0.0, 1.0}) {
    for (const std::uint64_t random : {std::uint64_t{0}, kMaxRandom}) {
      const RetryPolicy policy{.max_retries = many,
                               .initial_delay = nanoseconds::max(),
                               .max_delay = nanoseconds::max(),
                               .backoff_factor = std::numeric_limits<double>::max(),
                               .jitter = jitter,
                               .total = nanoseconds::max()};
      for (const unsigned made : {0U, 1U, many - 1}) {
        const NextAttempt next = next_attempt(policy, after_retries(made), random);
        EXPECT_EQ(next.verdict, RetryVerdict::again);
        EXPECT_GE(next.delay, nanoseconds::zero());
      }
    }
  }
}

TEST(RetrySchedule, MakesNoAttemptThatCouldOnlyBeginAfterTheTotal) {
  const RetryPolicy policy{.total = seconds(10)};
  EXPECT_EQ(next_attempt(policy, after_retries(0, seconds(9) - nanoseconds(1)), 0),
            again(seconds(1)));
  EXPECT_EQ(next_attempt(policy, after_retries(0, seconds(9)), 0), no(RetryVerdict::total_used_up))
      << "it would have no time";
  EXPECT_EQ(next_attempt(policy, after_retries(2, seconds(7)), 0), no(RetryVerdict::total_used_up));
  EXPECT_EQ(next_attempt(policy, after_retries(0, hours(1)), 0), no(RetryVerdict::total_used_up));
}

TEST(RetrySchedule, TellsWhenTheTotalEnds) {
  EXPECT_EQ(total_ends({.total = seconds(10)}, kStart), kStart + seconds(10));
  EXPECT_EQ(total_ends({.total = nanoseconds::max()}, kStart), SteadyTime::max());
  EXPECT_EQ(total_ends({}, kStart), SteadyTime::max());
}

TEST(RetrySchedule, LetsTheHandlerChooseTheDelayWithoutJitterOrMaxDelay) {
  const RetryPolicy policy{.jitter = 1.0};
  FailedAttempt asking = after_retries(1);
  asking.asked = hours(2);
  EXPECT_EQ(next_attempt(policy, asking, kMaxRandom), again(hours(2)));
  asking.asked = nanoseconds(0);
  EXPECT_EQ(next_attempt(policy, asking, kMaxRandom), again(nanoseconds(0)));
}

TEST(RetrySchedule, CutsWhatTheHandlerAsksForToWhatIsPossible) {
  FailedAttempt asking = after_retries(0);
  asking.asked = nanoseconds::min();
  EXPECT_EQ(next_attempt({}, asking, 0), again(nanoseconds(0)));
  asking.asked = nanoseconds::max();
  EXPECT_EQ(next_attempt({}, asking, 0), again(limits::kRetryDelayMax));
  EXPECT_EQ(next_attempt({.total = seconds(1)}, asking, 0), no(RetryVerdict::total_used_up));
}

TEST(RetrySchedule, AsksRetryIfWithTheCodeOfTheFailure) {
  const RetryPolicy policy{.retry_if = [](ErrorCode code) { return code == ErrorCode::timed_out; }};
  FailedAttempt failed = after_retries(0);
  failed.code = ErrorCode::timed_out;
  EXPECT_EQ(next_attempt(policy, failed, 0), again(seconds(1)));
  failed.code = ErrorCode::payload_type;
  EXPECT_EQ(next_attempt(policy, failed, 0), no(RetryVerdict::not_worth_it));
}

TEST(RetrySchedule, DoesNotAskRetryIfOfAHandlerThatWantsToBeRetriedOrWhenNoRetryIsLeft) {
  int asked = 0;
  const RetryPolicy policy{.retry_if = [&](ErrorCode) {
    ++asked;
    return false;
  }};
  FailedAttempt asking = after_retries(0);
  asking.asked = milliseconds(1);
  EXPECT_EQ(next_attempt(policy, asking, 0), again(milliseconds(1)));
  EXPECT_EQ(next_attempt(policy, after_retries(3), 0), no(RetryVerdict::no_retries_left));
  EXPECT_EQ(asked, 0);
}

TEST(RetrySchedule, TakesARetryIfThatThrowsForANo) {
  const RetryPolicy policy{
      .retry_if = [](ErrorCode) -> bool { throw std::runtime_error("undecided"); }};
  EXPECT_EQ(next_attempt(policy, after_retries(0), 0), no(RetryVerdict::not_worth_it));
}

TEST(Later, IsTheEndOfTimeWhenItWouldPassIt) {
  EXPECT_EQ(later(kStart, seconds(1)), kStart + seconds(1));
  EXPECT_EQ(later(kStart, nanoseconds::max()), SteadyTime::max());
  EXPECT_EQ(later(SteadyTime::max(), nanoseconds(1)), SteadyTime::max());
  EXPECT_EQ(later(SteadyTime{}, nanoseconds::max()), SteadyTime::max());
  EXPECT_EQ(later(SteadyTime::min(), nanoseconds::max()), SteadyTime::min() + nanoseconds::max());
  EXPECT_EQ(later(kStart, nanoseconds(-1)), kStart);
}

/// What check_retry says of it; empty: it is accepted.
std::string complaint(const RetryPolicy& policy, Mode mode = Mode::async) {
  try {
    check_retry(policy, mode);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_option);
    return error.what();
  }
  return {};
}

std::string complaint(const BreakerPolicy& policy) {
  try {
    check_breaker(policy);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_option);
    return error.what();
  }
  return {};
}

TEST(RetryCheck, AcceptsTheDefaultsAndTheEndsOfEachRange) {
  EXPECT_EQ(complaint(RetryPolicy{}), "");
  EXPECT_EQ(complaint(BreakerPolicy{}), "");
  EXPECT_EQ(complaint(RetryPolicy{.max_retries = 0,
                                  .initial_delay = nanoseconds(1),
                                  .max_delay = nanoseconds(1),
                                  .backoff_factor = 1.0,
                                  .jitter = 0.0,
                                  .total = nanoseconds(1)}),
            "");
  EXPECT_EQ(complaint(RetryPolicy{.max_retries = limits::kRetriesMax,
                                  .initial_delay = limits::kRetryDelayMax,
                                  .max_delay = limits::kRetryDelayMax,
                                  .backoff_factor = limits::kBackoffFactorMax,
                                  .jitter = 1.0,
                                  .total = limits::kRetryTotalMax}),
            "");
  EXPECT_EQ(complaint(BreakerPolicy{.failures = 1, .open_for = nanoseconds(1)}), "");
  EXPECT_EQ(complaint(BreakerPolicy{.failures = limits::kBreakerFailuresMax,
                                    .open_for = limits::kBreakerOpenMax}),
            "");
}

TEST(RetryCheck, NamesTheFieldTheValueAndWhatWouldBeRight) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  struct Case {
    RetryPolicy policy;
    const char* message;
  };
  const std::vector<Case> cases{
      {{.max_retries = 100'001}, "subscribe: retry.max_retries is 100001; it is 0 to 100000"},
      {{.max_retries = static_cast<unsigned>(-1)},
       "subscribe: retry.max_retries is 4294967295; it is 0 to 100000"},
      {{.initial_delay = seconds(0)},
       "subscribe: retry.initial_delay is 0ms; it is longer than 0 and at most 604800s"},
      {{.initial_delay = milliseconds(-5)},
       "subscribe: retry.initial_delay is -5ms; it is longer than 0 and at most 604800s"},
      {{.initial_delay = nanoseconds(-7)},
       "subscribe: retry.initial_delay is -7ns; it is longer than 0 and at most 604800s"},
      {{.initial_delay = hours(169), .max_delay = hours(169)},
       "subscribe: retry.initial_delay is 608400s; it is longer than 0 and at most "
       "604800s"},
      {{.max_delay = seconds(0)},
       "subscribe: retry.max_delay is 0ms; it is longer than 0 and at most 604800s"},
      {{.max_delay = nanoseconds::min()},
       "subscribe: retry.max_delay is -9223372036854775808ns; it is longer than 0 and at most "
       "604800s"},
      {{.max_delay = milliseconds(5)},
       "subscribe: retry.max_delay is 5ms; it is at least initial_delay (1s)"},
      {{.max_delay = microseconds(1500)},
       "subscribe: retry.max_delay is 1500us; it is at least initial_delay (1s)"},
      {{.max_delay = limits::kRetryDelayMax + nanoseconds(1)},
       "subscribe: retry.max_delay is 604800000000001ns; it is longer than 0 and at most "
       "604800s"},
      {{.backoff_factor = 0.0}, "subscribe: retry.backoff_factor is 0; it is 1 to 100"},
      {{.backoff_factor = -2.0}, "subscribe: retry.backoff_factor is -2; it is 1 to 100"},
      {{.backoff_factor = 0.5}, "subscribe: retry.backoff_factor is 0.500000; it is 1 to 100"},
      {{.backoff_factor = kNan}, "subscribe: retry.backoff_factor is nan; it is 1 to 100"},
      {{.backoff_factor = kInfinity}, "subscribe: retry.backoff_factor is inf; it is 1 to 100"},
      {{.backoff_factor = 101}, "subscribe: retry.backoff_factor is 101; it is 1 to 100"},
      {{.jitter = -0.5}, "subscribe: retry.jitter is -0.500000; it is 0 to 1"},
      {{.jitter = 2.0}, "subscribe: retry.jitter is 2; it is 0 to 1"},
      {{.jitter = kNan}, "subscribe: retry.jitter is nan; it is 0 to 1"},
      {{.total = seconds(0)},
       "subscribe: retry.total is 0ms; it is longer than 0 and at most 2592000s"},
      {{.total = milliseconds(-1)},
       "subscribe: retry.total is -1ms; it is longer than 0 and at most 2592000s"},
      {{.total = hours(721)},
       "subscribe: retry.total is 2595600s; it is longer than 0 and at most 2592000s"},
  };
  for (const Case& one : cases) EXPECT_EQ(complaint(one.policy), one.message);
}

TEST(RetryCheck, WantsATotalOfASynchronousSubscriptionThatRetries) {
  EXPECT_EQ(complaint(RetryPolicy{}, Mode::sync),
            "subscribe: retry.total is unset; it is needed in mode sync: the publisher waits for "
            "all attempts, and total bounds them");
  EXPECT_EQ(complaint(RetryPolicy{.total = seconds(5)}, Mode::sync), "");
  EXPECT_EQ(complaint(RetryPolicy{.max_retries = 0}, Mode::sync), "");
}

TEST(BreakerCheck, NamesTheFieldTheValueAndWhatWouldBeRight) {
  EXPECT_EQ(complaint(BreakerPolicy{.failures = 0}),
            "subscribe: breaker.failures is 0; it is 1 to 1000000");
  EXPECT_EQ(complaint(BreakerPolicy{.failures = 1'000'001}),
            "subscribe: breaker.failures is 1000001; it is 1 to 1000000");
  EXPECT_EQ(complaint(BreakerPolicy{.open_for = seconds(0)}),
            "subscribe: breaker.open_for is 0ms; it is longer than 0 and at most 604800s");
  EXPECT_EQ(complaint(BreakerPolicy{.open_for = seconds(-1)}),
            "subscribe: breaker.open_for is -1s; it is longer than 0 and at most 604800s");
  EXPECT_EQ(complaint(BreakerPolicy{.open_for = nanoseconds::max()}),
            "subscribe: breaker.open_for is 9223372036854775807ns; it is longer than 0 and at most "
            "604800s");
}

}  // namespace
}  // namespace busway::delivery_detail
