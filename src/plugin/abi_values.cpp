#include "plugin/abi_values.hpp"

#include <chrono>
#include <limits>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "event/json_guard.hpp"

namespace busway::plugin_host_detail {
namespace {

[[noreturn]] void refuse(std::string_view option, std::uint64_t value, std::string_view right) {
  throw Error(ErrorCode::invalid_option, std::string(option) + " is " + std::to_string(value) +
                                             "; it takes " + std::string(right));
}

[[nodiscard]] std::chrono::nanoseconds read_duration(std::int64_t ns, std::string_view option) {
  if (ns < 0) {
    throw Error(ErrorCode::invalid_option,
                std::string(option) + " is " + std::to_string(ns) + "; it takes 0 or more");
  }
  return std::chrono::nanoseconds(ns);
}

[[nodiscard]] std::optional<Overflow> read_overflow(std::uint32_t overflow) {
  switch (overflow) {
    case BUSWAY_OVERFLOW_DEFAULT: return std::nullopt;
    case BUSWAY_OVERFLOW_REJECT: return Overflow::reject;
    case BUSWAY_OVERFLOW_BLOCK: return Overflow::block;
    case BUSWAY_OVERFLOW_DROP_OLDEST: return Overflow::drop_oldest;
    case BUSWAY_OVERFLOW_DROP_NEWEST: return Overflow::drop_newest;
    default: refuse("overflow", overflow, "a BUSWAY_OVERFLOW_ constant, 0 to 4");
  }
}

[[nodiscard]] Replay read_replay(const busway_subscribe_options& options) {
  switch (options.replay) {
    case BUSWAY_REPLAY_NONE: return {};
    case BUSWAY_REPLAY_LAST: return Replay::last(static_cast<std::size_t>(options.replay_count));
    case BUSWAY_REPLAY_SINCE:
      return Replay::since(WallTime(std::chrono::nanoseconds(options.replay_time_ns)));
    case BUSWAY_REPLAY_SEQUENCE: return Replay::sequence(options.replay_position);
    case BUSWAY_REPLAY_BEGINNING: return Replay::beginning();
    default: refuse("replay", options.replay, "a BUSWAY_REPLAY_ constant, 0 to 4");
  }
}

[[nodiscard]] RetryPolicy read_retry(const busway_subscribe_options& options) {
  RetryPolicy retry;
  retry.max_retries = options.retry_max;
  retry.initial_delay = read_duration(options.retry_initial_delay_ns, "retry_initial_delay_ns");
  retry.max_delay = read_duration(options.retry_max_delay_ns, "retry_max_delay_ns");
  retry.backoff_factor = options.retry_backoff_factor;
  if (options.retry_total_ns != 0)
    retry.total = read_duration(options.retry_total_ns, "retry_total_ns");
  return retry;
}

}  // namespace

std::string_view read_text(const busway_view& view, std::string_view what) {
  if (view.size == 0) return {};
  if (view.data == nullptr) {
    throw Error(ErrorCode::invalid_argument, std::string(what) + " is a null pointer of " +
                                                 std::to_string(view.size) + " bytes");
  }
  return {view.data, view.size};
}

Payload read_payload(std::uint32_t kind, const busway_view& payload,
                     const busway_view& content_type) {
  const std::string_view data = read_text(payload, "payload");
  switch (kind) {
    case BUSWAY_PAYLOAD_NONE: return {};
    case BUSWAY_PAYLOAD_JSON: return Payload::json_text(data);
    case BUSWAY_PAYLOAD_BYTES: {
      const std::string_view type = read_text(content_type, "content_type");
      return bytes(data, type.empty() ? "application/octet-stream" : type);
    }
    default:
      throw Error(ErrorCode::invalid_argument, "payload_kind is " + std::to_string(kind) +
                                                   "; it takes a BUSWAY_PAYLOAD_ constant, 0 to 2");
  }
}

EventOptions read_event_options(const busway_message& message) {
  EventOptions options;
  if (message.priority > BUSWAY_PRIORITY_HIGH) {
    refuse("priority", message.priority, "a BUSWAY_PRIORITY_ constant, 0 to 2");
  }
  if (message.schema_version > std::numeric_limits<std::uint16_t>::max()) {
    refuse("schema_version", message.schema_version, "0 to 65535");
  }
  options.priority = static_cast<Priority>(message.priority);
  options.schema_version = static_cast<std::uint16_t>(message.schema_version);
  options.key = read_text(message.key, "key");
  if (const auto metadata = read_text(message.metadata, "metadata"); !metadata.empty()) {
    options.metadata = Metadata::from_json(detail::parse_json(metadata));
  }
  if (const auto user = read_text(message.user_id, "user_id"); !user.empty()) {
    options.user_id = UserId(user);
  }
  options.session_id = read_text(message.session_id, "session_id");
  options.schema = read_text(message.schema, "schema");
  options.entity = read_text(message.entity, "entity");
  options.operation = read_text(message.operation, "operation");
  options.correlation_id = read_text(message.correlation_id, "correlation_id");
  options.traceparent = read_text(message.traceparent, "traceparent");
  return options;
}

SubscriptionOptions read_subscription_options(const busway_subscribe_options& options) {
  SubscriptionOptions out;
  switch (options.mode) {
    case BUSWAY_MODE_DEFAULT:
    case BUSWAY_MODE_ASYNC: out.mode = Mode::async; break;
    case BUSWAY_MODE_SYNC: out.mode = Mode::sync; break;
    default: refuse("mode", options.mode, "a BUSWAY_MODE_ constant, 0 to 2");
  }
  out.name = read_text(options.name, "name");
  out.durable = read_text(options.durable, "durable");
  out.priority = options.priority;
  out.overflow = read_overflow(options.overflow);
  out.queue_capacity = static_cast<std::size_t>(options.queue_capacity);
  if (options.block_timeout_ns != 0) {
    out.block_timeout = read_duration(options.block_timeout_ns, "block_timeout_ns");
  }
  if (options.timeout_ns != 0) out.timeout = read_duration(options.timeout_ns, "timeout_ns");
  if (options.dedupe_ns != 0) out.dedupe = read_duration(options.dedupe_ns, "dedupe_ns");
  if (options.once > 1) refuse("once", options.once, "0 or 1");
  out.once = options.once == 1;
  out.replay = read_replay(options);
  if (options.retry_set != 0) out.retry = read_retry(options);
  return out;
}

void fill_mailbox(busway_subscribe_options& options, const PluginRules& rules) noexcept {
  if (options.mode == BUSWAY_MODE_SYNC) return;  // it has none
  if (options.queue_capacity == 0 && rules.queue_capacity) {
    options.queue_capacity = *rules.queue_capacity;
  }
  const bool never_overflows = options.durable.size != 0;
  if (options.overflow != BUSWAY_OVERFLOW_DEFAULT || !rules.overflow || never_overflows) return;
  switch (*rules.overflow) {
    case Overflow::reject: options.overflow = BUSWAY_OVERFLOW_REJECT; break;
    case Overflow::block: options.overflow = BUSWAY_OVERFLOW_BLOCK; break;
    case Overflow::drop_oldest: options.overflow = BUSWAY_OVERFLOW_DROP_OLDEST; break;
    case Overflow::drop_newest: options.overflow = BUSWAY_OVERFLOW_DROP_NEWEST; break;
  }
}

std::string signature_of(const std::vector<std::string>& patterns,
                         const busway_subscribe_options& options) {
  std::string out;
  const auto add_text = [&](std::string_view text) {
    out.append(std::to_string(text.size())).append(1, ':').append(text);
  };
  const auto add = [&](auto number) { add_text(std::to_string(number)); };
  for (const std::string& pattern : patterns) add_text(pattern);
  out.append(1, ';');
  add(options.mode == BUSWAY_MODE_DEFAULT ? std::uint32_t{BUSWAY_MODE_ASYNC} : options.mode);
  add(options.priority);
  add(options.overflow);
  add(options.queue_capacity);
  add(options.block_timeout_ns);
  add(options.timeout_ns);
  add(options.dedupe_ns);
  add(options.once);
  add_text(read_text(options.name, "name"));
  add_text(read_text(options.durable, "durable"));
  if (options.retry_set == 0) return out;
  add(options.retry_max);
  add(options.retry_initial_delay_ns);
  add(options.retry_max_delay_ns);
  add(options.retry_backoff_factor);
  add(options.retry_total_ns);
  return out;
}

}  // namespace busway::plugin_host_detail
