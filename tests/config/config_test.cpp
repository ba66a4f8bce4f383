#include "config/config.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

#include <test_paths.hpp>
#include "problems.hpp"

namespace busway::config {
namespace {

TEST(Config, OfAnEmptySectionIsAllDefaults) {
  const Config config = config_of("event_broker:\n");
  EXPECT_TRUE(config.event_broker.enabled);
  EXPECT_TRUE(config.plugins.empty());
  EXPECT_EQ(config.history.size, 100U);
}

TEST(Config, ReadsTheHistorySize) {
  EXPECT_EQ(config_of("history: {size: 0}\n").history.size, 0U);
  EXPECT_EQ(errors_in("history: {size: 1048577}\n"),
            Lines{"f.yaml:1: history.size: 1048577 is out of range; it must be 0 to 1048576"});
}

TEST(Config, SaysThatTheGatewayIsNotOfferedYet) {
  EXPECT_EQ(errors_in("gateway: {port: 80}\n"),
            Lines{"f.yaml:1: gateway: this version does not offer it yet; remove it"});
}

TEST(Config, NamesTheNearestSectionAndTheOneAKeyBelongsTo) {
  EXPECT_EQ(errors_in("event-broker: {}\nworker_count: 2\nmax_retries: 1\n"),
            (Lines{"f.yaml:1: event-broker: unknown key; did you mean event_broker?",
                   "f.yaml:2: worker_count: unknown key here; it belongs under event_broker, as "
                   "event_broker.worker_count",
                   "f.yaml:3: max_retries: unknown key here; it belongs under event_broker, as "
                   "event_broker.retry_policy.max_retries"}));
}

TEST(Config, ReportsFaultsOfFormAndOfMeaningTogether) {
  EXPECT_EQ(errors_in("history:\n  size: 010\n  size: 3\nplugins: 5\n"),
            (Lines{"f.yaml:2: history.size: 010 begins with a zero: old YAML reads it as octal, 8, "
                   "new YAML as 10; write 10",
                   "f.yaml:3: history.size: the key stands twice in this map, first in line 2; "
                   "remove one",
                   "f.yaml:4: plugins: expected a list, each item after \"- \", found a single "
                   "value"}));
}

TEST(Config, KeepsTheDocumentSoThatLaterStagesCanNameALine) {
  const auto loaded = load_text("event_broker:\n  provider: sqlite\n", "f.yaml");
  EXPECT_EQ(to_string(loaded.document.issue_at("event_broker.provider", "is not offered yet",
                                               ConfigIssue::Severity::error)),
            "f.yaml:2: event_broker.provider: is not offered yet");
}

// --- docs/configuration.md ---

std::string page() {
  std::ifstream file(BUSWAY_SOURCE_DIR "/docs/configuration.md");
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> samples(const std::string& text) {
  const std::string fence = "```yaml\n";
  std::vector<std::string> found;
  for (std::size_t at = text.find(fence); at != std::string::npos; at = text.find(fence, at + 1)) {
    const std::size_t begin = at + fence.size();
    found.push_back(text.substr(begin, text.find("```", begin) - begin));
  }
  return found;
}

// HOSTNAME aside, which busway knows itself, no variable is set: whoever copies a sample has none.
TEST(ConfigurationPage, HoldsOnlySamplesThatAreAccepted) {
  const std::vector<std::string> found = samples(page());
  ASSERT_GE(found.size(), 2U);
  const ReadOptions options = with_variables({{"HOSTNAME", "host"}});
  for (const std::string& sample : found) {
    EXPECT_EQ(errors_in(sample, options), Lines{}) << sample;
    EXPECT_EQ(warnings_in(sample, options), Lines{}) << sample;
  }
}

// One row a key: | `path` | type | default | ... |, and its values and unset meaning as declared.
TEST(ConfigurationPage, ListsEveryKeyWithItsTypeAndDefault) {
  const std::string text = page();
  ASSERT_FALSE(text.empty());
  for (const KeyInfo& key : config_section().keys()) {
    if (key.type == "not yet" || key.type.find("section") != std::string::npos) {
      EXPECT_NE(text.find("`" + key.path + "`"), std::string::npos) << key.path;
      continue;
    }
    if (key.path.find(".database.") != std::string::npos) continue;  // the keys of postgres
    const std::string row = "| `" + key.path + "` | " + key.type + " | " +
                            (key.default_text.empty() ? "" : key.default_text + " ") + "|";
    EXPECT_NE(text.find(row), std::string::npos) << row;
    if (key.values.empty()) continue;
    EXPECT_NE(text.find(row + " " + key.values + " |"), std::string::npos) << row << key.values;
  }
}

}  // namespace
}  // namespace busway::config
