#include "busway/check_config.hpp"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "busway/config_error.hpp"
#include "busway/error.hpp"
#include "config/to_json.hpp"
#include "host/host_config.hpp"
#include "host/plugin_paths.hpp"
#include "plugin/manager/plan.hpp"
#include "plugin/plugin_image.hpp"

namespace busway {
namespace {

using host_detail::HostConfig;

/// The first item that takes its id from a library, by the library's path.
using Unnamed = std::map<std::string, std::size_t>;

/// Several items may name one manifest.
void add_once(const std::vector<ConfigIssue>& found, std::vector<ConfigIssue>& issues) {
  for (const ConfigIssue& one : found) {
    const auto same = [&](const ConfigIssue& other) {
      return one.file == other.file && one.line == other.line && one.path == other.path &&
             one.message == other.message;
    };
    if (std::none_of(issues.begin(), issues.end(), same)) issues.push_back(one);
  }
}

/// Rules that contradict each other have been told of at their line, by which the rest is not to be
/// judged.
PluginRules unless_told(const PluginRules& rules) {
  try {
    plugin_host_detail::check_rules(rules, {});
    return rules;
  } catch (const Error&) {
    return {};
  }
}

void check_library(const HostConfig& config, std::size_t index,
                   const host_detail::PluginPlaces& places, Unnamed& unnamed,
                   std::vector<ConfigIssue>& issues) {
  const config::PluginSection& plugin = config.values.plugins[index];
  const bool linked_in = !plugin.static_name.empty();
  const std::string at = "plugins[" + std::to_string(index) + (linked_in ? "].static" : "].path");
  const auto note = [&](const std::string& message, ConfigIssue::Severity severity) {
    issues.push_back(config.document.issue_at(at, message, severity));
  };
  try {
    const std::string path =
        linked_in ? std::string(plugin_host_detail::kStaticPrefix) + plugin.static_name
                  : host_detail::find_plugin(plugin.path, places);
    const Wildcards wildcards = host_detail::to_wildcards(config.values.event_broker.wildcards);
    const auto plan = plugin_host_detail::make_plan(
        {.path = path, .config = plugin.config, .rules = unless_told(plugin.rules)}, wildcards);
    const plugin_host_detail::PluginImage image(plan.library, {}, plan.manifest);
    if (plan.manifest != nullptr) add_once(plan.manifest->warnings, issues);
    for (const std::string& warning : image.warnings())
      note(warning, ConfigIssue::Severity::warning);
    if (plugin.id) return;  // two of one id have been reported
    const auto [first, is_first] = unnamed.emplace(path, index);
    if (is_first) return;
    note("names the library of plugins[" + std::to_string(first->second) +
             "] again, and both take the id it gives itself; give one an id of its own, or remove "
             "it",
         ConfigIssue::Severity::error);
  } catch (const ConfigError& error) {  // of the manifest, with its own lines
    add_once(error.issues(), issues);
  } catch (const Error& error) {
    note(error.what(), ConfigIssue::Severity::error);
  }
}

}  // namespace

bool ConfigReport::ok() const noexcept {
  return std::none_of(issues.begin(), issues.end(), [](const ConfigIssue& issue) {
    return issue.severity == ConfigIssue::Severity::error;
  });
}

ConfigReport check_config(const std::string& path, const InitializeOptions& options) {
  ConfigReport report;
  config::Issues issues(path);
  try {
    HostConfig config = host_detail::read_host_config(path, issues, options.secret_keys);
    if (!issues.has_errors()) {
      issues.add(host_detail::provider_issues(config));
      if (options.store.empty()) issues.add(host_detail::durability_issues(config));
    }
    const host_detail::PluginPlaces places{config.folder, options.plugin_folders};
    std::vector<ConfigIssue> of_libraries;
    Unnamed unnamed;
    for (std::size_t i = 0; i < config.values.plugins.size(); ++i) {
      const config::PluginSection& plugin = config.values.plugins[i];
      // An item with a faulty key may have neither.
      if (!plugin.enabled || (plugin.path.empty() && plugin.static_name.empty())) continue;
      check_library(config, i, places, unnamed, of_libraries);
    }
    issues.add(std::move(of_libraries));
    if (config.document.root != nullptr) report.shown = config::masked_dump(config.document);
    report.patterns = std::move(config.patterns);
  } catch (const ConfigError& error) {
    issues.add(error.issues());
  }
  report.issues = issues.sorted();
  return report;
}

}  // namespace busway
