// What happens to plugins is published and, when it is bad, logged.
#include <array>
#include <exception>
#include <span>

#include "bus/bus_core.hpp"
#include "bus/dispatch.hpp"
#include "busway/events/plugin_event_data.hpp"
#include "plugin/manager/impl.hpp"

namespace busway {

void PluginManager::Impl::set_state(Record& record, PluginState state, const std::string& error) {
  PluginInfo info;
  {
    const std::lock_guard lock(mutex_);
    record.info.state = state;
    if (!error.empty()) record.info.last_error = error;
    info = record.info;
  }
  source_changed_.notify_all();
  info.last_error = error;
  announce(info);
}

namespace {

PluginEventData event_data(const PluginInfo& info) {
  return {.plugin_name = info.id,
          .plugin_version = info.version,
          .path = info.path,
          .generation = info.generation,
          .error = info.last_error};
}

EventOptions manager_options() { return {.source = "plugin_manager", .origin = Origin::system}; }

}  // namespace

void PluginManager::Impl::announce(const PluginInfo& info) noexcept {
  try {
    if (info.state == PluginState::failed || info.state == PluginState::quarantined)
      log(LogLevel::error, info, info.last_error);
    (void)bus_->publish(plugin_state(to_string(info.state), event_data(info), manager_options()));
  } catch (const std::exception& error) {
    log(LogLevel::error, info, error.what());
  }
}

PluginInfo PluginManager::Impl::info_of(PluginInstance& instance) const {
  PluginInfo info;
  info.id = instance.id();
  info.version = instance.facts().version;
  const std::lock_guard lock(mutex_);
  if (const Record* record = find(info.id); record != nullptr) {
    info.path = record->info.path;
    info.place = record->info.place;
    info.generation = record->info.generation;
  }
  return info;
}

void PluginManager::Impl::report(PluginInstance& instance, std::string_view message) noexcept {
  try {
    const PluginInfo info = info_of(instance);
    {
      const std::lock_guard lock(mutex_);
      if (Record* record = find(info.id)) record->info.last_error = message;
    }
    report(info, message);
  } catch (const std::exception&) {
    // Out of memory: there is nobody to tell.
  }
}

void PluginManager::Impl::report_denied(PluginInstance& instance, std::string_view message,
                                        std::uint64_t untold) noexcept {
  try {
    const PluginInfo info = info_of(instance);
    log(LogLevel::warning, info, std::string(message));
    (void)bus_->publish(plugin_denied(event_data(info), message, untold, manager_options()));
  } catch (const std::exception&) {
    // The bus has stopped, or out of memory: there is nobody to tell.
  }
}

PluginInfo PluginManager::Impl::info_of(const Record& record) const {
  const std::lock_guard lock(mutex_);
  return record.info;
}

void PluginManager::Impl::report(const Record& record, std::string_view message) noexcept {
  try {
    report(info_of(record), message);
  } catch (const std::exception&) {
    // Out of memory: there is nobody to tell.
  }
}

void PluginManager::Impl::report(const PluginInfo& info, std::string_view message) noexcept {
  try {
    log(LogLevel::error, info, std::string(message));
    (void)bus_->publish(plugin_error(event_data(info), message, manager_options()));
  } catch (const std::exception& error) {
    log(LogLevel::error, info, error.what());
  }
}

void PluginManager::Impl::log(LogLevel level, const PluginInfo& info,
                              const std::string& message) const noexcept {
  const std::array both{LogField{"plugin", info.id}, LogField{"at", info.place}};
  const std::span<const LogField> fields(both.data(), info.place.empty() ? 1U : 2U);
  detail::Dispatch::core_of(*bus_).log(level, message, fields);
}

}  // namespace busway
