#include "settings.hpp"

#include <cstdint>
#include <nlohmann/json.hpp>

#include "shared/settings_reader.hpp"

namespace notifier {
namespace {

using shared::SettingsReader;
using std::chrono::milliseconds;

const std::vector<std::string> kUsual{"quality.alert", "system.error", "plugin.error",
                                      "phase.final_failure", "chain.failed"};

/// A program and its arguments, or with shell: true one text for the shell.
std::vector<std::string> read_command(SettingsReader& in, const nlohmann::json& config) {
  const bool shell = in.flag("shell", false);
  if (!in.has("command")) {
    if (shell) in.miss("command", "with shell: true a text for the shell");
    return {};
  }
  if (shell) return {"/bin/sh", "-c", in.text("command")};
  if (config.at("command").is_string() &&
      config.at("command").get_ref<const std::string&>().find_first_of(" \t") !=
          std::string::npos) {
    in.refuse("command",
              "a list of the program and each of its arguments, or shell: true beside a text,");
  }
  return in.texts("command");
}

}  // namespace

Settings read_settings(const nlohmann::json& config) {
  Settings out;
  shared::read_settings("notifier", config, [&](SettingsReader& in) {
    if (in.flag("usual", true)) out.patterns = kUsual;
    for (std::string& one : in.texts("patterns", {})) out.patterns.push_back(std::move(one));
    if (out.patterns.empty()) in.miss("patterns", "with usual: false at least one pattern");
    out.command = read_command(in, config);
    // A stop waits for two of them, and has 30 s.
    out.command_timeout = in.duration("command_timeout", out.command_timeout,
                                      {milliseconds(10), std::chrono::seconds(10)});
    out.secret_keys = in.texts("secret_keys", {});

    GroupOptions& groups = out.groups;
    constexpr milliseconds kLongest = std::chrono::days(1);
    groups.wait = in.duration("wait", std::chrono::seconds(1), {milliseconds(0), kLongest});
    groups.interval = in.duration("interval", std::chrono::minutes(1), {milliseconds(0), kLongest});
    groups.notices_max = static_cast<std::size_t>(
        in.integer("notices_max", static_cast<std::int64_t>(groups.notices_max), {1, 10'000}));
    groups.within = in.duration("within", std::chrono::minutes(1), {milliseconds(1), kLongest});
    groups.groups_max = static_cast<std::size_t>(
        in.integer("groups_max", static_cast<std::int64_t>(groups.groups_max), {1, 1'024}));
  });
  return out;
}

}  // namespace notifier
