// busway/retry_policy.hpp -- how often and when a failed delivery is tried again.
// Layer: delivery
//
// Model      max_retries counts after the first attempt. The wait before retry n is initial_delay *
//            backoff_factor^(n - 1), at most max_delay; jitter then takes off a random share of it:
//            with jitter 0.2 it is 80 to 100 % of that. A handler that returns
//            Outcome::retry(after) chooses the wait itself: neither max_delay, jitter nor retry_if
//            applies to it, max_retries and total do. An attempt that could only begin after
//            `total` is not made; where there is a timeout, none runs longer than what is left of
//            it, the first included.
// Threads    A plain struct. retry_if runs on the thread that made the attempt.
// Ownership  Owns retry_if.
// Errors     Checked by subscribe(): Error(invalid_option) names the field, the value and the range
//            (limits.hpp); a synchronous subscription that retries must set total. A retry_if that
//            throws counts as one that says no.
// Cost       None by itself.
// Example    examples/03_retry_dead_letter
#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include "busway/error.hpp"

namespace busway {

enum class RetryOrder : unsigned char { relaxed, strict };

struct RetryPolicy {
  unsigned max_retries = 3;
  std::chrono::nanoseconds initial_delay = std::chrono::seconds(1);
  std::chrono::nanoseconds max_delay = std::chrono::seconds(30);
  double backoff_factor = 2.0;                      ///< 1 or more; 1: the wait does not grow
  double jitter = 0.0;                              ///< 0 to 1: the random share of the wait
  std::optional<std::chrono::nanoseconds> total{};  ///< from the begin of the first attempt
  std::function<bool(ErrorCode)> retry_if{};        ///< whether a failure is worth a retry
  RetryOrder order = RetryOrder::relaxed;
};

struct BreakerPolicy {
  unsigned failures = 5;                                         ///< in a row, before it opens
  std::chrono::nanoseconds open_for = std::chrono::seconds(30);  ///< then one probe goes through
};

}  // namespace busway
