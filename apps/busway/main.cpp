// busway: the command line tool.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>
#include <iterator>
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

using Names = std::vector<std::string>;

std::string did_you_mean(std::string_view word, const Names& known) {
  const std::vector<std::string_view> views(known.begin(), known.end());
  const std::string_view near = nearest(word, views);
  return near.empty() ? std::string() : "; did you mean " + std::string(near) + '?';
}

bool is_one_of(std::string_view word, const Names& known) {
  return std::find(known.begin(), known.end(), word) != known.end();
}

/// The innermost one that was named, or null.
const CLI::App* chosen_command(const CLI::App& tool) {
  for (const CLI::App* command : tool.get_subcommands({})) {
    if (!command->parsed()) continue;
    const CLI::App* const inner = chosen_command(*command);
    return inner == nullptr ? command : inner;
  }
  return nullptr;
}

/// As it is typed: "run", "plugins list"; of the tool itself "".
std::string name_of(const CLI::App* command) {
  std::string name;
  for (; command != nullptr && command->get_parent() != nullptr; command = command->get_parent()) {
    if (!name.empty()) name.insert(0, 1, ' ');
    name.insert(0, command->get_name());
  }
  return name;
}

void add_option_names(const CLI::App& command, Names& names) {
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back('-' + name);
  }
}

/// The sentence about the first option that is none, or "". Only the parser knows which words are
/// values of options, so it is asked only about what the parser took for no value.
std::string option_fault(const CLI::App& tool, const CLI::App* command,
                         const std::vector<std::string_view>& words) {
  Names known;
  add_option_names(tool, known);
  if (command != nullptr) add_option_names(*command, known);
  for (const std::string_view word : words) {
    if (word == "--") break;
    if (word.size() < 2 || word.front() != '-') {
      if (command == nullptr) break;
      continue;
    }
    const std::string_view name = word.substr(0, word.find('='));
    if (is_one_of(name, known)) continue;
    std::string text = quote(word) + " is no option of busway";
    if (command != nullptr) text += ' ' + name_of(command);
    // One letter is near every other.
    const std::string hint = name.starts_with("--") ? did_you_mean(name, known) : std::string();
    if (!hint.empty()) return text + hint;
    if (command != nullptr) text += "; write -- before an argument that begins with -";
    return text;
  }
  return {};
}

/// About the word after the command, or after the tool: one of its commands should stand there.
std::string command_fault(const CLI::App& above, const std::vector<std::string_view>& words) {
  Names commands;
  std::string list;
  for (const CLI::App* command : above.get_subcommands({})) {
    commands.push_back(command->get_name());
    list += (list.empty() ? "" : ", ") + command->get_name();
  }
  const std::string name = name_of(&above);
  const auto is_no_option = [](std::string_view one) { return one.empty() || one.front() != '-'; };
  auto word = std::find_if(words.begin(), words.end(), is_no_option);
  if (!name.empty() && word != words.end())
    word = std::find_if(std::next(word), words.end(), is_no_option);
  if (word == words.end()) {
    return "a command " + (name.empty() ? std::string() : "of " + name + ' ') +
           "is missing; commands: " + list;
  }
  return quote(*word) + " is no command of " + (name.empty() ? "this version" : name) +
         "; commands: " + list + did_you_mean(*word, commands);
}

/// What is wrong with a command line, in our words where those of CLI11 name neither the word nor
/// the cure.
std::string explain(const CLI::ParseError& error, const CLI::App& tool, int count,
                    char** arguments) {
  const std::vector<std::string_view> words(arguments + std::min(count, 1), arguments + count);
  const CLI::App* const command = chosen_command(tool);
  const bool is_about_words = dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr ||
                              dynamic_cast<const CLI::RequiredError*>(&error) != nullptr;
  std::string text;
  if (is_about_words) text = option_fault(tool, command, words);
  if (text.empty() && command == nullptr) text = command_fault(tool, words);
  if (text.empty() && is_about_words && !command->get_subcommands({}).empty())
    text = command_fault(*command, words);
  if (text.empty()) text = escape(error.what(), 1000);
  const std::string of_command = command == nullptr ? "" : name_of(command) + ' ';
  return text + " (see busway " + of_command + "--help)";
}

/// What an option takes, in words: of CLI11 comes TEXT, or TEXT:{one,other}.
std::string word_of_type(const CLI::Option& option) {
  const std::string name = option.get_type_name();
  const std::string type = name.substr(0, name.find_first_of(": "));
  if (type == "TEXT") return "a text";
  if (type == "UINT" || type == "FLOAT") return "a number";
  if (type == "T" || type == "TIME") return "a time";
  return type == "URL" ? "a URL" : "a value";
}

/// A variable of a shell that is not set must not change what a command means: nothing takes an
/// empty text.
void refuse_empty_texts(CLI::App& above) {
  for (CLI::Option* const option : above.get_options()) {
    if (option->get_items_expected_max() == 0) continue;
    const auto fault = [word = word_of_type(*option)](const std::string& text) {
      return text.empty() ? "takes " + word + "; it is empty" : std::string();
    };
    // Before all others, which may take it for something else.
    option->transform(CLI::Validator([fault](std::string& text) { return fault(text); }, {}));
  }
  for (CLI::App* const command : above.get_subcommands({})) refuse_empty_texts(*command);
}

/// The parser takes the next word for the value of "--name=".
std::string empty_value_fault(const std::vector<std::string_view>& words) {
  for (const std::string_view word : words) {
    if (word == "--") break;
    if (word.size() < 4 || !word.starts_with("--") || word.find('=') != word.size() - 1) continue;
    return escape(word.substr(0, word.size() - 1)) + ": takes a value; it is empty";
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
  add_plugins(tool, chosen);
  add_audit(tool, chosen);
  add_pub(tool, chosen);
  add_sub(tool, chosen);
  add_history(tool, chosen);
  add_replay(tool, chosen);
  add_status(tool, chosen);
  add_dlq(tool, chosen);
  add_store(tool, chosen);
  add_stats(tool, chosen);
  add_bench(tool, chosen);
  refuse_empty_texts(tool);
  const std::vector<std::string_view> words(arguments + std::min(count, 1), arguments + count);
  if (const std::string fault = empty_value_fault(words); !fault.empty()) {
    print_error(fault + " (see busway --help)");
    return kUsage;
  }
  try {
    tool.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) return tool.exit(error);
    print_error(explain(error, tool, count, arguments));
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
