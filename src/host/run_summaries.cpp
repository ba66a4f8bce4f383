#include "host/run_summaries.hpp"

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "base/escape.hpp"
#include "bus/add_counters.hpp"
#include "busway/events/plugin_event_data.hpp"
#include "busway/topics.hpp"
#include "busway/typed_event.hpp"

namespace busway::host_detail {
namespace {

void require_flat(const Json& found) {
  if (!found.is_object()) {
    throw std::invalid_argument(
        std::string("a run.summary is a JSON object of numbers, texts and booleans, not ") +
        found.type_name());
  }
  for (const auto& [key, value] : found.items()) {
    if (value.is_number() || value.is_string() || value.is_boolean()) continue;
    throw std::invalid_argument("the value of " + quote(key) +
                                " in a run.summary is a number, a text or a boolean, not " +
                                value.type_name());
  }
}

void add(Json& sum, const Json& found) {
  for (const auto& [key, value] : found.items()) {
    const auto known = sum.find(key);
    if (known == sum.end()) {
      sum[key] = value;
    } else if (!known->is_number() || !value.is_number()) {
      continue;  // texts of several sources stay with their plugins
    } else if (known->is_number_float() || value.is_number_float()) {
      *known = known->get<double>() + value.get<double>();
    } else {
      *known = known->get<std::int64_t>() + value.get<std::int64_t>();
    }
  }
}

}  // namespace

RunSummaries::RunSummaries(Bus& bus, config::SecretKeys secrets)
    : bus_(bus), secrets_(std::move(secrets)) {
  subscription_ = bus.subscribe({kRunSummaryTopic, topics::kPluginStopping},
                                [this](const Event& event) { take(event); },
                                {.name = "run summaries", .owner = "host", .mode = Mode::sync});
}

void RunSummaries::take(const Event& event) {
  const bool stopping = event.topic() == topics::kPluginStopping;
  const std::string plugin =
      stopping ? event.as<PluginEventData>().plugin_name : std::string(event.source());
  if (!stopping) require_flat(event.json());
  const DeliveryCounters deliveries = counted(plugin);
  const std::lock_guard lock(mutex_);
  Kept& kept = kept_[plugin];
  kept.deliveries = deliveries;
  if (!stopping) kept.found = config::masked(event.json(), secrets_);
}

DeliveryCounters RunSummaries::counted(const std::string& owner) const {
  DeliveryCounters sum;
  if (owner.empty()) return sum;
  for (const SubscriptionInfo& one : bus_.subscriptions(owner))
    detail::add_counters(one.counters, sum);
  return sum;
}

HostReport RunSummaries::report(const std::vector<PluginInfo>& plugins) const {
  HostReport report;
  for (const PluginInfo& info : plugins) {
    PluginReport& one = report.plugins.emplace_back();
    one.info = info;
    if (info.state == PluginState::running) one.deliveries = counted(info.id);
    const std::lock_guard lock(mutex_);
    const auto kept = kept_.find(info.id);
    if (kept == kept_.end()) continue;
    if (info.state != PluginState::running) one.deliveries = kept->second.deliveries;
    if (kept->second.found.is_object()) one.found = kept->second.found;
    if (info.source != PluginSource::none) add(report.found, one.found);
  }
  report.stats = bus_.stats();
  return report;
}

}  // namespace busway::host_detail
