// config/config.hpp -- the whole configuration file, as far as this layer knows its sections.
// Layer: config
//
// Model      load_config(path) answers with the values, the document they came from (for issue_at,
//            masked_dump) and the warnings. load_text is the same for a text. A layer to the right
//            that adds a section of its own makes a root struct with the sections here and its own,
//            and calls load_as with it.
// Threads    [any-thread]
// Errors     Throws ConfigError with everything that is wrong; nothing is returned then, so a
//            reload keeps what it has.
// Cost       Reads and parses the file once.
// Example    tests/config/config_test.cpp
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/broker_section.hpp"
#include "config/document.hpp"
#include "config/plugin_section.hpp"
#include "config/section.hpp"

namespace busway::config {

struct HistorySection {
  std::uint32_t size = 100;  // events; 0 keeps none
};

[[nodiscard]] const Section<HistorySection>& history_section();

struct Config {
  BrokerSection event_broker{};
  std::vector<PluginSection> plugins{};
  HistorySection history{};
  std::vector<std::string> secret_keys{};  // in force since the file was opened: Document::secrets
};

[[nodiscard]] const Section<Config>& config_section();

/// Refuses two plugins of one id; for the check of a root section.
void check_plugin_ids(const std::vector<PluginSection>& plugins, const Checker& checker);

template <class Root>
struct Loaded {
  Root value{};
  Document document{};
  std::vector<ConfigIssue> warnings{};
};

/// Reads the root map of an opened document as `section` declares it; throws if the issues then
/// hold an error.
template <class Root>
[[nodiscard]] Loaded<Root> load_as(Document document, Issues& issues,
                                   const Section<Root>& section) {
  Loaded<Root> loaded;
  const Place place{.issues = &issues, .secrets = &document.secrets};
  if (document.root != nullptr) section.read(*document.root, loaded.value, place);
  issues.throw_if_errors();
  loaded.warnings = issues.sorted();
  loaded.document = std::move(document);
  return loaded;
}

[[nodiscard]] Loaded<Config> load_config(const std::string& path, const ReadOptions& options = {});
[[nodiscard]] Loaded<Config> load_text(std::string_view text, const std::string& name,
                                       const ReadOptions& options = {});

}  // namespace busway::config
