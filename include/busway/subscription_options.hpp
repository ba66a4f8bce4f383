// busway/subscription_options.hpp -- everything a subscription can be told.
// Layer: delivery
//
// Model      Designated initialisers: bus.subscribe("order.*", on_order, {.mode = Mode::async,
//            .priority = 10}). Unset options take the bus's defaults.
// Threads    A plain struct.
// Ownership  Owns its strings and functions; shares its executor.
// Errors     Checked by subscribe(): Error(invalid_option) names the field, the value and the
//            range. Opening a durable name throws what its store throws: durable_mismatch,
//            store_unavailable.
// Cost       Options beyond priority and mode make the delivery take a longer path; unset ones cost
//            nothing.
// Example    examples/02_patterns_and_priorities
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "busway/event.hpp"
#include "busway/executor.hpp"
#include "busway/limits.hpp"
#include "busway/on_change.hpp"
#include "busway/replay.hpp"
#include "busway/retry_policy.hpp"

namespace busway {

/// sync: on the publisher's thread, before publish returns. async: through a mailbox, on an
/// executor.
enum class Mode : unsigned char { sync, async };

/// What happens to an event whose mailbox is full.
enum class Overflow : unsigned char { reject, block, drop_oldest, drop_newest };

/// none: publisher order at concurrency 1. key: per event key at any concurrency.
enum class OrderBy : unsigned char { none, key };

struct SubscriptionOptions {
  /// For people: logs, stats, results. Default: the durable name, else the first pattern is shown.
  std::string name{};
  std::string owner{};                   ///< component or plugin; unsubscribe_all(owner)
  std::optional<Mode> mode{};            ///< default BusOptions::mode; of coroutines async
  int priority = 0;                      ///< higher first; ties in subscription order
  std::shared_ptr<Executor> executor{};  ///< async only; default the bus's
  std::function<bool(const Event&)> filter{};
  std::size_t queue_capacity = 0;      ///< async only: events; 0: BusOptions::queue_capacity
  std::optional<Overflow> overflow{};  ///< async only; default BusOptions::overflow
  /// Of Overflow::block, else without a meaning; 0: does not wait.
  std::chrono::nanoseconds block_timeout = std::chrono::seconds(1);
  std::size_t concurrency = 1;       ///< async only: calls at the same time
  OrderBy order_by = OrderBy::none;  ///< async only
  /// Of one attempt. Default: 30 s for async subscriptions, none for synchronous ones;
  /// nanoseconds::max(): none. At the deadline the publisher or the mailbox goes on, and the
  /// handler is left behind on its thread until it returns, so it must own what it touches. A
  /// synchronous handler with a timeout runs on a worker of the bus while the publisher waits.
  std::optional<std::chrono::nanoseconds> timeout{};
  /// Default: BusOptions::retry for async subscriptions, no retry for synchronous ones.
  std::optional<RetryPolicy> retry{};
  std::optional<BreakerPolicy> breaker{};
  std::optional<std::chrono::nanoseconds>
      dedupe{};  ///< an id seen within this window is not delivered again
  /// A name under which the store remembers what is not settled, across restarts and instances: the
  /// events come from there, each is acknowledged after the handler, failures wait there. Several
  /// instances of one name share the work; with order_by key or strict retries one is active.
  std::string durable{};
  /// Durable only: what opening the name with other patterns or order does.
  OnChange on_change = OnChange::refuse;
  /// Durable only: how long events fetched by this instance stay its own when it dies.
  std::chrono::nanoseconds lease = limits::kLeaseDefault;
  Replay replay{};    ///< async only; of a durable name its start, used when it is made
  bool once = false;  ///< exactly one event, then unsubscribed
};

}  // namespace busway
