// busway audit verify FILE...: whether an audit log is as it was written.
#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "audit_verifier.hpp"
#include "base/escape.hpp"
#include "command.hpp"
#include "exit_code.hpp"
#include "key_values.hpp"
#include "standard_output.hpp"
#include "terminal.hpp"

namespace busway::app {
namespace {

struct VerifyOptions {
  std::vector<std::string> files;
  std::string head;
  std::uint64_t from = 1;
  bool partial = false;
  bool json = false;
};

Json as_json(const AuditReport& report, bool ok) {
  Json files = Json::array();
  for (const AuditFileReport& file : report.files) {
    files.push_back({{"file", escape(file.file, 4096)},
                     {"lines", file.lines},
                     {"first", file.first},
                     {"last", file.last}});
  }
  Json problems = Json::array();
  for (const AuditProblem& problem : report.problems) {
    problems.push_back(
        {{"file", escape(problem.file, 4096)}, {"line", problem.line}, {"problem", problem.what}});
  }
  return {{"whole", ok},
          {"lines", report.lines},
          {"first", report.first},
          {"head", report.head},
          {"files", std::move(files)},
          {"problems", std::move(problems)},
          {"problems_found", report.problems_found}};
}

std::string counted(std::uint64_t number, const char* one, const char* many) {
  return std::to_string(number) + ' ' + (number == 1 ? one : many);
}

std::string as_text(const AuditReport& report) {
  std::string text;
  for (const AuditProblem& problem : report.problems) {
    text += escape(problem.file, 4096) + ':' + std::to_string(problem.line) + ": " + problem.what +
            '\n';
  }
  if (report.problems_found > report.problems.size()) {
    text +=
        "and " +
        counted(report.problems_found - report.problems.size(), "more problem", "more problems") +
        '\n';
  }
  for (const AuditFileReport& file : report.files) {
    text += escape(file.file, 4096) + ": " + counted(file.lines, "line", "lines");
    if (file.first != 0)
      text += ", " + std::to_string(file.first) + " to " + std::to_string(file.last);
    text += '\n';
  }
  return text;
}

int verify(const VerifyOptions& options) {
  const bool is_hash = options.head.size() == 64 &&
                       options.head.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!options.head.empty() && !is_hash) {
    print_error(quote(options.head) +
                " is no hash of a line, which has 64 digits, 0 to 9 and a to f (--head)");
    return kUsage;
  }
  const AuditReport report =
      verify_audit(options.files, options.head, options.partial ? 0 : options.from);
  const bool head_is_missing = !options.head.empty() && !report.has_known_hash;
  const bool ok = report.whole() && !head_is_missing;
  const StandardOutput out;
  if (options.json) {
    Json all = as_json(report, ok);
    if (!options.head.empty()) all["head_found"] = report.has_known_hash;
    out.write(dump(all));
    return ok ? kDone : kProblems;
  }
  std::string text = as_text(report);
  if (head_is_missing) {
    text += "no line has the hash " + options.head +
            ": lines at the end were removed, or the chain is another\n";
  }
  text +=
      ok ? coloured(Stream::out, Colour::green, "whole") + ": " +
               counted(report.lines, "line", "lines") +
               (report.first == 1 ? "" : " from " + std::to_string(report.first)) + ", head " +
               report.head
         : coloured(Stream::out, Colour::red, "not whole") + ": " +
               counted(report.problems_found + (head_is_missing ? 1 : 0), "problem", "problems");
  out.write(text + '\n');
  return ok ? kDone : kProblems;
}

}  // namespace

void add_audit(CLI::App& tool, Chosen& chosen) {
  CLI::App* const command = tool.add_subcommand("audit", "Look at logs of the plugin audit-log");
  command->require_subcommand(1);
  const auto options = std::make_shared<VerifyOptions>();
  CLI::App* const verb = command->add_subcommand(
      "verify", "Find lines that were changed, removed or moved, with their file and line");
  verb->add_option("FILE", options->files,
                   "The log and its rotated files, in any order; their chain must be one")
      ->required();
  verb->add_option("--head", options->head,
                   "The hash of a line that is known to be there, such as the head of an earlier "
                   "look: finds that lines at the end were removed");
  CLI::Option* const from =
      verb->add_option("--from", options->from,
                       "The number of the line that the chain begins with, where older files are "
                       "gone on purpose; default 1")
          ->type_name("SEQ")
          ->check(CLI::PositiveNumber);
  verb->add_flag("--partial", options->partial,
                 "The chain may begin anywhere: what was before is not looked for")
      ->excludes(from);
  verb->add_flag("--json", options->json, "Print one JSON object");
  verb->footer(
      "Exit codes: 0 the chain is whole; 1 it is not; 2 the command line cannot be used; "
      "4 a file\ncannot be read.");
  verb->callback([options, &chosen] { chosen = [options] { return verify(*options); }; });
}

}  // namespace busway::app
