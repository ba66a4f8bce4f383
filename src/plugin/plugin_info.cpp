#include "busway/plugin_info.hpp"

namespace busway {

std::string_view to_string(PluginState state) noexcept {
  switch (state) {
    case PluginState::discovered: return "discovered";
    case PluginState::validated: return "validated";
    case PluginState::loaded: return "loaded";
    case PluginState::created: return "created";
    case PluginState::starting: return "starting";
    case PluginState::running: return "running";
    case PluginState::reloading: return "reloading";
    case PluginState::stopping: return "stopping";
    case PluginState::stopped: return "stopped";
    case PluginState::unloaded: return "unloaded";
    case PluginState::failed: return "failed";
    case PluginState::quarantined: return "quarantined";
  }
  return "unknown";
}

std::string_view to_string(PluginSource source) noexcept {
  switch (source) {
    case PluginSource::none: return "none";
    case PluginSource::active: return "active";
    case PluginSource::ended: return "ended";
  }
  return "unknown";
}

std::string_view to_string(PluginHealthInfo::Level level) noexcept {
  switch (level) {
    case PluginHealthInfo::Level::ok: return "ok";
    case PluginHealthInfo::Level::degraded: return "degraded";
    case PluginHealthInfo::Level::failing: return "failing";
    case PluginHealthInfo::Level::unknown: return "unknown";
  }
  return "unknown";
}

}  // namespace busway
