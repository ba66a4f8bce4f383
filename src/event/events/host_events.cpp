// What the host program says: of plugins, of itself, of its configuration.

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "base/escape.hpp"
#include "busway/error.hpp"
#include "busway/events/config_changed.hpp"
#include "busway/events/plugin_event_data.hpp"
#include "busway/events/plugin_executed.hpp"
#include "busway/events/system_event_data.hpp"
#include "busway/topics.hpp"
#include "busway/typed_event.hpp"

namespace busway {
namespace {

constexpr std::array kPluginStateTopics{
    topics::kPluginDiscovered, topics::kPluginValidated, topics::kPluginLoaded,
    topics::kPluginCreated,    topics::kPluginStarting,  topics::kPluginRunning,
    topics::kPluginReloading,  topics::kPluginStopping,  topics::kPluginStopped,
    topics::kPluginUnloaded,   topics::kPluginFailed,    topics::kPluginQuarantined};

constexpr std::string_view kPluginPrefix = "plugin.";

std::string_view topic_of_state(std::string_view state) {
  const auto* const found =
      std::find_if(kPluginStateTopics.begin(), kPluginStateTopics.end(),
                   [&](std::string_view t) { return t.substr(kPluginPrefix.size()) == state; });
  if (found != kPluginStateTopics.end()) return *found;
  std::string known;
  for (const std::string_view topic : kPluginStateTopics) {
    known.append(" ").append(topic.substr(kPluginPrefix.size()));
  }
  throw Error(ErrorCode::invalid_argument,
              quote(state) + " is no state of a plugin; the states are" + known);
}

}  // namespace

Event plugin_state(std::string_view state, PluginEventData plugin, const EventOptions& options) {
  return Event(topic_of_state(state), typed_payload(std::move(plugin)), options);
}

Event plugin_error(PluginEventData plugin, std::string_view error, const EventOptions& options) {
  plugin.error = std::string(error);
  return Event(topics::kPluginError, typed_payload(std::move(plugin)), options);
}

Event plugin_denied(PluginEventData plugin, std::string_view error, std::uint64_t untold,
                    const EventOptions& options) {
  plugin.error = std::string(error);
  plugin.metadata["denied"] = untold;
  return Event(topics::kPluginDenied, typed_payload(std::move(plugin)), options);
}

Event plugin_executed(std::string_view plugin, std::string_view user, double execution_time_ms,
                      const EventOptions& options) {
  return typed_event(PluginExecuted{.plugin = std::string(plugin),
                                    .user = std::string(user),
                                    .execution_time_ms = execution_time_ms},
                     options);
}

Event system_startup(std::string_view component, const EventOptions& options) {
  return Event(topics::kSystemStartup,
               typed_payload(SystemEventData{.component = std::string(component)}), options);
}

Event system_shutdown(std::string_view component, std::string_view reason,
                      const EventOptions& options) {
  return Event(topics::kSystemShutdown,
               typed_payload(SystemEventData{.component = std::string(component),
                                             .reason = std::string(reason)}),
               options);
}

Event system_error(std::string_view component, std::string_view error,
                   const EventOptions& options) {
  return Event(topics::kSystemError,
               typed_payload(SystemEventData{.component = std::string(component),
                                             .error = std::string(error)}),
               options);
}

Event config_changed(std::string_view path, std::vector<std::string> keys,
                     const EventOptions& options) {
  return typed_event(ConfigChanged{.path = std::string(path), .keys = std::move(keys)}, options);
}

}  // namespace busway
