#include "config/issues.hpp"

#include <algorithm>
#include <utility>

#include "busway/config_error.hpp"
#include "config/limits.hpp"

namespace busway::config {

Issues::Issues(std::string file) : file_(std::move(file)) {}

void Issues::error(Location at, std::string path, std::string message) {
  keep({.file = file_,
        .line = at.line,
        .column = at.column,
        .path = std::move(path),
        .message = std::move(message),
        .severity = ConfigIssue::Severity::error});
}

void Issues::warning(Location at, std::string path, std::string message) {
  keep({.file = file_,
        .line = at.line,
        .column = at.column,
        .path = std::move(path),
        .message = std::move(message),
        .severity = ConfigIssue::Severity::warning});
}

void Issues::add(std::vector<ConfigIssue> issues) {
  for (ConfigIssue& issue : issues) keep(std::move(issue));
}

void Issues::keep(ConfigIssue issue) {
  const bool error = issue.severity == ConfigIssue::Severity::error;
  if (error) ++errors_;
  if (kept_.size() < kIssuesMax) {
    kept_.push_back(std::move(issue));
    return;
  }
  ++left_out_;
  if (!error) return;
  // An error must never be hidden behind warnings: it takes the place of one.
  const auto warning = std::find_if(kept_.begin(), kept_.end(), [](const ConfigIssue& kept) {
    return kept.severity == ConfigIssue::Severity::warning;
  });
  if (warning != kept_.end()) *warning = std::move(issue);
}

std::vector<ConfigIssue> Issues::sorted() const {
  std::vector<ConfigIssue> issues = kept_;
  std::stable_sort(issues.begin(), issues.end(), [](const ConfigIssue& a, const ConfigIssue& b) {
    return a.line != b.line ? a.line < b.line : a.column < b.column;
  });
  if (left_out_ > 0) {
    issues.push_back(
        {.file = file_,
         .message = "and " + std::to_string(left_out_) + " more problems",
         .severity = has_errors() ? ConfigIssue::Severity::error : ConfigIssue::Severity::warning});
  }
  return issues;
}

void Issues::throw_if_errors() const {
  if (has_errors()) throw ConfigError(sorted());
}

}  // namespace busway::config
