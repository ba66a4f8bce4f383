#include "delivery/retry_schedule.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>

#include "base/duration_words.hpp"
#include "busway/limits.hpp"
#include "delivery/later.hpp"

namespace busway::delivery_detail {
namespace {

using std::chrono::nanoseconds;

/// From 0 up to, but not 1: the 53 bits a double can hold.
double unit_of(std::uint64_t random) noexcept {
  return static_cast<double>(random >> 11U) * 0x1.0p-53;
}

/// Grown and capped; compared as doubles, so that what no integer can hold is capped too.
nanoseconds grown(const RetryPolicy& policy, unsigned retries_made) noexcept {
  const double wanted = static_cast<double>(policy.initial_delay.count()) *
                        std::pow(policy.backoff_factor, retries_made);
  if (!(wanted < static_cast<double>(policy.max_delay.count()))) return policy.max_delay;
  return nanoseconds(static_cast<nanoseconds::rep>(wanted));
}

/// jitter * u is less than 1 by as much as a double can tell, so the wait never becomes negative.
nanoseconds spread(nanoseconds delay, double jitter, std::uint64_t random) noexcept {
  if (jitter == 0.0) return delay;  // exact, also beyond the 53 bits
  const double taken = static_cast<double>(delay.count()) * jitter * unit_of(random);
  return delay - std::min(delay, nanoseconds(static_cast<nanoseconds::rep>(taken)));
}

bool is_worth_it(const RetryPolicy& policy, ErrorCode code) noexcept {
  if (!policy.retry_if) return true;
  try {
    return policy.retry_if(code);
  } catch (...) {
    return false;
  }
}

/// Names in its errors who was told.
class Checker {
 public:
  explicit Checker(std::string_view where) : where_(where) {}
  [[noreturn]] void bad_option(std::string_view field, const std::string& value,
                               const std::string& right) const {
    throw Error(ErrorCode::invalid_option,
                where_ + ": " + std::string(field) + " is " + value + "; it is " + right);
  }
  void check_duration(std::string_view field, nanoseconds value, nanoseconds max) const;

 private:
  std::string where_;
};

/// Whole numbers without a fraction, "nan" and "inf" as they are.
std::string text_of(double number) {
  if (std::abs(number) < 1e15 && number == std::trunc(number)) {
    return std::to_string(static_cast<std::int64_t>(number));
  }
  return std::to_string(number);
}

void Checker::check_duration(std::string_view field, nanoseconds value, nanoseconds max) const {
  if (value > nanoseconds::zero() && value <= max) return;
  bad_option(field, duration_words(value), "longer than 0 and at most " + duration_words(max));
}

/// False for NaN as well.
bool is_within(double value, double min, double max) { return value >= min && value <= max; }

}  // namespace

SteadyTime total_ends(const RetryPolicy& policy, SteadyTime first_began) noexcept {
  return policy.total ? later(first_began, *policy.total) : SteadyTime::max();
}

NextAttempt next_attempt(const RetryPolicy& policy, const FailedAttempt& failed,
                         std::uint64_t random) noexcept {
  if (failed.retries_made >= policy.max_retries) return {.verdict = RetryVerdict::no_retries_left};
  // A handler that asks for another attempt has judged its failure itself.
  if (!failed.asked && !is_worth_it(policy, failed.code)) {
    return {.verdict = RetryVerdict::not_worth_it};
  }
  // Its wait is not made shorter by jitter: it may be what the other side demands.
  const nanoseconds delay =
      failed.asked ? std::clamp(*failed.asked, nanoseconds::zero(), limits::kRetryDelayMax)
                   : spread(grown(policy, failed.retries_made), policy.jitter, random);
  const SteadyTime ends = total_ends(policy, failed.first_began);
  if (ends != SteadyTime::max() && later(failed.now, delay) >= ends) {
    return {.verdict = RetryVerdict::total_used_up};
  }
  return {.verdict = RetryVerdict::again, .delay = delay};
}

void check_retry(const RetryPolicy& policy, Mode mode, std::string_view where,
                 std::string_view fields) {
  const Checker check(where);
  const auto named = [&](std::string_view field) {
    return std::string(fields) + std::string(field);
  };
  if (policy.max_retries > limits::kRetriesMax) {
    check.bad_option(named("max_retries"), std::to_string(policy.max_retries),
                     "0 to " + std::to_string(limits::kRetriesMax));
  }
  check.check_duration(named("initial_delay"), policy.initial_delay, limits::kRetryDelayMax);
  check.check_duration(named("max_delay"), policy.max_delay, limits::kRetryDelayMax);
  if (policy.max_delay < policy.initial_delay) {
    check.bad_option(named("max_delay"), duration_words(policy.max_delay),
                     "at least initial_delay (" + duration_words(policy.initial_delay) + ")");
  }
  if (!is_within(policy.backoff_factor, 1.0, limits::kBackoffFactorMax)) {
    check.bad_option(named("backoff_factor"), text_of(policy.backoff_factor),
                     "1 to " + text_of(limits::kBackoffFactorMax));
  }
  if (!is_within(policy.jitter, 0.0, 1.0)) {
    check.bad_option(named("jitter"), text_of(policy.jitter), "0 to 1");
  }
  if (policy.total) check.check_duration(named("total"), *policy.total, limits::kRetryTotalMax);
  if (mode == Mode::sync && policy.max_retries > 0 && !policy.total) {
    check.bad_option(
        named("total"), "unset",
        "needed in mode sync: the publisher waits for all attempts, and total bounds them");
  }
}

void check_breaker(const BreakerPolicy& policy) {
  const Checker check("subscribe");
  if (policy.failures == 0 || policy.failures > limits::kBreakerFailuresMax) {
    check.bad_option("breaker.failures", std::to_string(policy.failures),
                     "1 to " + std::to_string(limits::kBreakerFailuresMax));
  }
  check.check_duration("breaker.open_for", policy.open_for, limits::kBreakerOpenMax);
}

}  // namespace busway::delivery_detail
