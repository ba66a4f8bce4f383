// busway/plugin_options.hpp -- what a plugin may say of a subscription or an event, and the
// answers.
// Layer: plugin
//
// Model      Plain structs for designated initialisers: {.mode = Mode::sync, .priority = 10}.
//            Within a class derived from Plugin the enums need no prefix. Unset members take the
//            host's default.
// Threads    Values.
// Ownership  Views are read during the call that takes the struct, not later.
// Errors     Checked by the host: PluginError with BUSWAY_INVALID_OPTION names the member.
// Cost       None by themselves.
// Example    tests/plugin/plugins/everything.cpp
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "busway/json.hpp"
#include "busway/plugin.h"
#include "busway/priority.hpp"

namespace busway {

/// The enums of Plugin; their words are those of SubscriptionOptions.
namespace plugin_words {

/// async: the event waits in a mailbox for the plugin's thread. sync: its publisher waits.
enum class Mode : std::uint32_t { host_default, sync, async };

/// What happens to an event whose mailbox is full.
enum class Overflow : std::uint32_t { host_default, reject, block, drop_oldest, drop_newest };

/// Which past events a subscription starts with.
struct Replay {
  std::uint32_t from = BUSWAY_REPLAY_NONE;
  std::uint64_t count = 0;
  std::uint64_t position = 0;
  std::chrono::sys_time<std::chrono::nanoseconds> time{};

  [[nodiscard]] static Replay last(std::uint64_t n) { return {BUSWAY_REPLAY_LAST, n, 0, {}}; }
  [[nodiscard]] static Replay sequence(std::uint64_t n) {
    return {BUSWAY_REPLAY_SEQUENCE, 0, n, {}};
  }
  [[nodiscard]] static Replay since(std::chrono::sys_time<std::chrono::nanoseconds> t) {
    return {BUSWAY_REPLAY_SINCE, 0, 0, t};
  }
  [[nodiscard]] static Replay beginning() { return {BUSWAY_REPLAY_BEGINNING, 0, 0, {}}; }
};

}  // namespace plugin_words

struct PluginRetry {
  unsigned max_retries = 3;  ///< after the first attempt
  std::chrono::nanoseconds initial_delay = std::chrono::seconds(1);
  std::chrono::nanoseconds max_delay = std::chrono::seconds(30);
  double backoff_factor = 2.0;
  std::chrono::nanoseconds total{0};  ///< of all attempts with their waits; 0: no bound
};

struct PluginSubscribeOptions {
  std::string_view name{};  ///< for people
  plugin_words::Mode mode = plugin_words::Mode::host_default;
  int priority = 0;                  ///< higher first
  std::uint64_t queue_capacity = 0;  ///< events; 0: the host's default
  plugin_words::Overflow overflow = plugin_words::Overflow::host_default;
  std::chrono::nanoseconds block_timeout{0};  ///< of Overflow::block; 0: the host's default, 1 s
  /// Of one attempt. 0: the host's default, 30 s; nanoseconds::max(): none.
  std::chrono::nanoseconds timeout{0};
  std::chrono::nanoseconds dedupe{0};  ///< 0: none
  std::optional<PluginRetry> retry{};
  /// A durable name of its own. Empty: the host gives one, where its store lasts and its rule
  /// `durable` says so.
  std::string_view durable{};
  plugin_words::Replay replay{};
  bool once = false;  ///< exactly one event, then unsubscribed
};

/// The fields of an event that a plugin may set; source and origin are the host's.
struct PluginPublishOptions {
  Priority priority = Priority::normal;
  std::string_view key{};   ///< events of one key keep their order
  Json metadata = nullptr;  ///< an object, or null
  std::string_view user_id{};
  std::string_view session_id{};
  std::string_view schema{};
  std::string_view entity{};
  std::string_view operation{};
  std::string_view correlation_id{};
  std::string_view traceparent{};
  std::uint16_t schema_version = 0;
};

/// What became of a published event.
struct PluginPublishResult {
  busway_status worst = BUSWAY_OK;  ///< why a delivery failed, when one has
  std::uint64_t matched = 0;
  std::uint64_t delivered = 0;
  std::uint64_t queued = 0;
  std::uint64_t failed = 0;

  [[nodiscard]] bool ok() const noexcept { return worst == BUSWAY_OK; }
};

/// The answer to a request, or why there is none.
struct PluginReply {
  busway_status status = BUSWAY_OK;  ///< BUSWAY_NO_RESPONDER, BUSWAY_TIMED_OUT, ...
  std::string message{};             ///< the host's words when not ok
  Json json = nullptr;               ///< the reply, when it was JSON
  std::string bytes{};               ///< the reply, when it was bytes

  [[nodiscard]] bool ok() const noexcept { return status == BUSWAY_OK; }
};

struct PluginHealth {
  enum class Level : std::uint32_t { ok, degraded, failing };
  Level level = Level::ok;
  std::string message{};

  [[nodiscard]] static PluginHealth ok() { return {}; }
  [[nodiscard]] static PluginHealth degraded(std::string why) {
    return {Level::degraded, std::move(why)};
  }
  [[nodiscard]] static PluginHealth failing(std::string why) {
    return {Level::failing, std::move(why)};
  }
};

}  // namespace busway
