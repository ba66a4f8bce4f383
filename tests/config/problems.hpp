// tests/config/problems.hpp -- runs a reader and gives what it refused, one text a problem.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "busway/config_error.hpp"
#include "config/config.hpp"

namespace busway::config {

using Lines = std::vector<std::string>;

/// Variables that do not depend on the machine.
inline ReadOptions with_variables(std::map<std::string, std::string> values) {
  ReadOptions options;
  options.variables = [values = std::move(values)](const std::string& name) {
    const auto found = values.find(name);
    return found == values.end() ? std::nullopt : std::optional(found->second);
  };
  return options;
}

inline Lines shown(const std::vector<ConfigIssue>& issues, ConfigIssue::Severity severity) {
  Lines lines;
  for (const ConfigIssue& issue : issues) {
    if (issue.severity == severity) lines.push_back(to_string(issue));
  }
  return lines;
}

/// The errors that a call throws; empty when it does not throw.
template <class Call>
Lines errors_of(Call call) {
  try {
    call();
  } catch (const ConfigError& error) {
    return shown(error.issues(), ConfigIssue::Severity::error);
  }
  return {};
}

/// The errors of a text as a whole configuration file f.yaml.
inline Lines errors_in(std::string_view text, const ReadOptions& options = with_variables({})) {
  return errors_of([&] { (void)load_text(text, "f.yaml", options); });
}

inline Lines warnings_in(std::string_view text, const ReadOptions& options = with_variables({})) {
  return shown(load_text(text, "f.yaml", options).warnings, ConfigIssue::Severity::warning);
}

inline Config config_of(std::string_view text, const ReadOptions& options = with_variables({})) {
  return load_text(text, "f.yaml", options).value;
}

}  // namespace busway::config
