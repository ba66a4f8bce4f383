// busway/events/plugin_event_data.hpp -- what the host says of a plugin.
// Layer: event
//
// Model      plugin.<state>, plugin.error and plugin.denied carry one. generation counts the loads
//            of one plugin.
// Threads    A plain struct; the builders are [any-thread].
// Ownership  Owns its fields.
// Errors     Reading JSON: fields that are missing keep their default, others must have the right
//            type. Builders throw what the constructor of Event throws.
// Cost       A builder allocates the payload and what its texts need.
// Example    tests/event/events/builders_test.cpp
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "busway/event.hpp"
#include "busway/json.hpp"

namespace busway {

struct PluginEventData {
  static constexpr std::string_view type_name = "PluginEventData";

  std::string plugin_name{};
  std::string plugin_version{};
  std::string path{};
  std::uint64_t generation = 0;
  std::string error{};
  Json metadata = Json::object();
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(PluginEventData, plugin_name, plugin_version, path,
                                                generation, error, metadata)

/// state is a word of the life cycle such as "running"; the topic is "plugin.<state>".
[[nodiscard]] Event plugin_state(std::string_view state, PluginEventData plugin,
                                 const EventOptions& options = {});
[[nodiscard]] Event plugin_error(PluginEventData plugin, std::string_view error,
                                 const EventOptions& options = {});
/// The plugin used a topic that its rules do not allow, and so it had before, `untold` times of
/// which no event tells: metadata {"denied": untold}.
[[nodiscard]] Event plugin_denied(PluginEventData plugin, std::string_view error,
                                  std::uint64_t untold, const EventOptions& options = {});

}  // namespace busway
