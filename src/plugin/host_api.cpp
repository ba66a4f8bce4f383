#include "plugin/host_api.hpp"

#include <new>
#include <string>
#include <string_view>
#include <utility>

#include "base/escape.hpp"
#include "bus/bus_core.hpp"
#include "busway/limits.hpp"
#include "plugin/abi_values.hpp"
#include "plugin/event_view.hpp"
#include "plugin/plugin_instance.hpp"
#include "plugin/status.hpp"

namespace busway::plugin_host_detail {
namespace {

/// Why the last call of this thread failed.
std::string& words() noexcept {
  thread_local std::string text;
  return text;
}

busway_status refuse(busway_status status, std::string_view why) noexcept {
  try {
    words() = why;
  } catch (...) {
    words().clear();
  }
  return status;
}

/// How many calls that may run handlers this thread is inside of.
thread_local int calls_of_plugins = 0;

struct CallScope {
  CallScope() { ++calls_of_plugins; }
  CallScope(const CallScope&) = delete;
  CallScope& operator=(const CallScope&) = delete;
  ~CallScope() { --calls_of_plugins; }
};

/// Runs f; an exception becomes a status.
template <class F>
busway_status guard(F&& f) noexcept {
  try {
    return f();
  } catch (const Error& error) {
    return refuse(to_status(error.code()), error.what());
  } catch (const std::bad_alloc&) {
    return refuse(BUSWAY_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& error) {
    return refuse(BUSWAY_INTERNAL, error.what());
  } catch (...) {
    return refuse(BUSWAY_INTERNAL, "unknown exception in the host");
  }
}

void require_not_negative(std::int64_t ns, const char* what) {
  if (ns >= 0) return;
  throw Error(ErrorCode::invalid_argument,
              std::string(what) + " is " + std::to_string(ns) + "; it takes 0 or more");
}

busway_view plugin_id(busway_host* host) { return to_view(PluginInstance::of(host).id()); }

busway_view last_message(busway_host* /*host*/) { return to_view(words()); }

void set_message(busway_host* host, busway_view message) {
  (void)guard([&] {
    PluginInstance::of(host).set_message(read_text(message, "message"));
    return BUSWAY_OK;
  });
}

busway_status subscribe(busway_host* host, const busway_view* patterns, std::size_t pattern_count,
                        const busway_subscribe_options* options, std::uint64_t tag,
                        std::uint64_t* out_id) {
  return guard([&] {
    if (pattern_count > limits::kPatternsPerSubscriptionMax ||
        (patterns == nullptr && pattern_count != 0)) {
      throw Error(ErrorCode::invalid_argument,
                  "a subscription takes 1 to " +
                      std::to_string(limits::kPatternsPerSubscriptionMax) + " patterns, not " +
                      std::to_string(pattern_count));
    }
    const CallScope inside;  // a denial is told
    PluginInstance& plugin = PluginInstance::of(host);
    Wanted wanted;
    for (std::size_t i = 0; i < pattern_count; ++i) {
      wanted.patterns.emplace_back(read_text(patterns[i], "pattern"));
    }
    busway_subscribe_options read =
        options == nullptr ? busway_subscribe_options{} : read_struct(options, "options");
    fill_mailbox(read, plugin.rules());
    wanted.options = read_subscription_options(read);
    wanted.tag = tag;
    wanted.signature = signature_of(wanted.patterns, read);
    const std::uint64_t id = plugin.subscribe(std::move(wanted));
    if (out_id != nullptr) *out_id = id;
    return BUSWAY_OK;
  });
}

busway_status unsubscribe(busway_host* host, std::uint64_t id) {
  return guard([&] {
    PluginInstance::of(host).unsubscribe(id);
    return BUSWAY_OK;
  });
}

/// The options of a message with what only the host may say.
EventOptions stamp(PluginInstance& plugin, const busway_message& message) {
  EventOptions options = read_event_options(message);
  options.source = plugin.id();
  options.origin = Origin::plugin;
  return options;
}

/// The payload of a message, held for the length of a call into the bus.
class Block {
 public:
  explicit Block(const busway_message& message)
      : block_(read_payload(message.payload_kind, message.payload, message.content_type).take()) {}
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  ~Block() {
    if (block_ != nullptr) detail::release(block_);
  }
  [[nodiscard]] detail::Draft draft(const EventOptions& options) const noexcept {
    return {.type = nullptr, .object = nullptr, .block = block_, .options = &options};
  }

 private:
  detail::PayloadBlock* block_;
};

busway_status publish(busway_host* host, const busway_message* given, busway_publish_result* out) {
  return guard([&] {
    PluginInstance& plugin = PluginInstance::of(host);
    const busway_message message = read_struct(given, "message");
    const CallScope inside;
    const std::string_view topic = read_text(message.topic, "topic");
    plugin.require_may_publish(topic);
    const EventOptions options = stamp(plugin, message);
    const Block payload(message);
    const PublishResult result = plugin.core().publish(topic, payload.draft(options));
    if (out != nullptr) {
      busway_publish_result answer{};
      answer.worst = result.failures.empty() ? BUSWAY_OK : to_status(result.failures.front().code);
      write_id(result.id, answer.id);
      answer.matched = result.matched;
      answer.delivered = result.delivered;
      answer.queued = result.queued;
      answer.failed = result.failures.size();
      write_struct(out, answer);
    }
    if (result.code == ErrorCode::ok) return busway_status{BUSWAY_OK};
    return refuse(to_status(result.code), result.message());
  });
}

busway_status request(busway_host* host, const busway_message* given, std::int64_t timeout_ns,
                      busway_on_reply on_reply, void* user) {
  return guard([&]() -> busway_status {
    constexpr std::chrono::seconds kDefault(30);
    if (on_reply == nullptr) {
      throw Error(ErrorCode::invalid_argument, "on_reply is null; a request needs it");
    }
    require_not_negative(timeout_ns, "timeout_ns");
    PluginInstance& plugin = PluginInstance::of(host);
    const busway_message message = read_struct(given, "message");
    const std::chrono::nanoseconds timeout =
        timeout_ns == 0 ? std::chrono::nanoseconds(kDefault) : std::chrono::nanoseconds(timeout_ns);
    const std::stop_token stop = plugin.request_stop();
    const RequestResult result = [&] {
      const CallScope inside;
      const std::string_view topic = read_text(message.topic, "topic");
      plugin.require_may_publish(topic);
      if (stop.stop_requested()) {
        throw Error(ErrorCode::stopped, "the plugin " + plugin.id() +
                                            " is stopped, or its host waits for it; it makes no "
                                            "requests now");
      }
      const PluginInstance::RequestScope waits(plugin);
      const EventOptions options = stamp(plugin, message);
      const Block payload(message);
      return plugin.core().request(topic, payload.draft(options), timeout, stop);
    }();
    if (!result.ok()) return refuse(to_status(result.code()), result.message());
    const EventView view(result.reply());
    on_reply(user, &view.raw());
    return BUSWAY_OK;
  });
}

busway_status reply(busway_host* host, std::uint64_t delivery_id, std::uint32_t payload_kind,
                    busway_view payload, busway_view content_type) {
  return guard([&] {
    const bool taken = PluginInstance::of(host).reply(
        delivery_id, read_payload(payload_kind, payload, content_type));
    return taken ? busway_status{BUSWAY_OK}
                 : refuse(BUSWAY_NOT_FOUND, "nobody waits for this reply");
  });
}

busway_status set_retry_delay(busway_host* host, std::uint64_t delivery_id, std::int64_t delay_ns) {
  return guard([&] {
    require_not_negative(delay_ns, "delay_ns");
    PluginInstance::of(host).set_retry_delay(delivery_id, std::chrono::nanoseconds(delay_ns));
    return BUSWAY_OK;
  });
}

std::uint32_t stop_requested(busway_host* host, std::uint64_t delivery_id) {
  std::uint32_t answer = 0;
  (void)guard([&] {
    answer = PluginInstance::of(host).stop_requested(delivery_id) ? 1 : 0;
    return BUSWAY_OK;
  });
  return answer;
}

busway_status schedule(busway_host* host, std::int64_t delay_ns, std::uint64_t tag,
                       std::uint64_t* out_id) {
  return guard([&] {
    require_not_negative(delay_ns, "delay_ns");
    const std::uint64_t id =
        PluginInstance::of(host).schedule(std::chrono::nanoseconds(delay_ns), tag);
    if (out_id != nullptr) *out_id = id;
    return BUSWAY_OK;
  });
}

busway_status cancel_timer(busway_host* host, std::uint64_t id) {
  return guard([&] {
    if (PluginInstance::of(host).worker().cancel(id)) return busway_status{BUSWAY_OK};
    return refuse(BUSWAY_NOT_FOUND, "there is no timer " + std::to_string(id) +
                                        ": it has run, was cancelled or never was");
  });
}

void log(busway_host* host, std::uint32_t level, busway_view message) {
  (void)guard([&] {
    constexpr std::size_t kMessageBytesMax = 4096;
    const std::string text = escape(read_text(message, "message"), kMessageBytesMax);
    const auto known = level > BUSWAY_LOG_ERROR ? LogLevel::error : static_cast<LogLevel>(level);
    PluginInstance::of(host).log(known, text);
    return BUSWAY_OK;
  });
}

void report_error(busway_host* host, busway_view message) {
  (void)guard([&] {
    constexpr std::size_t kMessageBytesMax = 1000;
    const CallScope inside;
    PluginInstance::of(host).report_error(escape(read_text(message, "message"), kMessageBytesMax));
    return BUSWAY_OK;
  });
}

busway_status set_source_state(busway_host* host, std::uint32_t state) {
  return guard([&] {
    if (state > BUSWAY_SOURCE_ENDED) {
      throw Error(ErrorCode::invalid_argument,
                  "a source state is 0 to 2, not " + std::to_string(state));
    }
    PluginInstance::of(host).set_source(static_cast<PluginSource>(state));
    return BUSWAY_OK;
  });
}

busway_status write_state(busway_host* host, busway_view bytes) {
  return guard([&] {
    PluginInstance::of(host).write_state(read_text(bytes, "bytes"));
    return BUSWAY_OK;
  });
}

constexpr busway_host_api make_table() noexcept {
  busway_host_api table{};
  table.size = sizeof table;
  table.abi = BUSWAY_ABI;
  table.plugin_id = &plugin_id;
  table.last_message = &last_message;
  table.set_message = &set_message;
  table.subscribe = &subscribe;
  table.unsubscribe = &unsubscribe;
  table.publish = &publish;
  table.request = &request;
  table.reply = &reply;
  table.set_retry_delay = &set_retry_delay;
  table.stop_requested = &stop_requested;
  table.schedule = &schedule;
  table.cancel_timer = &cancel_timer;
  table.log = &log;
  table.report_error = &report_error;
  table.set_source_state = &set_source_state;
  table.write_state = &write_state;
  return table;
}

constexpr busway_host_api kHostApi = make_table();

}  // namespace

const busway_host_api& host_api() noexcept { return kHostApi; }

bool inside_call_of_plugin() noexcept { return calls_of_plugins != 0; }

}  // namespace busway::plugin_host_detail
