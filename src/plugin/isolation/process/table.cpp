#include "plugin/isolation/process/table.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>

#include "busway/error.hpp"
#include "plugin/abi_values.hpp"
#include "plugin/isolation/process/plugin_process.hpp"
#include "plugin/isolation/wire.hpp"

namespace busway::plugin_host_detail {

using wire::Kind;
using wire::Reader;
using wire::Writer;

namespace {

/// Which the table's functions are for: there is one in a process.
PluginProcess* process = nullptr;

busway_status refused(busway_status status, std::string_view why) {
  last_words() = why;
  return status;
}

template <class T>
void read_value(const Answer& answer, T& out) {
  if (answer.value.size() == sizeof out) std::memcpy(&out, answer.value.data(), sizeof out);
}

/// A frame of numbers and texts.
template <class... Parts>
std::string frame_of(Kind kind, const Parts&... parts) {
  std::string out;
  {
    Writer frame(out, kind);
    const auto put = [&frame](const auto& part) {
      if constexpr (std::is_same_v<std::decay_t<decltype(part)>, busway_view>) {
        frame.view(part);
      } else {
        frame.put(part);
      }
    };
    (put(parts), ...);
  }
  return out;
}

/// Runs f; an exception becomes a status.
template <class F>
busway_status guarded(F&& f) noexcept {
  try {
    return f();
  } catch (const std::bad_alloc&) {
    return BUSWAY_OUT_OF_MEMORY;
  } catch (const std::exception& error) {
    try {
      return refused(BUSWAY_INTERNAL, error.what());
    } catch (const std::exception&) {
      return BUSWAY_OUT_OF_MEMORY;
    }
  }
}

/// As the host reads structs: what the plugin filled, the rest zero.
template <class T, class Use>
busway_status with_struct(const T* given, std::string_view what, Use&& use) {
  try {
    return use(read_struct(given, what));
  } catch (const Error& error) {
    return refused(BUSWAY_INVALID_ARGUMENT, error.what());
  }
}

std::string message_frame(Kind kind, const auto& first, const busway_message& message) {
  std::string out;
  {
    Writer frame(out, kind);
    frame.put(first);
    wire::put_message(frame, message);
  }
  return out;
}

constexpr busway_host_api make_process_table() noexcept {
  busway_host_api table{};
  table.size = sizeof table;
  table.abi = BUSWAY_ABI;
  table.plugin_id = [](busway_host*) { return to_view(process->plugin_id()); };
  table.last_message = [](busway_host*) { return to_view(last_words()); };
  table.set_message = [](busway_host*, busway_view message) {
    constexpr std::size_t kMessageBytesMax = 4096;
    Callback* const mine = process->callback();
    if (mine == nullptr || message.data == nullptr) return;
    (void)guarded([&]() -> busway_status {
      mine->message.assign(message.data, std::min(message.size, kMessageBytesMax));
      return BUSWAY_OK;
    });
  };
  table.subscribe = [](busway_host*, const busway_view* patterns, std::size_t count,
                       const busway_subscribe_options* options, std::uint64_t tag,
                       std::uint64_t* out_id) {
    return guarded([&]() -> busway_status {
      if (patterns == nullptr && count != 0)
        return refused(BUSWAY_INVALID_ARGUMENT, "the patterns are null");
      const auto ask_for = [&](const busway_subscribe_options* read) {
        std::string out;
        {
          Writer frame(out, Kind::subscribe);
          frame.put(tag).put(static_cast<std::uint8_t>(read != nullptr));
          if (read != nullptr) wire::put_options(frame, *read);
          frame.put(static_cast<std::uint32_t>(count));
          for (std::size_t i = 0; i < count; ++i) frame.view(patterns[i]);
        }
        const Answer answer = process->ask(out);
        if (answer.status == BUSWAY_OK && out_id != nullptr) read_value(answer, *out_id);
        return answer.status;
      };
      if (options == nullptr) return ask_for(nullptr);
      return with_struct(options, "options",
                         [&](const busway_subscribe_options& read) { return ask_for(&read); });
    });
  };
  table.unsubscribe = [](busway_host*, std::uint64_t id) {
    return guarded(
        [&]() -> busway_status { return process->ask(frame_of(Kind::unsubscribe, id)).status; });
  };
  table.publish = [](busway_host*, const busway_message* message, busway_publish_result* result) {
    return guarded([&]() -> busway_status {
      return with_struct(message, "message", [&](const busway_message& read) {
        const auto wants = static_cast<std::uint8_t>(result != nullptr);
        const Answer answer = process->ask(message_frame(Kind::publish, wants, read));
        busway_publish_result full{};
        if (result != nullptr && answer.value.size() == sizeof full) {
          read_value(answer, full);
          write_struct(result, full);
        }
        return answer.status;
      });
    });
  };
  table.request = [](busway_host*, const busway_message* message, std::int64_t timeout_ns,
                     busway_on_reply on_reply, void* user) {
    return guarded([&]() -> busway_status {
      if (on_reply == nullptr)
        return refused(BUSWAY_INVALID_ARGUMENT, "on_reply is null; a request needs it");
      return with_struct(message, "message", [&](const busway_message& read) {
        const Answer answer = process->ask(message_frame(Kind::request, timeout_ns, read));
        if (answer.status != BUSWAY_OK) return answer.status;
        Reader in(std::string_view(answer.value).substr(sizeof(std::uint32_t)));
        const busway_event event = wire::get_event(in);
        on_reply(user, &event);
        return answer.status;
      });
    });
  };
  table.reply = [](busway_host*, std::uint64_t delivery_id, std::uint32_t kind, busway_view payload,
                   busway_view content_type) {
    return guarded([&]() -> busway_status {
      return process->ask(frame_of(Kind::reply, delivery_id, kind, payload, content_type)).status;
    });
  };
  table.set_retry_delay = [](busway_host*, std::uint64_t delivery_id, std::int64_t delay_ns) {
    return guarded([&]() -> busway_status {
      if (delay_ns < 0) return refused(BUSWAY_INVALID_ARGUMENT, "delay_ns is negative");
      Callback* const mine = process->delivery(delivery_id);
      if (mine == nullptr || delivery_id == 0) {
        return refused(BUSWAY_WRONG_STATE,
                       "this delivery is over, or this is not the thread on which it was made");
      }
      mine->retry_delay_ns = delay_ns;
      return BUSWAY_OK;
    });
  };
  table.stop_requested = [](busway_host*, std::uint64_t delivery_id) {
    std::uint32_t asked = 1;
    (void)guarded([&]() -> busway_status {
      read_value(process->ask(frame_of(Kind::stop_requested, delivery_id)), asked);
      return BUSWAY_OK;
    });
    return asked;
  };
  table.schedule = [](busway_host*, std::int64_t delay_ns, std::uint64_t tag,
                      std::uint64_t* out_id) {
    return guarded([&]() -> busway_status {
      const Answer answer = process->ask(frame_of(Kind::schedule, delay_ns, tag));
      if (answer.status == BUSWAY_OK && out_id != nullptr) read_value(answer, *out_id);
      return answer.status;
    });
  };
  table.cancel_timer = [](busway_host*, std::uint64_t id) {
    return guarded(
        [&]() -> busway_status { return process->ask(frame_of(Kind::cancel_timer, id)).status; });
  };
  table.log = [](busway_host*, std::uint32_t level, busway_view message) {
    (void)guarded([&]() -> busway_status {
      process->tell(frame_of(Kind::log, level, message));
      return BUSWAY_OK;
    });
  };
  table.report_error = [](busway_host*, busway_view message) {
    (void)guarded([&]() -> busway_status {
      process->tell(frame_of(Kind::report_error, message));
      return BUSWAY_OK;
    });
  };
  table.set_source_state = [](busway_host*, std::uint32_t state) {
    return guarded([&]() -> busway_status {
      return process->ask(frame_of(Kind::set_source_state, state)).status;
    });
  };
  table.write_state = [](busway_host*, busway_view bytes) {
    return guarded([&]() -> busway_status {
      std::string* const state = process->state();
      if (state == nullptr)
        return refused(BUSWAY_WRONG_STATE, "write_state() is for use within save_state() only");
      if (bytes.size > process->state_bytes_max() - state->size()) {
        return refused(BUSWAY_TOO_MANY, "the state of this plugin may have " +
                                            std::to_string(process->state_bytes_max()) + " bytes");
      }
      if (bytes.data != nullptr) state->append(bytes.data, bytes.size);
      return BUSWAY_OK;
    });
  };
  return table;
}

constexpr busway_host_api kProcessTable = make_process_table();

}  // namespace

const busway_host_api& table_for(PluginProcess& mine) noexcept {
  process = &mine;
  return kProcessTable;
}

}  // namespace busway::plugin_host_detail
