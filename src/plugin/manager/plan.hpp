// plugin/manager/plan.hpp -- by what a plugin is loaded: the host's words before its manifest's.
// Layer: plugin
//
// Model      Made anew for each load and reload, so that both follow the manifest as it is then.
// Threads    Values; [any-thread].
// Ownership  Shares the manifest and the rules.
// Errors     make_plan() throws ConfigError of the manifest, and Error(invalid_option,
//            invalid_argument) of what cannot be: of the spec, or of the two together.
// Cost       Reads the manifest.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "busway/json.hpp"
#include "busway/plugin_spec.hpp"
#include "plugin/manifest.hpp"

namespace busway::plugin_host_detail {

struct Plan {
  std::string library{};                       // or static:NAME
  std::shared_ptr<const Manifest> manifest{};  // null: there is none
  std::shared_ptr<const PluginRules> rules{};
  std::string config{};  // what setup() gets
};

[[nodiscard]] Plan make_plan(const PluginSpec& spec, Wildcards wildcards);

/// Members of objects that only the defaults have are added to what was given, at any depth.
[[nodiscard]] Json merge_config(const Json& given, const Json& defaults);

/// What cannot be of rules however they were given: throws Error(invalid_option).
void check_rules(const PluginRules& rules, const std::string& path);

/// Adds the ids that the manifest requires.
void add_required(const Manifest* manifest, std::vector<std::string>& required);

}  // namespace busway::plugin_host_detail
