#include "host/host_config.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "busway/error.hpp"
#include "config_folder.hpp"

namespace busway::host_detail {
namespace {

HostConfig read(const ConfigFolder& folder) {
  config::Issues issues(folder.file());
  HostConfig config = read_host_config(folder.file(), issues);
  issues.throw_if_errors();
  return config;
}

TEST(HostConfig, GivesTheBusEveryKeyOfItsSection) {
  const ConfigFolder folder(
      "event_broker:\n"
      "  enabled: false\n"
      "  mode: async\n"
      "  worker_count: 3\n"
      "  buffer_size: 77\n"
      "  instance_id: node-1\n"
      "  overflow: drop_oldest\n"
      "  max_hops: 5\n"
      "  wildcards: segments\n"
      "  trace: true\n"
      "  provider: sqlite:e.db\n"
      "  keep: [order.*]\n"
      "  durability: process_crash\n"
      "  durable_expiry: 30d\n"
      "  compress_above: 1KiB\n"
      "  store_timeout: 2s\n"
      "  retention: {max_age: 1h, max_events: 5, max_size: 2MiB}\n"
      "history:\n"
      "  size: 9\n");
  const BusOptions options = bus_options(read(folder), {});
  EXPECT_FALSE(options.enabled);
  EXPECT_EQ(options.mode, Mode::async);
  EXPECT_EQ(options.worker_count, 3U);
  EXPECT_EQ(options.queue_capacity, 77U);
  EXPECT_EQ(options.instance_id, "node-1");
  EXPECT_EQ(options.overflow, Overflow::drop_oldest);
  EXPECT_EQ(options.max_hops, 5U);
  EXPECT_EQ(options.wildcards, Wildcards::segments);
  EXPECT_TRUE(options.trace);
  EXPECT_EQ(options.history, 9U);
  EXPECT_EQ(options.store, "sqlite:e.db");
  EXPECT_EQ(options.keep, std::vector<std::string>{"order.*"});
  const StoreOptions& store = options.store_options;
  EXPECT_EQ(store.durability, Durability::process_crash);
  EXPECT_EQ(store.durable_expiry, std::chrono::hours(24 * 30));
  EXPECT_EQ(store.compress_above, 1024U);
  EXPECT_EQ(store.timeout, std::chrono::seconds(2));
  EXPECT_EQ(store.retention.max_age, std::chrono::hours(1));
  EXPECT_EQ(store.retention.max_events, 5U);
  EXPECT_EQ(store.retention.max_bytes, std::uint64_t{2} << 20U);
}

TEST(HostConfig, ThatSaysNothingGivesTheBusItsDefaults) {
  const BusOptions defaults;
  const BusOptions options = bus_options(read(ConfigFolder("plugins: []\n")), {});
  EXPECT_EQ(options.enabled, defaults.enabled);
  EXPECT_EQ(options.mode, defaults.mode);
  EXPECT_EQ(options.worker_count, defaults.worker_count);
  EXPECT_EQ(options.queue_capacity, defaults.queue_capacity);
  EXPECT_EQ(options.instance_id, defaults.instance_id);
  EXPECT_EQ(options.overflow, defaults.overflow);
  EXPECT_EQ(options.max_hops, defaults.max_hops);
  EXPECT_EQ(options.wildcards, defaults.wildcards);
  EXPECT_EQ(options.trace, defaults.trace);
  EXPECT_EQ(options.history, defaults.history);
  EXPECT_EQ(options.store, defaults.store);
  const StoreOptions& store = options.store_options;
  EXPECT_EQ(store.durability, defaults.store_options.durability);
  EXPECT_EQ(store.durable_expiry, defaults.store_options.durable_expiry);
  EXPECT_EQ(store.compress_above, defaults.store_options.compress_above);
  EXPECT_EQ(store.timeout, defaults.store_options.timeout);
  EXPECT_TRUE(store.retention.keeps_all());
}

TEST(HostConfig, KnowsItsFolderAsAVariable) {
  const ConfigFolder folder(
      "plugins:\n"
      "  - path: x\n"
      "    config: {sample: \"${BUSWAY_CONFIG_DIR}/a.txt\"}\n");
  const HostConfig config = read(folder);
  EXPECT_EQ(config.folder, folder.path().string());
  EXPECT_EQ(config.values.plugins.at(0).config.at("sample"), folder.file("a.txt"));
}

TEST(HostConfig, RefusesProvidersOfLaterVersionsAtTheirLine) {
  for (const std::string provider : {"sqlite", "redis", "nats", "sqlite:a.db"}) {
    const ConfigFolder folder("event_broker:\n  provider: " + provider + "\n");
    const std::vector<ConfigIssue> issues = provider_issues(read(folder));
    ASSERT_EQ(issues.size(), 1U) << provider;
    EXPECT_EQ(issues[0].line, 2);
    EXPECT_NE(issues[0].message.find("memory"), std::string::npos) << issues[0].message;
    EXPECT_NE(issues[0].message.find(provider.substr(0, provider.find(':'))), std::string::npos);
  }
  EXPECT_TRUE(
      provider_issues(read(ConfigFolder("event_broker: {provider: \"memory:\"}\n"))).empty());
}

TEST(HostConfig, TheRetryPolicyIsThatOfTheBus) {
  const ConfigFolder folder(
      "event_broker:\n"
      "  retry_policy: {max_retries: 2, initial_delay: 5ms, max_delay: 1s, backoff_factor: 3}\n");
  config::Issues issues(folder.file());
  const HostConfig config = read_host_config(folder.file(), issues);
  EXPECT_TRUE(issues.sorted().empty());
  const RetryPolicy retry = bus_options(config, {}).retry;
  EXPECT_EQ(retry.max_retries, 2U);
  EXPECT_EQ(retry.initial_delay, std::chrono::milliseconds(5));
  EXPECT_EQ(retry.max_delay, std::chrono::seconds(1));
  EXPECT_EQ(retry.backoff_factor, 3.0);
}

TEST(HostConfig, WithoutARetryPolicyThatOfTheBusStays) {
  const ConfigFolder folder("event_broker: {}\n");
  config::Issues issues(folder.file());
  const RetryPolicy retry = bus_options(read_host_config(folder.file(), issues), {}).retry;
  EXPECT_EQ(retry.max_retries, RetryPolicy{}.max_retries);
  EXPECT_EQ(retry.initial_delay, RetryPolicy{}.initial_delay);
}

TEST(HostConfig, RefusesTheBadPatternsOfPluginsAndReadsTheOthers) {
  const ConfigFolder folder(
      "plugins:\n"
      "  - path: x\n"
      "    config:\n"
      "      patterns:\n"
      "        - chat.*\n"
      "        - ((a{100}){100}){100}\n"
      "      deeper: [{pattern: '^phase'}]\n");
  config::Issues issues(folder.file());
  const HostConfig config = read_host_config(folder.file(), issues);
  ASSERT_EQ(issues.sorted().size(), 1U);
  EXPECT_EQ(issues.sorted()[0].path, "plugins[0].config.patterns[1]");
  EXPECT_EQ(issues.sorted()[0].line, 6);
  ASSERT_EQ(config.patterns.size(), 2U);
  EXPECT_EQ(config.patterns[0].pattern, Pattern::glob("chat.*"));
  EXPECT_EQ(config.patterns[1].pattern, Pattern::regex("^phase"));
  EXPECT_EQ(config.patterns[1].path, "plugins[0].config.deeper[0].pattern");
}

TEST(HostConfig, ReadsPatternsAsTheBusWill) {
  const ConfigFolder folder(
      "event_broker: {wildcards: segments}\n"
      "plugins:\n"
      "  - path: x\n"
      "    config: {pattern: chat.*}\n");
  EXPECT_EQ(read(folder).patterns.at(0).pattern, Pattern::segments("chat.*"));
}

std::vector<std::string> changes(const std::string& before, const std::string& after) {
  return changed_keys(config::parse_document(before, "a"), config::parse_document(after, "b"));
}

TEST(ChangedKeys, NameWhatIsNewGoneOrOtherAndNothingElse) {
  EXPECT_EQ(changes("a: 1\nb: {c: 2, d: 3}\n", "a: 1\nb: {d: 4, e: 5}\n"),
            (std::vector<std::string>{"b.c", "b.d", "b.e"}));
  EXPECT_EQ(changes("l: [1, 2]\n", "l: [1, 2, 3]\n"), std::vector<std::string>{"l[2]"});
  EXPECT_EQ(changes("a: 5\n", "a: \"5\"\n"), std::vector<std::string>{"a"});
  EXPECT_EQ(changes("a: 1 # one\nb: 2\n", "b: 2\na: 1\n"), std::vector<std::string>{});
}

}  // namespace
}  // namespace busway::host_detail
