// busway/plugin_event.hpp -- an event as a plugin's handler sees it.
// Layer: plugin
//
// Model      A view of the host's event. The payload is JSON or bytes; JSON is read once, when
//            someone first asks. as<T>() reads it as a type with nlohmann's functions.
// Threads    [plugin-worker]: belongs to the handler's call.
// Ownership  Everything it returns by view or reference ends with the handler's call; copy what you
//            keep. as<T>() returns a value of your own.
// Errors     json() and as<T>() throw PluginError BUSWAY_PAYLOAD_TYPE, which fails the delivery
//            when the handler lets it pass.
// Cost       json() parses the payload's text.
// Example    tests/plugin/plugins/everything.cpp
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "busway/json.hpp"
#include "busway/origin.hpp"
#include "busway/plugin.h"
#include "busway/plugin_error.hpp"
#include "busway/priority.hpp"

namespace busway {

namespace plugin_detail {

[[nodiscard]] inline std::string_view text(const busway_view& view) noexcept {
  return view.size == 0 ? std::string_view{} : std::string_view{view.data, view.size};
}

[[nodiscard]] inline std::string uuid_text(const std::uint8_t (&id)[16]) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  out.reserve(36);
  for (std::size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += digits[id[i] >> 4U];
    out += digits[id[i] & 15U];
  }
  return out;
}

}  // namespace plugin_detail

class PluginEvent {
 public:
  explicit PluginEvent(const busway_event& event) noexcept : event_(&event) {}
  PluginEvent(const PluginEvent&) = delete;
  PluginEvent& operator=(const PluginEvent&) = delete;

  /// The 36 characters of the event's UUID.
  [[nodiscard]] std::string id() const { return plugin_detail::uuid_text(event_->id); }
  /// The event that was being handled when this one was published; all zeros when none was.
  [[nodiscard]] std::string causation_id() const {
    return plugin_detail::uuid_text(event_->causation_id);
  }
  [[nodiscard]] std::string_view topic() const noexcept { return view(event_->topic); }
  [[nodiscard]] std::string_view source() const noexcept { return view(event_->source); }
  [[nodiscard]] std::chrono::sys_time<std::chrono::nanoseconds> time() const noexcept {
    return std::chrono::sys_time<std::chrono::nanoseconds>(
        std::chrono::nanoseconds(event_->time_ns));
  }
  [[nodiscard]] Priority priority() const noexcept {
    return static_cast<Priority>(event_->priority);
  }
  [[nodiscard]] Origin origin() const noexcept { return static_cast<Origin>(event_->origin); }
  [[nodiscard]] std::uint16_t hops() const noexcept { return event_->hops; }
  [[nodiscard]] std::uint16_t schema_version() const noexcept { return event_->schema_version; }
  [[nodiscard]] std::string_view key() const noexcept { return view(event_->key); }
  [[nodiscard]] std::string_view user_id() const noexcept { return view(event_->user_id); }
  [[nodiscard]] std::string_view session_id() const noexcept { return view(event_->session_id); }
  [[nodiscard]] std::string_view instance_id() const noexcept { return view(event_->instance_id); }
  [[nodiscard]] std::string_view schema() const noexcept { return view(event_->schema); }
  [[nodiscard]] std::string_view entity() const noexcept { return view(event_->entity); }
  [[nodiscard]] std::string_view operation() const noexcept { return view(event_->operation); }
  [[nodiscard]] std::string_view correlation_id() const noexcept {
    return view(event_->correlation_id);
  }
  [[nodiscard]] std::string_view traceparent() const noexcept { return view(event_->traceparent); }

  [[nodiscard]] bool has_payload() const noexcept {
    return event_->payload_kind != BUSWAY_PAYLOAD_NONE;
  }
  [[nodiscard]] bool is_json() const noexcept {
    return event_->payload_kind == BUSWAY_PAYLOAD_JSON;
  }
  [[nodiscard]] bool is_bytes() const noexcept {
    return event_->payload_kind == BUSWAY_PAYLOAD_BYTES;
  }
  [[nodiscard]] std::string_view content_type() const noexcept {
    return view(event_->content_type);
  }
  /// The payload as it came: JSON text or bytes.
  [[nodiscard]] std::string_view bytes() const noexcept { return view(event_->payload); }

  /// The payload as JSON; null without one.
  [[nodiscard]] const Json& json() const {
    if (!json_) json_.emplace(read_json());
    return *json_;
  }

  template <class T>
  [[nodiscard]] T as() const {
    try {
      return json().template get<T>();
    } catch (const Json::exception& error) {
      throw PluginError(BUSWAY_PAYLOAD_TYPE, "the payload of " + std::string(topic()) +
                                                 " is not what was asked for: " + error.what());
    }
  }

  /// An object; empty when the event has none.
  [[nodiscard]] const Json& metadata() const {
    if (!metadata_) {
      metadata_.emplace(event_->metadata.size == 0 ? Json::object()
                                                   : Json::parse(view(event_->metadata)));
    }
    return *metadata_;
  }

  [[nodiscard]] const busway_event& raw() const noexcept { return *event_; }

 private:
  [[nodiscard]] static std::string_view view(const busway_view& v) noexcept {
    return plugin_detail::text(v);
  }

  [[nodiscard]] Json read_json() const {
    if (!has_payload()) return nullptr;
    if (is_bytes() && content_type() != "application/json") {
      throw PluginError(BUSWAY_PAYLOAD_TYPE, "the payload of " + std::string(topic()) + " is " +
                                                 std::string(content_type()) +
                                                 "; this handler wants JSON");
    }
    try {
      if (is_json()) return Json::parse(bytes());  // the host has checked it
      return Json::parse(bytes(), [](int depth, Json::parse_event_t, Json&) {
        if (depth > 64) throw PluginError(BUSWAY_INVALID_JSON, "JSON deeper than 64 levels");
        return true;
      });
    } catch (const Json::exception& error) {
      throw PluginError(BUSWAY_PAYLOAD_TYPE,
                        "the payload of " + std::string(topic()) + " is not JSON: " + error.what());
    }
  }

  const busway_event* event_;
  mutable std::optional<Json> json_;
  mutable std::optional<Json> metadata_;
};

}  // namespace busway
