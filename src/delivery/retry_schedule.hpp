// delivery/retry_schedule.hpp -- whether and when a failed delivery is tried again.
//
// Model      A function of the policy, what happened and a random word: no clock, no state. Reasons
//            against a retry are looked for in the order of RetryVerdict, so retry_if is asked only
//            where its answer counts.
// Threads    [any-thread]; retry_if runs on the caller's thread: hold no lock.
// Errors     next_attempt(): none, also for huge values. check_retry(), check_breaker():
//            Error(invalid_option) names the field, the value and the range.
// Cost       One power; no allocation.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "busway/error.hpp"
#include "busway/retry_policy.hpp"
#include "busway/subscription_options.hpp"
#include "busway/wall_time.hpp"

namespace busway::delivery_detail {

enum class RetryVerdict : unsigned char { again, no_retries_left, not_worth_it, total_used_up };

/// An attempt that did not succeed.
struct FailedAttempt {
  ErrorCode code = ErrorCode::handler_failed;
  unsigned retries_made = 0;  // the failed attempt included, if it was one
  SteadyTime first_began{};   // the first attempt
  SteadyTime now{};
  std::optional<std::chrono::nanoseconds> asked{};  // the handler's Outcome::retry(after)
};

struct NextAttempt {
  RetryVerdict verdict = RetryVerdict::again;
  std::chrono::nanoseconds delay{};  // from `now`; 0 unless `again`

  friend bool operator==(const NextAttempt&, const NextAttempt&) = default;
};

[[nodiscard]] NextAttempt next_attempt(const RetryPolicy& policy, const FailedAttempt& failed,
                                       std::uint64_t random) noexcept;

/// When `total` is over: no attempt begins then or later, and none with a timeout runs longer. The
/// end of time when the policy sets none.
[[nodiscard]] SteadyTime total_ends(const RetryPolicy& policy, SteadyTime first_began) noexcept;

/// where, fields: who was told, and what stands before the name of a field, for the message.
void check_retry(const RetryPolicy& policy, Mode mode, std::string_view where = "subscribe",
                 std::string_view fields = "retry.");
void check_breaker(const BreakerPolicy& policy);

}  // namespace busway::delivery_detail
