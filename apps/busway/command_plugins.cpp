// busway plugins list, busway plugins reload ID: the plugins of a host that runs elsewhere.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/duration_words.hpp"
#include "base/escape.hpp"
#include "busway/error.hpp"
#include "command.hpp"
#include "config/scalar.hpp"
#include "exit_code.hpp"
#include "find_host.hpp"
#include "host/control_client.hpp"
#include "host/control_socket.hpp"
#include "key_values.hpp"
#include "standard_output.hpp"
#include "table.hpp"
#include "terminal.hpp"

namespace busway::app {
namespace {

/// A list comes at once, unless the host itself hangs.
constexpr std::chrono::seconds kListPatience(30);
constexpr std::chrono::seconds kReloadPatience(60);
constexpr std::chrono::milliseconds kPatienceMax = std::chrono::hours(24);
constexpr std::size_t kHealthBytesMax = 60;

struct PluginsOptions {
  std::string host;
  std::string id;
  std::chrono::milliseconds timeout = kReloadPatience;
  bool json = false;
};

/// A message of the host, which has escaped what others said in it: only what no message should
/// hold is replaced, and a backslash is not doubled.
std::string safe(std::string_view message, std::size_t bytes_max) {
  const std::string escaped = escape(message, bytes_max);
  std::string text;
  for (std::size_t i = 0; i < escaped.size(); ++i) {
    text += escaped[i];
    if (escaped.compare(i, 2, R"(\\)") == 0) ++i;
  }
  return text;
}

/// What has come in place of what was asked for.
std::string reason_in(const Json& error) {
  if (!error.is_object()) return "the host gave no reason but " + safe(error.dump(), 4096);
  const auto message = error.find("message");
  if (message == error.end()) return "the host gave no reason";
  if (message->is_string()) return safe(message->get_ref<const std::string&>(), 4096);
  return "the host gave a reason that is no text: " + safe(message->dump(), 4096);
}

bool is_list_of_objects(const Json& value) {
  return value.is_array() &&
         std::all_of(value.begin(), value.end(), [](const Json& one) { return one.is_object(); });
}

struct Question {
  Json request;
  const char* key;            // of the answer
  bool (*fits)(const Json&);  // what stands there
  const char* wanted;         // that is: "a list"
  std::chrono::nanoseconds patience;
  std::string when_late;  // beside who has not answered, and within what time
};

Json ask_within(host_detail::ControlClient& host, const std::string& path,
                const Question& question) {
  try {
    return host.ask(question.request, question.patience);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::timed_out) throw;
    throw Error(ErrorCode::timed_out, "the host at " + quote(path) + " has not answered within " +
                                          duration_words(question.patience) + "; " +
                                          question.when_late);
  }
}

/// The reply to a request, of the form that was asked for, or the exit code once what is wrong has
/// been said.
std::optional<Json> ask(const PluginsOptions& options, const Question& question, int& code) {
  try {
    const std::string path = find_host(options.host, host_detail::running_hosts);
    host_detail::ControlClient host(path);
    Json reply = ask_within(host, path, question);
    if (const auto error = reply.find("error"); error != reply.end()) {
      print_error(reason_in(*error));
      code = kFailed;
      return std::nullopt;
    }
    const auto found = reply.find(question.key);
    if (found == reply.end() || !question.fits(*found)) {
      host.refuse_answer(
          "its key " + quote(question.key) + " takes " + question.wanted +
          (found == reply.end() ? ", and is not there" : ", and is " + quote(found->dump())));
    }
    return reply;
  } catch (const Error& error) {
    print_error(error.what());
    code = error.code() == ErrorCode::invalid_argument ? kUsage : kFailed;
  }
  return std::nullopt;
}

// -- A plugin as a row ----------------------------------------------------------------------------

/// Of an object; empty where it is not there, as in the reply of another version.
std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return {};
  return found->is_string() ? found->get_ref<const std::string&>() : found->dump();
}

std::string shown(const Json& object, const char* key, std::size_t bytes_max = 200) {
  return safe(text_of(object, key), bytes_max);
}

std::optional<Colour> colour_of(std::string_view word) {
  for (const std::string_view bad : {"failed", "quarantined", "failing"}) {
    if (word == bad) return Colour::red;
  }
  for (const std::string_view doubtful : {"degraded", "unknown"}) {
    if (word == doubtful) return Colour::yellow;
  }
  return std::nullopt;
}

