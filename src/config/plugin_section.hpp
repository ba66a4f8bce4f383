// config/plugin_section.hpp -- one item of plugins:, a plugin to load.
// Layer: config
//
// Model      Plain values. Either path (a shared library; the host resolves it against the folder
//            of the file) or static_name (linked in) is set, never both.
// Threads    A plain struct.
// Ownership  Owns its texts and its JSON.
// Errors     See plugin_section().
// Cost       None by itself.
// Example    tests/config/plugin_section_test.cpp
#pragma once

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "busway/plugin_rules.hpp"
#include "config/section.hpp"

namespace busway::config {

struct PluginSection {
  std::string path{};
  std::string static_name{};        // key: static
  std::optional<std::string> id{};  // unset: the id the plugin gives itself
  bool enabled = true;
  nlohmann::json config = nlohmann::json::object();
  PluginRules rules{};  // before those of its manifest
};

[[nodiscard]] const Section<PluginSection>& plugin_section();

}  // namespace busway::config
