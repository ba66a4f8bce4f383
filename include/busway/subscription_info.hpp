// busway/subscription_info.hpp -- a subscription as an operator sees it.
// Layer: bus
//
// Model      A snapshot: identity, patterns, options, state, counters, how long its handler takes.
// Threads    A value.
// Ownership  Owns its texts.
// Errors     None.
// Cost       Made by walking all subscriptions under the bus's lock.
// Example    examples/08_owned_by_a_program
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "busway/publish_result.hpp"
#include "busway/subscription_options.hpp"

namespace busway {

/// Final outcomes of deliveries: matched = delivered + failed + timed_out + dropped + dead_lettered
/// + in_flight.
struct DeliveryCounters {
  std::uint64_t matched = 0;
  std::uint64_t delivered = 0;
  std::uint64_t failed = 0;
  std::uint64_t retried = 0;
  std::uint64_t timed_out = 0;
  std::uint64_t dropped = 0;
  std::uint64_t dead_lettered = 0;
  std::uint64_t in_flight = 0;
};

/// Handler times in nanoseconds, from one call in 256, the first one included.
struct LatencyQuantiles {
  std::uint64_t samples = 0;
  std::uint64_t p50_ns = 0;
  std::uint64_t p90_ns = 0;
  std::uint64_t p99_ns = 0;
  std::uint64_t max_ns = 0;
};

/// none: the subscription has no breaker.
enum class BreakerState : unsigned char { none, closed, open, half_open };
[[nodiscard]] std::string_view to_string(BreakerState state) noexcept;

struct SubscriptionInfo {
  SubscriptionId id = 0;
  std::vector<std::string> patterns;
  std::string name;
  std::string owner;
  int priority = 0;
  Mode mode = Mode::sync;
  enum class State : unsigned char { active, paused, replaying, ended } state = State::active;
  std::string durable;         ///< its name at the store; empty: it is not durable
  std::uint64_t filtered = 0;  ///< durable only: events settled because its filter rejected them
  std::size_t queued = 0;
  std::size_t queue_capacity = 0;
  std::size_t retries_waiting = 0;
  BreakerState breaker = BreakerState::none;
  std::uint64_t breaker_opened = 0;   ///< how often it has opened
  std::uint64_t breaker_refused = 0;  ///< calls that were not made because it was open
  std::size_t abandoned = 0;          ///< calls given up at their deadline that have not returned
  DeliveryCounters counters;
  LatencyQuantiles latency;
};

[[nodiscard]] std::string_view to_string(SubscriptionInfo::State state) noexcept;
[[nodiscard]] std::string_view to_string(Mode mode) noexcept;

}  // namespace busway
