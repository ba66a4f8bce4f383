// settings.hpp -- the quality monitor's configuration; README.md explains each key.
//
// Model      Plain values, each with a default.
// Threads    [any-thread]
// Errors     read_settings() throws std::invalid_argument, which names the key, what stands there
//            and what is wanted.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "alerts.hpp"

namespace quality_monitor {

struct Settings {
  std::chrono::milliseconds window = std::chrono::minutes(5);
  std::size_t phases_max = 256;
  Limits limits{};
  std::map<std::string, Limits> phases{};  ///< of single phases, by name

  [[nodiscard]] const Limits& limits_of(const std::string& phase) const {
    const auto own = phases.find(phase);
    return own == phases.end() ? limits : own->second;
  }
};

[[nodiscard]] Settings read_settings(const nlohmann::json& config);

}  // namespace quality_monitor
