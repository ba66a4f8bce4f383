// busway match PATTERN [NAME...]: how a string is read, and which names it matches.
#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/escape.hpp"
#include "busway/error.hpp"
#include "busway/pattern.hpp"
#include "busway/topic_name.hpp"
#include "command.hpp"
#include "exit_code.hpp"
#include "key_values.hpp"
#include "standard_output.hpp"
#include "terminal.hpp"

namespace busway::app {
namespace {

constexpr std::size_t kNameBytesMax = 100'000;

struct MatchOptions {
  std::string pattern;
  std::vector<std::string> names;
  std::string wildcards = "glob";
  bool json = false;
};

int match(const MatchOptions& options) {
  const Wildcards wildcards =
      options.wildcards == "segments" ? Wildcards::segments : Wildcards::glob;
  std::optional<Pattern> pattern;
  try {
    pattern = Pattern::parse(options.pattern, wildcards);
  } catch (const Error& error) {
    print_error(error.what());
    return kUsage;
  }

  const std::string explanation = pattern->explain();
  std::string lines;
  Json names = Json::array();
  std::vector<std::string> notes;
  for (const std::string& name : options.names) {
    const bool matches = pattern->matches(name);
    const std::optional<std::string> problem = check_topic(name);
    if (problem) notes.push_back(*problem);
    names.push_back({{"name", name}, {"matches", matches}, {"topic", !problem}});
    lines += escape(name, kNameBytesMax) + '\t' +
             coloured(Stream::out, matches ? Colour::green : Colour::dim, matches ? "yes" : "no") +
             '\n';
  }

  const StandardOutput out;
  if (options.json) {
    out.write(dump({{"pattern", options.pattern},
                    {"kind", to_string(pattern->kind())},
                    {"text", pattern->text()},
                    {"explanation", explanation},
                    {"names", std::move(names)}}));
    return kDone;
  }
  print_note(explanation);
  for (const std::string& note : notes) print_note("no event can have this name: " + note);
  out.write(lines);
  return kDone;
}

}  // namespace

void add_match(CLI::App& tool, Chosen& chosen) {
  const auto options = std::make_shared<MatchOptions>();
  CLI::App* const command =
      tool.add_subcommand("match", "Tell how a pattern is read and which names it matches");
  command
      ->add_option(
          "PATTERN", options->pattern,
          "A pattern as in subscribe(); exact:, glob:, seg: and re: before it say its kind")
      ->required();
  command->add_option(
      "NAME", options->names,
      "Names to match; each gives one line, NAME<tab>yes|no; without one the pattern is explained");
  command
      ->add_option("--wildcards", options->wildcards,
                   "What a plain pattern with wildcards is: glob or segments")
      ->check(CLI::IsMember({"glob", "segments"}));
  command->add_flag("--json", options->json, "Print one JSON object");
  command->footer(std::string("How the pattern was read goes to standard error.\n\n") +
                  kExitCodesHelp);
  command->callback([options, &chosen] { chosen = [options] { return match(*options); }; });
}

}  // namespace busway::app
