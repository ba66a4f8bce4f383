// busway/plugin_context.hpp -- what a plugin's handler may know and do beside reading its event.
// Layer: plugin
//
// Model      The optional second argument of a handler: attempt, time left, reply.
// Threads    [plugin-worker]: belongs to the handler's call.
// Ownership  Lives as long as the handler's call; never keep a reference.
// Errors     reply() returns whether someone still waits for it; PluginError when the host refuses
//            the reply itself.
// Cost       None until used.
// Example    tests/plugin/plugins/everything.cpp
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "busway/json.hpp"
#include "busway/plugin.h"
#include "busway/plugin_error.hpp"
#include "busway/plugin_event.hpp"

namespace busway {

namespace plugin_detail {

[[nodiscard]] constexpr busway_view view(std::string_view text) noexcept {
  return {text.data(), text.size()};
}

/// The host's two addresses, and its status turned into an exception.
struct HostLink {
  const busway_host_api* api = nullptr;
  busway_host* host = nullptr;

  void require(busway_status status) const {
    if (status != BUSWAY_OK) throw PluginError(status, std::string(text(api->last_message(host))));
  }
};

}  // namespace plugin_detail

class PluginContext {
 public:
  PluginContext(const plugin_detail::HostLink& link, const busway_delivery& delivery) noexcept
      : link_(&link), delivery_(&delivery) {}
  PluginContext(const PluginContext&) = delete;
  PluginContext& operator=(const PluginContext&) = delete;

  /// 1 for the first attempt.
  [[nodiscard]] unsigned attempt() const noexcept { return delivery_->attempt; }

  /// Until this attempt is given up, as of its beginning; no value when it has no limit.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> time_left() const noexcept {
    if (delivery_->time_left_ns < 0) return std::nullopt;
    return std::chrono::nanoseconds(delivery_->time_left_ns);
  }

  /// True when the result is no longer wanted: the attempt was given up, or the bus stops.
  [[nodiscard]] bool stop_requested() const {
    return link_->api->stop_requested(link_->host, delivery_->id) != 0;
  }

  /// True on the first event after a replay whose history did not reach back as far as was asked.
  [[nodiscard]] bool history_was_cut() const noexcept {
    return (delivery_->flags & BUSWAY_DELIVERY_HISTORY_CUT) != 0;
  }

  /// Answers a request. False when nobody waits (any more).
  bool reply(const Json& answer) {
    return send(BUSWAY_PAYLOAD_JSON, answer.dump(), "application/json");
  }
  bool reply_bytes(std::string_view bytes,
                   std::string_view content_type = "application/octet-stream") {
    return send(BUSWAY_PAYLOAD_BYTES, bytes, content_type);
  }

 private:
  bool send(std::uint32_t kind, std::string_view payload, std::string_view content_type) {
    const busway_status status =
        link_->api->reply(link_->host, delivery_->id, kind, plugin_detail::view(payload),
                          plugin_detail::view(content_type));
    if (status == BUSWAY_NOT_FOUND) return false;
    link_->require(status);
    return true;
  }

  const plugin_detail::HostLink* link_;
  const busway_delivery* delivery_;
};

}  // namespace busway
