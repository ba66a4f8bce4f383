#include "host/host_config.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <utility>

#include "base/escape.hpp"
#include "busway/error.hpp"
#include "busway/store_provider.hpp"
#include "host/configured_patterns.hpp"

namespace busway::host_detail {
namespace {

namespace fs = std::filesystem;

std::string folder_of(const std::string& path) {
  std::error_code error;
  const fs::path absolute = fs::absolute(path, error);
  const fs::path folder = error ? fs::path("/") : absolute.parent_path();
  const fs::path real = fs::weakly_canonical(folder, error);
  return error ? folder.lexically_normal().string() : real.string();
}

RetryPolicy to_retry(const config::RetrySection& section) {
  RetryPolicy policy;
  if (section.max_retries) policy.max_retries = *section.max_retries;
  policy.initial_delay = section.initial_delay;
  policy.max_delay = section.max_delay;
  policy.backoff_factor = section.backoff_factor;
  return policy;
}

Overflow to_overflow(config::OverflowPolicy policy) noexcept {
  switch (policy) {
    case config::OverflowPolicy::reject: return Overflow::reject;
    case config::OverflowPolicy::block: return Overflow::block;
    case config::OverflowPolicy::drop_oldest: return Overflow::drop_oldest;
    case config::OverflowPolicy::drop_newest: return Overflow::drop_newest;
  }
  return Overflow::reject;
}

using Flat = std::map<std::string, std::string>;

void flatten(const config::Node& node, const std::string& path, Flat& out) {
  using Kind = config::Node::Kind;
  switch (node.kind) {
    case Kind::null: out[path] = "null"; return;
    // Quotes can make another value of the same text, so they count.
    case Kind::scalar:
      out[path] = (node.style == config::Node::Style::quoted ? "quoted " : "plain ") + node.text;
      return;
    case Kind::list:
      if (node.items.empty()) out[path] = "[]";
      for (std::size_t i = 0; i < node.items.size(); ++i) {
        flatten(*node.items[i], path + '[' + std::to_string(i) + ']', out);
      }
      return;
    case Kind::map:
      if (node.entries.empty()) out[path] = "{}";
      for (const config::Entry& entry : node.entries) {
        flatten(*entry.value, path.empty() ? entry.key : path + '.' + entry.key, out);
      }
      return;
  }
}

Flat flatten(const config::Document& document) {
  Flat out;
  if (document.root != nullptr) flatten(*document.root, {}, out);
  return out;
}

}  // namespace

HostConfig read_host_config(const std::string& path, config::Issues& issues,
                            const std::vector<std::string>& secret_keys) {
  HostConfig config;
  config.folder = folder_of(path);
  config::ReadOptions options;
  for (const std::string& word : secret_keys) options.secrets.add(word);
  options.variables = [folder =
                           config.folder](const std::string& name) -> std::optional<std::string> {
    if (name == "BUSWAY_CONFIG_DIR") return folder;
    return config::process_variable(name);
  };
  config.document = config::open_document(path, options, issues);
  if (config.document.root == nullptr) return config;
  const config::Place place{.issues = &issues, .secrets = &config.document.secrets};
  config::config_section().read(*config.document.root, config.values, place);
  config.patterns = read_configured_patterns(
      config.document, to_wildcards(config.values.event_broker.wildcards), issues);
  return config;
}

std::vector<ConfigIssue> provider_issues(const HostConfig& config) {
  const config::BrokerSection& broker = config.values.event_broker;
  const std::string name(config::to_string(broker.provider));
  if (store_is_known(name)) return {};
  std::string offered = "memory";
  if (store_is_known("sqlite")) offered += " and sqlite";
  return {config.document.issue_at("event_broker.provider",
                                   "the provider " + name + " is not offered by this program; " +
                                       offered + (offered == "memory" ? " works" : " work"),
                                   ConfigIssue::Severity::error)};
}

std::vector<ConfigIssue> durability_issues(const HostConfig& config) {
  using config::DurabilityLevel;
  using config::Provider;
  const config::BrokerSection& broker = config.values.event_broker;
  if (!broker.durability) return {};
  const bool wants_memory = *broker.durability == DurabilityLevel::memory;
  std::string what;
  if (broker.provider == Provider::memory && !wants_memory) {
    what =
        "the provider memory keeps events in this process alone; take another provider, such as "
        "sqlite, or leave this out";
  } else if (broker.provider == Provider::sqlite && wants_memory) {
    what = "the provider sqlite keeps events beyond the process; it is process_crash or power_loss";
  }
  if (what.empty()) return {};
  return {config.document.issue_at("event_broker.durability", what, ConfigIssue::Severity::error)};
}

/// As BusOptions::store takes it.
std::string store_address(const config::BrokerSection& broker) {
  if (broker.provider == config::Provider::sqlite) return "sqlite:" + broker.sqlite.path;
  return std::string(config::to_string(broker.provider));
}

StoreOptions store_options(const config::BrokerSection& broker) {
  StoreOptions options;
  if (broker.durability) options.durability = static_cast<Durability>(*broker.durability);
  options.durable_expiry = broker.durable_expiry;
  options.compress_above = static_cast<std::size_t>(broker.compress_above);
  options.timeout = broker.store_timeout;
  options.retention = {.max_age = broker.retention.max_age,
                       .max_events = broker.retention.max_events,
                       .max_bytes = broker.retention.max_size};
  return options;
}

Wildcards to_wildcards(config::WildcardKind kind) noexcept {
  return kind == config::WildcardKind::segments ? Wildcards::segments : Wildcards::glob;
}

BusOptions bus_options(const HostConfig& config, const InitializeOptions& options) {
  const config::BrokerSection& broker = config.values.event_broker;
  return {.enabled = broker.enabled,
          .instance_id = broker.instance_id.value_or(""),
          .store = options.store.empty() ? store_address(broker) : options.store,
          .store_options = store_options(broker),
          .keep = broker.keep,
          .mode = broker.mode == config::DeliveryMode::async ? Mode::async : Mode::sync,
          .worker_count = broker.worker_count.value_or(0),
          .queue_capacity = broker.buffer_size,
          .overflow = to_overflow(broker.overflow),
          .retry = to_retry(broker.retry_policy),
          .history = config.values.history.size,
          .max_hops = broker.max_hops,
          .wildcards = to_wildcards(broker.wildcards),
          .trace = broker.trace,
          .log = options.log,
          .clock = options.clock,
          .executor = options.executor};
}

std::vector<std::string> changed_keys(const config::Document& before,
                                      const config::Document& after) {
  const Flat old = flatten(before);
  const Flat now = flatten(after);
  std::vector<std::string> keys;
  for (const auto& [key, value] : now) {
    const auto found = old.find(key);
    if (found == old.end() || found->second != value) keys.push_back(key);
  }
  for (const auto& [key, value] : old) {
    if (!now.contains(key)) keys.push_back(key);
  }
  std::sort(keys.begin(), keys.end());
  return keys;
}

}  // namespace busway::host_detail
