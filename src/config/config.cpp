#include "config/config.hpp"

#include <map>

#include "base/escape.hpp"
#include "busway/limits.hpp"

namespace busway::config {
namespace {

constexpr std::string_view kSecretKeyLetters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

Section<HistorySection> make_history_section() {
  Section<HistorySection> section("What the bus remembers.");
  section.integer("size", &HistorySection::size,
                  {0, static_cast<std::int64_t>(limits::kHistoryMax)},
                  "Events kept in memory; 0 keeps none.");
  return section;
}

Section<Config> make_config_section() {
  Section<Config> section("A configuration file of busway.");
  section.section("event_broker", &Config::event_broker, broker_section())
      .list("plugins", &Config::plugins, plugin_section())
      .section("history", &Config::history, history_section())
      .texts("secret_keys", &Config::secret_keys,
             {.bytes_min = 1,
              .bytes_max = 128,
              .letters = std::string(kSecretKeyLetters),
              .form = "words of letters, digits and _ -"},
             "Further words that mark a key as secret.")
      .not_yet("gateway", "HTTP and WebSocket.")
      .check([](Config& config, const Checker& checker) {
        check_plugin_ids(config.plugins, checker);
      });
  return section;
}

}  // namespace

const Section<HistorySection>& history_section() {
  static const Section<HistorySection> section = make_history_section();
  return section;
}

const Section<Config>& config_section() {
  static const Section<Config> section = make_config_section();
  return section;
}

void check_plugin_ids(const std::vector<PluginSection>& plugins, const Checker& checker) {
  std::map<std::string, std::size_t> seen;
  for (std::size_t i = 0; i < plugins.size(); ++i) {
    if (!plugins[i].id) continue;
    const auto [first, inserted] = seen.emplace(*plugins[i].id, i);
    if (inserted) continue;
    checker.error("plugins[" + std::to_string(i) + "].id",
                  quote(*plugins[i].id) + " is the id of plugins[" + std::to_string(first->second) +
                      "] already; give each its own");
  }
}

Loaded<Config> load_config(const std::string& path, const ReadOptions& options) {
  Issues issues(path);
  Document document = open_document(path, options, issues);
  return load_as(std::move(document), issues, config_section());
}

Loaded<Config> load_text(std::string_view text, const std::string& name,
                         const ReadOptions& options) {
  Issues issues(name);
  Document document = open_text(text, name, options, issues);
  return load_as(std::move(document), issues, config_section());
}

}  // namespace busway::config
