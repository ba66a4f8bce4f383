// busway/retry_policy.hpp -- how often and when a failed delivery is tried again.
// Layer: delivery
//
// Model      max_retries counts after the first attempt; the delay grows by backoff_factor up to
//            max_delay, spread by jitter; total bounds all attempts and waits.
// Threads    A plain struct.
// Ownership  Owns retry_if.
// Errors     Checked by subscribe(): Error(invalid_option) names the field.
// Cost       None by itself.
// Example    docs/guarantees.md
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
  double backoff_factor = 2.0;
  double jitter = 0.0;  ///< 0 to 1: the share of the delay that is random
  std::optional<std::chrono::nanoseconds> total{};
  std::function<bool(ErrorCode)> retry_if{};
  RetryOrder order = RetryOrder::relaxed;
};

struct BreakerPolicy {
  unsigned failures = 5;  ///< in a row, before it opens
  std::chrono::nanoseconds open_for = std::chrono::seconds(30);
};

}  // namespace busway
