// plugin/abi_values.hpp -- what plugins hand over, read into the host's own types.
// Layer: plugin
//
// Model      A struct may be shorter or longer than the host knows it: the missing part is zero,
//            the part beyond is left alone.
// Threads    [any-thread]
// Ownership  Views still refer to the plugin's memory, unless the result owns strings.
// Errors     Throws Error(invalid_argument, invalid_option, invalid_json).
// Cost       Parses JSON payloads and metadata.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "busway/error.hpp"
#include "busway/event_options.hpp"
#include "busway/payload.hpp"
#include "busway/plugin.h"
#include "busway/plugin_rules.hpp"
#include "busway/subscription_options.hpp"

namespace busway::plugin_host_detail {

[[nodiscard]] constexpr busway_view to_view(std::string_view text) noexcept {
  return {text.data(), text.size()};
}

/// Throws Error(invalid_argument), naming what, for a null pointer with a size.
[[nodiscard]] std::string_view read_text(const busway_view& view, std::string_view what);

/// The part of the struct that the plugin filled; the rest is zero.
template <class T>
[[nodiscard]] T read_struct(const T* given, std::string_view what) {
  if (given == nullptr || given->size < sizeof(given->size)) {
    throw Error(ErrorCode::invalid_argument,
                std::string(what) + " is missing or has no size; set its size to sizeof");
  }
  T copy{};
  std::memcpy(&copy, given, std::min<std::size_t>(given->size, sizeof copy));
  return copy;
}

/// As far as the plugin's struct is known to it.
template <class T>
void write_struct(T* out, const T& value) noexcept {
  const std::uint32_t size = out->size;
  std::memcpy(out, &value, std::min<std::size_t>(size, sizeof value));
  out->size = size;
}

[[nodiscard]] Payload read_payload(std::uint32_t kind, const busway_view& payload,
                                   const busway_view& content_type);

/// All but source and origin. The views refer to the message.
[[nodiscard]] EventOptions read_event_options(const busway_message& message);

/// All but owner, executor and filter.
[[nodiscard]] SubscriptionOptions read_subscription_options(
    const busway_subscribe_options& options);

/// What the options of an asynchronous subscription leave open of its mailbox, as the rules say.
void fill_mailbox(busway_subscribe_options& options, const PluginRules& rules) noexcept;

/// Equal for subscriptions that listen to the same in the same way; where a replay begins and the
/// tag do not count.
[[nodiscard]] std::string signature_of(const std::vector<std::string>& patterns,
                                       const busway_subscribe_options& options);

}  // namespace busway::plugin_host_detail
