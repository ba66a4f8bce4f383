// busway/event_options.hpp -- the optional fields of an event, named when it is made.
// Layer: event
//
// Model      bus.publish("order.created", payload, {.source = "shop", .priority = Priority::high}).
// Threads    A plain struct. [not-concurrent]
// Ownership  The views are read during the call that takes the options, not later.
// Errors     Checked by that call: Error(invalid_option) names the field.
// Cost       The text fields beyond source, and metadata, make the event allocate once.
// Example    examples/01_hello
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "busway/event_id.hpp"
#include "busway/metadata.hpp"
#include "busway/origin.hpp"
#include "busway/priority.hpp"
#include "busway/wall_time.hpp"

namespace busway {

/// A user's id: text, or an integer that becomes its digits.
class UserId {
 public:
  UserId() noexcept = default;
  UserId(const char* text) : text_(text) {}             // NOLINT(*-explicit-*)
  UserId(std::string_view text) : text_(text) {}        // NOLINT(*-explicit-*)
  UserId(std::string text) : text_(std::move(text)) {}  // NOLINT(*-explicit-*)
  template <std::integral I>
  requires(!std::same_as<I, bool>) UserId(I number)
      : text_(std::to_string(number)) {}  // NOLINT(*-explicit-*)

  [[nodiscard]] std::string_view text() const noexcept { return text_; }

 private:
  std::string text_;
};

struct EventOptions {
  std::string_view source{};
  Priority priority = Priority::normal;
  std::string_view key{};  ///< events of one key keep their order under order_by = key
  Metadata metadata{};
  Origin origin = Origin::internal;
  UserId user_id{};
  std::string_view session_id{};
  std::string_view instance_id{};
  std::string_view schema{};
  std::string_view entity{};
  std::string_view operation{};
  std::string_view correlation_id{};
  std::string_view traceparent{};    ///< of W3C Trace Context; unset: that of the cause goes on
  std::uint16_t schema_version = 0;  ///< 0: that of the payload's type, else 1
  std::optional<EventId> id{};       ///< unset: a new one
  std::optional<WallTime> time{};    ///< unset: now
};

using PublishOptions = EventOptions;

}  // namespace busway
