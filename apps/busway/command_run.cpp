// busway run CONFIG: hosts the plugins of a file until told to stop, then reports.
#include <CLI/CLI.hpp>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/escape.hpp"
#include "busway/config_error.hpp"
#include "busway/dead_letters.hpp"
#include "busway/error.hpp"
#include "busway/host.hpp"
#include "command.hpp"
#include "config/scalar.hpp"
#include "exit_code.hpp"
#include "host/control_socket.hpp"
#include "key_values.hpp"
#include "plugin_folders.hpp"
#include "signal_watch.hpp"
#include "standard_output.hpp"
#include "store_access.hpp"
#include "terminal.hpp"

namespace busway::app {
namespace {

using Clock = std::chrono::steady_clock;

/// How long a stop may go unnoticed while the host is watched for idleness.
constexpr std::chrono::milliseconds kLookEvery(50);
constexpr std::chrono::milliseconds kDurationMax = std::chrono::hours(24 * 365);

struct RunOptions {
  std::string config;
  std::vector<std::string> plugins;
  std::optional<std::chrono::milliseconds> duration;
  std::optional<std::string> control;  // "off": none
  std::string store;
  bool until_idle = false;
  bool watch = false;
  bool verbose = false;
  bool json = false;
};

enum class EndedBy : unsigned char { idle, duration, sigint, sigterm };

std::string_view to_string(EndedBy reason) noexcept {
  switch (reason) {
    case EndedBy::idle: return "idle";
    case EndedBy::duration: return "duration";
    case EndedBy::sigint: return "SIGINT";
    case EndedBy::sigterm: return "SIGTERM";
  }
  return {};
}

void reload(Host& host) {
  const ReloadResult result = host.reload();
  for (const ConfigIssue& issue : result.issues) {
    if (issue.severity == ConfigIssue::Severity::warning)
      print_note("warning: " + busway::to_string(issue));
  }
  if (!result.ok()) {
    print_error("the configuration was re-read and refused; the old one stays in force:\n" +
                result.error);
    return;
  }
  std::string text = "the configuration was re-read; ";
  if (result.keys.empty()) {
    print_note(text + "nothing differs");
    return;
  }
  text += "these keys differ and take effect at the next start:";
  for (const std::string& key : result.keys) text += ' ' + escape(key);
  print_note(text);
}

EndedBy run_until_end(Host& host, SignalWatch& signals, const RunOptions& options) {
  const Clock::time_point deadline = Clock::now() + options.duration.value_or(kDurationMax);
  for (;;) {
    if (const int signal = signals.stop_signal(); signal != 0) {
      return signal == SIGINT ? EndedBy::sigint : EndedBy::sigterm;
    }
    if (signals.take_reload()) reload(host);
    const Clock::time_point now = Clock::now();
    if (options.duration && now >= deadline) return EndedBy::duration;
    if (!options.until_idle) {
      signals.wait(deadline);
    } else if (host.wait_until_idle(
                   std::min<std::chrono::nanoseconds>(kLookEvery, deadline - now))) {
      return EndedBy::idle;
    }
  }
}

int explain_refusal(const Error& error) {
  print_error(error.what());
  switch (error.code()) {
    case ErrorCode::invalid_config:
    case ErrorCode::not_yet:
    case ErrorCode::plugin_requires: return kFaultyFile;
    default: return kFailed;
  }
}

/// Events that nobody will handle any more: the process ends, and its memory with it.
struct LeftOver {
  std::uint64_t dropped = 0;                          // while it stopped
  std::map<std::string, std::uint64_t> dead_letters;  // by plugin
  std::uint64_t all_dead_letters = 0;
};

LeftOver find_left_over(Host& host, std::uint64_t dropped_before) {
  LeftOver left;
  left.dropped = host.bus().stats().dropped - dropped_before;
  for (const DeadLetter& letter : host.bus().dead_letters().list()) {
    if (letter.stored) continue;  // it stays
    ++left.dead_letters[letter.owner.empty() ? letter.name : letter.owner];
    ++left.all_dead_letters;
  }
  return left;
}

void tell(const LeftOver& left) {
  if (left.dropped > 0) {
    print_note("warning: events were left over when all stopped and are dropped, dropped=" +
               std::to_string(left.dropped));
  }
  for (const auto& [who, count] : left.dead_letters) {
    print_note("warning: dead letters of " + quote(who) +
               " were left over, count=" + std::to_string(count) + "; they end with this process");
  }
}

std::string as_json(const HostReport& report, EndedBy reason,
                    const std::vector<PluginProblem>& problems, const LeftOver& left) {
  Json all = to_json(report);
  all["ended_by"] = to_string(reason);
  all["left_over"] = {{"dropped", left.dropped}, {"dead_letters", left.all_dead_letters}};
  Json& list = all["problems"] = Json::array();
  for (const PluginProblem& problem : problems) {
    list.push_back({{"plugin", problem.id},
                    {"code", busway::to_string(problem.code)},
                    {"message", problem.message}});
  }
  return dump(all);
}

int run(const RunOptions& options) {
  SignalWatch signals;  // first: the threads of the host inherit what it blocks
  const StandardOutput out(options.json ? StandardOutput::Plugins::to_standard_error
                                        : StandardOutput::Plugins::share_it);
  InitializeOptions initial;
  initial.plugin_folders = plugin_folders(options.plugins);
  initial.watch_plugins = options.watch;
  initial.store = options.store;
  if (!options.control) {
    initial.control = host_detail::default_control_path();
    initial.control_need = ControlNeed::optional;
  } else if (*options.control != "off") {
    initial.control = *options.control;
  }
  initial.log = log_to_terminal(options.verbose ? LogLevel::debug : LogLevel::warning);
  std::optional<Host> host;
  try {
    host.emplace(initialize(options.config, initial));
  } catch (const Error& error) {
    return explain_refusal(error);
  }

  const EndedBy reason = run_until_end(*host, signals, options);
  const std::uint64_t dropped_before = host->bus().stats().dropped;
  const HostStopResult stopped = host->stop(std::chrono::seconds(30), to_string(reason));
  std::vector<PluginProblem> problems = host->problems();
  problems.insert(problems.end(), stopped.problems.begin(), stopped.problems.end());
  const HostReport report = host->report();
  const LeftOver left = find_left_over(*host, dropped_before);
  out.write(options.json ? as_json(report, reason, problems, left) : to_lines(report));
  tell(left);
  const bool all_was_handled = stopped.ok() && left.dropped + left.all_dead_letters == 0;
  return problems.empty() && all_was_handled ? kDone : kProblems;
}

}  // namespace

void add_run(CLI::App& tool, Chosen& chosen) {
  const auto options = std::make_shared<RunOptions>();
  CLI::App* const command =
      tool.add_subcommand("run", "Host the plugins of a configuration until told to stop");
  command->add_option("CONFIG", options->config, "The YAML file")->required();
  command->add_flag(
      "--until-idle", options->until_idle,
      "End when every source has reached its end and nothing is left to do; timers do not count");
  command
      ->add_option_function<std::string>(
          "--duration",
          [options](const std::string& text) {
            const auto reading =
                config::read_duration(text, std::chrono::milliseconds(0), kDurationMax);
            if (!reading.value) throw CLI::ValidationError("--duration", reading.problem);
            options->duration = reading.value;
          },
          "End after this time: 100ms, 5s, 2m")
      ->type_name("T");
  command->add_flag("--watch", options->watch,
                    "Reload a plugin when its file has been written or replaced");
  command
      ->add_option_function<std::string>(
          "--control",
          [options](const std::string& text) {
            if (text.empty()) throw CLI::ValidationError("--control", "takes a path, or off");
            options->control = text;
          },
          "Let busway plugins reach this host at this socket; off: not at all")
      ->type_name("PATH|off");
  command->add_option("--plugins", options->plugins, kPluginsHelp)
      ->type_name("DIR")
      ->expected(1)
      ->take_all();
  command
      ->add_option("--store", options->store,
                   "Keep events there, whatever the file says: sqlite:PATH, memory:")
      ->type_name("URL")
      ->check(&fault_of_address);
  command->add_flag("--verbose", options->verbose,
                    "Show all log lines, not only warnings and errors");
  command->add_flag("--json", options->json,
                    "Print one JSON object at the end; what plugins print goes to standard error");
  command->footer(
      std::string("SIGINT and SIGTERM stop gracefully: what is queued is handled, the report is "
                  "printed. A second\n"
                  "one ends at once. SIGHUP reads the file again and tells what differs.\n\n") +
      kExitCodesHelp);
  command->callback([options, &chosen] { chosen = [options] { return run(*options); }; });
}

}  // namespace busway::app
