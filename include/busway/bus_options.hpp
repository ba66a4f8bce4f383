// busway/bus_options.hpp -- everything a Bus can be told when it is made.
// Layer: bus
//
// Model      Bus bus({.instance_id = "node-1", .history = 1000}).
// Threads    A plain struct.
// Ownership  Owns its strings and functions; shares clock and executor.
// Errors     Checked by the constructor of Bus: Error(invalid_option) names the field, the value
//            and the range; Error(not_yet) a store whose component the program does not link.
//            Whatever opening the store throws: store_unavailable, store_format, io_error.
// Cost       None.
// Example    docs/configuration.md
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "busway/clock.hpp"
#include "busway/executor.hpp"
#include "busway/limits.hpp"
#include "busway/log.hpp"
#include "busway/pattern.hpp"
#include "busway/store_provider.hpp"
#include "busway/subscription_options.hpp"

namespace busway {

struct BusOptions {
  bool enabled = true;        ///< false: each publish is refused with code disabled
  std::string instance_id{};  ///< default: the host's name
  /// memory, or an address: sqlite:PATH. A kept event is durable, as that store promises, when
  /// publish returns.
  std::string store = "memory";
  std::shared_ptr<Store> opened_store{};  ///< one that is open already, in place of `store`
  StoreOptions store_options{};           ///< clock, log and instance_id: those of the bus if unset
  /// Patterns of the topics whose events are kept; the rest stays in this process. Unset: all, with
  /// a store that lasts; in memory those that a durable subscription listens to.
  std::optional<std::vector<std::string>> keep{};
  Mode mode = Mode::sync;        ///< of subscriptions that do not say
  std::size_t worker_count = 0;  ///< 0: the cores, at least 2
  std::size_t queue_capacity = limits::kQueueDefault;
  Overflow overflow = Overflow::reject;
  RetryPolicy retry{};                            ///< of asynchronous subscriptions that do not say
  std::size_t history = limits::kHistoryDefault;  ///< events; 0 keeps none
  std::size_t dead_letters = limits::kDeadLettersDefault;  ///< kept at most; the oldest falls out
  std::size_t status_events = 0;  ///< whose status bus.event_status() tells; event_status.hpp
  std::uint16_t max_hops = limits::kHopsDefault;
  std::size_t max_payload = limits::kPayloadBytesDefault;  ///< bytes
  Wildcards wildcards = Wildcards::glob;
  bool trace = false;  ///< true: an event that belongs to no trace begins one
  /// Calls given up at their deadline that have not returned, at most, whose threads are replaced.
  std::size_t max_abandoned = limits::kAbandonedDefault;
  /// A synchronous handler that does not return for so long is reported and asked to stop; max:
  /// none is looked for.
  std::chrono::nanoseconds stuck_after = std::chrono::seconds(30);
  LogSink log{};                         ///< default: log_to_stderr
  std::shared_ptr<Clock> clock{};        ///< default: the system's
  std::shared_ptr<Executor> executor{};  ///< default: a pool of the bus's own
};

}  // namespace busway
