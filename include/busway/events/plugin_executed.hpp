// busway/events/plugin_executed.hpp -- a plugin has done a piece of work for a user.
// Layer: event
//
// Model      Payload of plugin.executed.
// Threads    A plain struct; the builders are [any-thread].
// Ownership  Owns its fields.
// Errors     Reading JSON: fields that are missing keep their default, others must have the right
//            type. Builders throw what the constructor of Event throws.
// Cost       A builder allocates the payload and what its texts need.
// Example    tests/event/events/builders_test.cpp
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "busway/event.hpp"
#include "busway/json.hpp"
#include "busway/topics.hpp"

namespace busway {

struct PluginExecuted {
  static constexpr std::string_view topic = topics::kPluginExecuted;
  static constexpr std::string_view type_name = "PluginExecuted";

  std::string plugin{};
  std::string user{};
  double execution_time_ms = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(PluginExecuted, plugin, user, execution_time_ms)

[[nodiscard]] Event plugin_executed(std::string_view plugin, std::string_view user,
                                    double execution_time_ms, const EventOptions& options = {});

}  // namespace busway
