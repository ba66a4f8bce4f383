// busway: the command line tool.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "base/escape.hpp"
#include "base/nearest.hpp"
#include "busway/version.hpp"
#include "command.hpp"
#include "exit_code.hpp"
#include "terminal.hpp"

namespace busway::app {
namespace {

/// What CLI11 says of a mistyped command or option does not name the near one.
std::string suggestion(const CLI::App& tool, int count, char** arguments) {
  std::vector<std::string> commands;
  for (const CLI::App* command : tool.get_subcommands({})) commands.push_back(command->get_name());
  const CLI::App* chosen = nullptr;
  for (const CLI::App* command : tool.get_subcommands({})) {
    if (command->parsed()) chosen = command;
  }
  std::vector<std::string> known = commands;
  if (chosen != nullptr) {
    known.clear();
    for (const CLI::Option* option : chosen->get_options()) {
      for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
    }
  }
  const std::vector<std::string_view> views(known.begin(), known.end());
  for (int i = 1; i < count; ++i) {
    const std::string_view word = arguments[i];
    if (word == "--") break;
    if (chosen != nullptr && !word.starts_with("--")) continue;
    if (std::find(known.begin(), known.end(), word) != known.end()) continue;
    if (const std::string_view near = nearest(word, views); !near.empty()) {
      return "; did you mean " + std::string(near) + '?';
    }
    if (chosen == nullptr) return {};
  }
  return {};
}

int main(int count, char** arguments) {
  CLI::App tool("busway: an event bus that carries events between the plugins of a program",
                "busway");
  tool.set_version_flag("--version", "busway " + std::string(kVersion));
  tool.require_subcommand(1);
  tool.footer(kExitCodesHelp);
  Chosen chosen;
  add_run(tool, chosen);
  add_match(tool, chosen);
  add_check(tool, chosen);
  try {
    tool.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) return tool.exit(error);
    print_error(escape(error.what(), 1000) + suggestion(tool, count, arguments) +
                " (see busway --help)");
    return kUsage;
  }
  try {
    return chosen();
  } catch (const std::exception& error) {
    print_error(error.what());
    return kFailed;
  }
}

}  // namespace
}  // namespace busway::app

int main(int count, char** arguments) {
  try {
    return busway::app::main(count, arguments);
  } catch (const std::exception&) {
    return busway::app::kFailed;
  }
}
