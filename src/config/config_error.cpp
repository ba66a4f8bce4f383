#include "busway/config_error.hpp"

#include <string>
#include <utility>

#include "base/escape.hpp"

namespace busway {
namespace {

constexpr std::size_t kShownBytesMax = 4096;

std::string all_errors(const std::vector<ConfigIssue>& issues) {
  std::string text;
  for (const ConfigIssue& issue : issues) {
    if (issue.severity != ConfigIssue::Severity::error) continue;
    if (!text.empty()) text += '\n';
    text += to_string(issue);
  }
  return text;
}

}  // namespace

std::string_view to_string(ConfigIssue::Severity severity) noexcept {
  return severity == ConfigIssue::Severity::error ? "error" : "warning";
}

std::string to_string(const ConfigIssue& issue) {
  std::string text = escape(issue.file, kShownBytesMax);
  if (issue.line > 0) text += ':' + std::to_string(issue.line);
  text += ": ";
  if (!issue.path.empty()) text += escape(issue.path, kShownBytesMax) + ": ";
  // The message quotes foreign text already escaped; a second escape would double its backslashes.
  return text + issue.message;
}

ConfigError::ConfigError(std::vector<ConfigIssue> issues)
    : Error(ErrorCode::invalid_config, all_errors(issues)),
      issues_(std::make_shared<const std::vector<ConfigIssue>>(std::move(issues))) {}

}  // namespace busway
