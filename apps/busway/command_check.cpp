// busway check CONFIG: everything that is wrong or doubtful in a configuration file.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/escape.hpp"
#include "busway/check_config.hpp"
#include "command.hpp"
#include "exit_code.hpp"
#include "key_values.hpp"
#include "plugin_folders.hpp"
#include "standard_output.hpp"
#include "terminal.hpp"

namespace busway::app {
namespace {

constexpr std::size_t kShownBytesMax = 4096;

struct CheckOptions {
  std::string config;
  std::vector<std::string> plugins;
  bool strict = false;
  bool show = false;
  bool json = false;
};

std::size_t count(const ConfigReport& report, ConfigIssue::Severity severity) {
  return static_cast<std::size_t>(
      std::count_if(report.issues.begin(), report.issues.end(),
                    [severity](const ConfigIssue& issue) { return issue.severity == severity; }));
}

std::string counted(std::size_t number, const std::string& what) {
  return std::to_string(number) + ' ' + what + (number == 1 ? "" : "s");
}

std::string place(const std::string& file, int line) {
  return escape(file, kShownBytesMax) + (line > 0 ? ':' + std::to_string(line) : std::string()) +
         ": ";
}

std::string to_text(const ConfigIssue& issue) {
  const bool error = issue.severity == ConfigIssue::Severity::error;
  std::string text =
      place(issue.file, issue.line) +
      coloured(Stream::out, error ? Colour::red : Colour::yellow, to_string(issue.severity)) + ": ";
  if (!issue.path.empty()) text += escape(issue.path, kShownBytesMax) + ": ";
  return text + issue.message + '\n';  // the message quotes foreign text escaped
}

Json issue_json(const ConfigIssue& issue) {
  return {{"file", issue.file},       {"line", issue.line},
          {"column", issue.column},   {"path", issue.path},
          {"message", issue.message}, {"severity", to_string(issue.severity)}};
}

Json reading_json(const PatternReading& reading) {
  return {{"file", reading.file},           {"line", reading.line},
          {"path", reading.path},           {"kind", to_string(reading.pattern.kind())},
          {"text", reading.pattern.text()}, {"explanation", reading.pattern.explain()}};
}

std::string as_json(const ConfigReport& report, const CheckOptions& options) {
  Json issues = Json::array();
  for (const ConfigIssue& issue : report.issues) issues.push_back(issue_json(issue));
  Json patterns = Json::array();
  for (const PatternReading& reading : report.patterns) patterns.push_back(reading_json(reading));
  Json all{{"file", options.config},
           {"ok", report.ok()},
           {"issues", std::move(issues)},
           {"patterns", std::move(patterns)}};
  if (options.show) all["config"] = report.shown;
  return dump(all);
}

std::string as_text(const ConfigReport& report, const CheckOptions& options) {
  std::string text;
  for (const ConfigIssue& issue : report.issues) text += to_text(issue);
  for (const PatternReading& reading : report.patterns) {
    text += place(reading.file, reading.line) + "pattern: " + escape(reading.path, kShownBytesMax) +
            ": " + reading.pattern.explain() + '\n';
  }
  if (options.show) text += report.shown;
  return text + place(options.config, 0) +
         counted(count(report, ConfigIssue::Severity::error), "error") + ", " +
         counted(count(report, ConfigIssue::Severity::warning), "warning") + '\n';
}

int check(const CheckOptions& options) {
  InitializeOptions host;
  host.plugin_folders = plugin_folders(options.plugins);
  const ConfigReport report = check_config(options.config, host);
  StandardOutput().write(options.json ? as_json(report, options) : as_text(report, options));
  if (!report.ok()) return kFaultyFile;
  return options.strict && !report.issues.empty() ? kProblems : kDone;
}

}  // namespace

void add_check(CLI::App& tool, Chosen& chosen) {
  const auto options = std::make_shared<CheckOptions>();
  CLI::App* const command =
      tool.add_subcommand("check", "Tell what is wrong with a configuration, and run nothing");
  command->add_option("CONFIG", options->config, "The YAML file")->required();
  command->add_option("--plugins", options->plugins, kPluginsHelp)
      ->type_name("DIR")
      ->expected(1)
      ->take_all();
  command->add_flag("--strict", options->strict, "Exit with 1 when there are warnings");
  command->add_flag("--show", options->show, "Print the file as it was read, secrets masked");
  command->add_flag("--json", options->json, "Print one JSON object");
  command->footer(kExitCodesHelp);
  command->callback([options, &chosen] { chosen = [options] { return check(*options); }; });
}

}  // namespace busway::app