Table::Cell health_cell(const Json& plugin) {
  const auto health = plugin.find("health");
  if (health == plugin.end() || !health->is_object()) return {};
  std::string level = shown(*health, "level");
  const std::optional<Colour> colour = colour_of(level);
  const std::string why = shown(*health, "message", kHealthBytesMax);
  return {why.empty() ? std::move(level) : level + ": " + why, colour};
}

std::string as_table(const Json& plugins) {
  Table table({"ID", "STATE", "GENERATION", "VERSION", "ISOLATION", "PID", "RESTARTS", "QUEUED",
               "HEALTH", "LAST ERROR"});
  for (const Json& plugin : plugins) {
    const std::string state = shown(plugin, "state");
    const std::string process = shown(plugin, "process_id");
    table.add({{shown(plugin, "id")},
               {state, colour_of(state)},
               {shown(plugin, "generation")},
               {shown(plugin, "version")},
               {shown(plugin, "isolation")},
               {process == "0" ? std::string() : process},
               {shown(plugin, "restarts")},
               {shown(plugin, "queued")},
               health_cell(plugin),
               {shown(plugin, "last_error")}});
  }
  return table.text();
}

// -- The commands ---------------------------------------------------------------------------------

int list(const PluginsOptions& options) {
  int code = kDone;
  const std::optional<Json> reply = ask(options,
                                        {.request = {{"do", "plugins"}},
                                         .key = "plugins",
                                         .fits = is_list_of_objects,
                                         .wanted = "a list of objects",
                                         .patience = kListPatience,
                                         .when_late = "it hangs, or is stopped"},
                                        code);
  if (!reply) return code;
  StandardOutput().write(options.json ? dump(*reply) : as_table(reply->at("plugins")));
  return kDone;
}

int reload(const PluginsOptions& options) {
  int code = kDone;
  const std::optional<Json> reply =
      ask(options,
          {.request = {{"do", "reload"}, {"plugin", options.id}},
           .key = "plugin",
           .fits = [](const Json& value) { return value.is_object(); },
           .wanted = "an object",
           .patience = options.timeout,
           .when_late = "the reload of " + quote(options.id) +
                        " was asked for and may still be done: busway plugins list shows its "
                        "state and generation; --timeout waits longer"},
          code);
  if (!reply) return code;
  const Json& plugin = reply->at("plugin");
  StandardOutput().write(options.json ? dump(*reply)
                                      : KeyValueLine()
                                            .add("plugin", text_of(plugin, "id"))
                                            .add("state", text_of(plugin, "state"))
                                            .add("generation", text_of(plugin, "generation"))
                                            .add("version", text_of(plugin, "version"))
                                            .add("held_ms", text_of(plugin, "held_ms"))
                                            .line());
  return kDone;
}

CLI::App* add_command(CLI::App& plugins, const char* name, const char* help,
                      const std::shared_ptr<PluginsOptions>& options) {
  CLI::App* const command = plugins.add_subcommand(name, help);
  command
      ->add_option("--host", options->host,
                   "The host: its process id, or the path of its control socket; not needed while "
                   "one runs")
      ->type_name("PID|PATH");
  command->add_flag("--json", options->json, "Print one JSON object");
  command->footer(kExitCodesHelp);
  return command;
}

}  // namespace

void add_plugins(CLI::App& tool, Chosen& chosen) {
  const auto options = std::make_shared<PluginsOptions>();
  CLI::App* const plugins =
      tool.add_subcommand("plugins", "Look at the plugins of a running host, and act on them");
  plugins->require_subcommand(1);
  plugins->footer(kExitCodesHelp);

  CLI::App* const lists =
      add_command(*plugins, "list", "List them with their state, health and last error", options);
  lists->callback([options, &chosen] { chosen = [options] { return list(*options); }; });

  CLI::App* const reloads = add_command(
      *plugins, "reload", "Replace one by what its file is now; if that fails it runs on", options);
  reloads->add_option("ID", options->id, "The plugin's id")->required();
  reloads
      ->add_option_function<std::string>(
          "--timeout",
          [options](const std::string& text) {
            const auto reading =
                config::read_duration(text, std::chrono::milliseconds(1), kPatienceMax);
            if (!reading.value) throw CLI::ValidationError("--timeout", reading.problem);
            options->timeout = *reading.value;
          },
          "Wait no longer than this: 500ms, 60s, 5m; the host goes on with it. Default: 60s")
      ->type_name("T");
  reloads->callback([options, &chosen] { chosen = [options] { return reload(*options); }; });
}

}  // namespace busway::app
