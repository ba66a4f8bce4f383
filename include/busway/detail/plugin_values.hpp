// busway/detail/plugin_values.hpp -- a plugin's options and events as the structs of plugin.h.
// Layer: plugin
//
// Model      Fills the structs of plugin.h; included by busway/plugin.hpp only.
// Threads    [any-thread]
// Ownership  The structs refer to what they were made from.
// Errors     What nlohmann-json throws for text that is not UTF-8.
// Cost       The text of the metadata.
// Example    tests/plugin/plugins/everything.cpp
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "busway/json.hpp"
#include "busway/plugin.h"
#include "busway/plugin_context.hpp"
#include "busway/plugin_event.hpp"
#include "busway/plugin_options.hpp"

namespace busway {

namespace plugin_detail {

[[nodiscard]] inline std::int64_t to_ns(std::chrono::nanoseconds d) noexcept { return d.count(); }

/// The message of the options; metadata holds the text that it points to.
[[nodiscard]] inline busway_message make_message(std::string_view topic, std::uint32_t kind,
                                                 std::string_view payload,
                                                 std::string_view content_type,
                                                 const PluginPublishOptions& options,
                                                 std::string& metadata) {
  if (!options.metadata.is_null()) metadata = options.metadata.dump();
  busway_message message{};
  message.size = sizeof message;
  message.payload_kind = kind;
  message.priority = static_cast<std::uint32_t>(options.priority);
  message.schema_version = options.schema_version;
  message.topic = view(topic);
  message.payload = view(payload);
  message.content_type = view(content_type);
  message.metadata = view(metadata);
  message.key = view(options.key);
  message.user_id = view(options.user_id);
  message.session_id = view(options.session_id);
  message.schema = view(options.schema);
  message.entity = view(options.entity);
  message.operation = view(options.operation);
  message.correlation_id = view(options.correlation_id);
  message.traceparent = view(options.traceparent);
  return message;
}

[[nodiscard]] inline busway_subscribe_options make_options(const PluginSubscribeOptions& options) {
  busway_subscribe_options out{};
  out.size = sizeof out;
  out.mode = static_cast<std::uint32_t>(options.mode);
  out.priority = options.priority;
  out.overflow = static_cast<std::uint32_t>(options.overflow);
  out.queue_capacity = options.queue_capacity;
  out.block_timeout_ns = to_ns(options.block_timeout);
  out.timeout_ns = to_ns(options.timeout);
  out.dedupe_ns = to_ns(options.dedupe);
  out.once = options.once ? 1 : 0;
  out.replay = options.replay.from;
  out.replay_count = options.replay.count;
  out.replay_position = options.replay.position;
  out.replay_time_ns = to_ns(options.replay.time.time_since_epoch());
  out.name = view(options.name);
  out.durable = view(options.durable);
  if (options.retry) {
    out.retry_set = 1;
    out.retry_max = options.retry->max_retries;
    out.retry_initial_delay_ns = to_ns(options.retry->initial_delay);
    out.retry_max_delay_ns = to_ns(options.retry->max_delay);
    out.retry_backoff_factor = options.retry->backoff_factor;
    out.retry_total_ns = to_ns(options.retry->total);
  }
  return out;
}

/// The words of the exception being handled.
[[nodiscard]] inline std::string current_exception_text() noexcept {
  try {
    throw;
  } catch (const std::exception& error) {
    try {
      return error.what();
    } catch (...) {
      return {};
    }
  } catch (...) {
    return "threw something that is no std::exception";
  }
}

inline void take_reply(void* user, const busway_event* event) noexcept {
  auto& reply = *static_cast<PluginReply*>(user);
  try {
    if (event->payload_kind == BUSWAY_PAYLOAD_JSON) reply.json = Json::parse(text(event->payload));
    if (event->payload_kind == BUSWAY_PAYLOAD_BYTES) reply.bytes = text(event->payload);
  } catch (...) {
    reply.status = BUSWAY_INVALID_JSON;
    reply.message = current_exception_text();
  }
}

}  // namespace plugin_detail

}  // namespace busway
