#include "busway/plugin_rules.hpp"

namespace busway {

std::string_view to_string(PluginIsolation isolation) noexcept {
  switch (isolation) {
    case PluginIsolation::none: return "none";
    case PluginIsolation::process: return "process";
  }
  return {};
}

PluginRules merge(PluginRules first, const PluginRules& second) {
  const auto fill = [](auto& one, const auto& other) {
    if (!one) one = other;
  };
  fill(first.reload, second.reload);
  fill(first.isolation, second.isolation);
  fill(first.soft_deadline, second.soft_deadline);
  fill(first.hard_deadline, second.hard_deadline);
  fill(first.queue_capacity, second.queue_capacity);
  fill(first.overflow, second.overflow);
  fill(first.state_bytes_max, second.state_bytes_max);
  fill(first.durable, second.durable);
  fill(first.restarts_max, second.restarts_max);
  fill(first.restarts_within, second.restarts_within);
  fill(first.restart_delay, second.restart_delay);
  fill(first.restart_delay_max, second.restart_delay_max);
  fill(first.memory_bytes_max, second.memory_bytes_max);
  fill(first.open_files_max, second.open_files_max);
  fill(first.cpu_time_max, second.cpu_time_max);
  fill(first.may_publish, second.may_publish);
  fill(first.may_subscribe, second.may_subscribe);
  return first;
}

}  // namespace busway
