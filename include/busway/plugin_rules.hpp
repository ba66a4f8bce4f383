// busway/plugin_rules.hpp -- how a plugin is run, and what it may do.
// Layer: config
//
// Model      Every rule may be left unset. What the host's own configuration (PluginSpec) leaves
//            unset the plugin's manifest may set, and what both leave unset is as said here.
// Threads    Plain structs.
// Ownership  Own their texts.
// Errors     Checked by PluginManager::load().
// Cost       None.
// Example    tests/plugin/plugin_rules_test.cpp
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "busway/subscription_options.hpp"

namespace busway {

/// How a running plugin may be replaced by a later build of it.
enum class PluginReload : unsigned char {
  overlap,     ///< the new one is made ready beside the old one
  stop_first,  ///< they must not be there at once: the old one stops before the new one is made
  none         ///< not at all
};

/// Where a plugin's code runs.
enum class PluginIsolation : unsigned char {
  none,    ///< in this process
  process  ///< in a child process of its own, which is started again when it ends
};
[[nodiscard]] std::string_view to_string(PluginIsolation isolation) noexcept;

/// How a plugin's subscriptions go on after a restart, where the bus has a store that lasts.
enum class PluginDurability : unsigned char {
  instance,  ///< what this host has not handled waits for it; each host hears all events
  shared,    ///< hosts share the events of asynchronous ones; synchronous ones as instance
  none       ///< not at all: what is published while the plugin is away passes it by
};

struct PluginRules {
  std::optional<PluginReload> reload{};        ///< unset: overlap
  std::optional<PluginIsolation> isolation{};  ///< unset: none

  /// How long one call into the plugin may take until it is reported (plugin.error), once a call.
  /// Unset: never.
  std::optional<std::chrono::nanoseconds> soft_deadline{};
  /// How long until the plugin counts as hung. In this process it is quarantined: its thread and
  /// its code stay, it gets no more events, and those that wait for it become dead letters. A child
  /// process is killed and started again. Unset: never, for a child twice the manager's
  /// call_timeout.
  std::optional<std::chrono::nanoseconds> hard_deadline{};

  /// Of the mailboxes of subscriptions that name none. Unset: the bus's defaults.
  std::optional<std::size_t> queue_capacity{};
  std::optional<Overflow> overflow{};

  /// The most that it may hand to its successor. Unset: limits::kPluginStateBytesMax.
  std::optional<std::size_t> state_bytes_max{};

  /// Of the subscriptions that it makes until it has started, but for those that name a durable
  /// name themselves, are for one event, or say with `replay` where they begin. Unset: instance.
  std::optional<PluginDurability> durable{};

  // Of a child process. No limit may be 0, for such a process could do nothing: what is to have no
  // limit is left unset.
  /// Within restarts_within; when it ends once more it is quarantined. 0: its first end is the
  /// last. Unset: 2, so the third is.
  std::optional<unsigned> restarts_max{};
  std::optional<std::chrono::nanoseconds> restarts_within{};    ///< unset: 5 minutes
  std::optional<std::chrono::nanoseconds> restart_delay{};      ///< of the second; unset: 10 ms
  std::optional<std::chrono::nanoseconds> restart_delay_max{};  ///< it doubles until; unset: 5 s
  /// Address space, at least 16 MiB; unset: no limit.
  std::optional<std::uint64_t> memory_bytes_max{};
  std::optional<unsigned> open_files_max{};            ///< at least 16; unset: as this process
  std::optional<std::chrono::seconds> cpu_time_max{};  ///< at least 1 s; unset: no limit

  /// The patterns of topics it may publish, and listen to. Unset: all; once given, no others.
  std::optional<std::vector<std::string>> may_publish{};
  std::optional<std::vector<std::string>> may_subscribe{};
};

/// What `first` leaves unset as `second` says.
[[nodiscard]] PluginRules merge(PluginRules first, const PluginRules& second);

}  // namespace busway
