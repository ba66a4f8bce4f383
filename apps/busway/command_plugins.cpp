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

#include "base/escape.hpp"
#include "busway/error.hpp"
#include "command.hpp"
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
constexpr std::size_t kHealthBytesMax = 60;

struct PluginsOptions {
  std::string host;
  std::string id;
  bool json = false;
};

/// A message of the host, which has escaped what others said in it: only what no message should
/// hold is replaced, and a backslash is not doubled.
std::string safe(std::string_view message, std::size_t bytes_max) {
  std::string text;
  for (;;) {
    const std::size_t end = message.find('\\');
    text += escape(message.substr(0, end), bytes_max);
    if (end == std::string_view::npos || end >= bytes_max) return text;
    text += '\\';
    message.remove_prefix(end + 1);
    bytes_max -= end;
  }
}

/// The reply to a request, or the exit code once what is wrong has been said.
std::optional<Json> ask(const PluginsOptions& options, const Json& request,
                        std::chrono::nanoseconds patience, int& code) {
  try {
    host_detail::ControlClient host(find_host(options.host, host_detail::running_hosts));
    Json reply = host.ask(request, patience);
    if (!reply.contains("error")) return reply;
    const Json& error = reply["error"];
    print_error(error.is_object() ? safe(error.value("message", "the host gave no reason"), 4096)
                                  : safe(error.dump(), 4096));
    code = kFailed;
  } catch (const Error& error) {
    print_error(error.what());
    code = error.code() == ErrorCode::invalid_argument ? kUsage : kFailed;
  }
  return std::nullopt;
}

// -- A plugin as a row ----------------------------------------------------------------------------

/// Of an object; empty where it is not there, as in the reply of another version.
std::string text_of(const Json& object, const char* key) {
  if (!object.is_object()) return {};
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
    if (!plugin.is_object()) continue;
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
  const std::optional<Json> reply = ask(options, {{"do", "plugins"}}, kListPatience, code);
  if (!reply) return code;
  StandardOutput().write(options.json ? dump(*reply) : as_table(reply->value("plugins", Json())));
  return kDone;
}

int reload(const PluginsOptions& options) {
  int code = kDone;
  const std::optional<Json> reply = ask(options, {{"do", "reload"}, {"plugin", options.id}},
                                        std::chrono::nanoseconds::max(), code);
  if (!reply) return code;
  const Json plugin = reply->value("plugin", Json());
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
  reloads->callback([options, &chosen] { chosen = [options] { return reload(*options); }; });
}

}  // namespace busway::app
