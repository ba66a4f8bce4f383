#include "executions.hpp"

#include <nlohmann/json.hpp>

namespace analytics {
namespace {

using nlohmann::json;

bool fits(const std::optional<std::string>& wanted, const std::string& name) {
  return !wanted || *wanted == name;
}

json describe_all(const std::map<std::string, shared::QuantileSketch>& sums,
                  const std::vector<double>& quantiles) {
  json out = json::object();
  for (const auto& [name, times] : sums) out[name] = describe(times, quantiles);
  return out;
}

}  // namespace

void Executions::add(Execution execution) {
  std::pair pair(execution.plugin, execution.user);
  if (!sums_.contains(pair) && sums_.size() >= kPairsMax)
    pair = {std::string(kOther), std::string(kOther)};
  (void)sums_.try_emplace(std::move(pair), kBins).first->second.add(execution.time_ms);
  records_.push_back(std::move(execution));
  while (records_.size() > records_max_) records_.pop_front();
}

json Executions::answer(const ExecutionQuery& query, const std::vector<double>& quantiles) const {
  shared::QuantileSketch all(kBins);
  std::map<std::string, shared::QuantileSketch> plugins;
  std::map<std::string, shared::QuantileSketch> users;
  for (const auto& [pair, times] : sums_) {
    const auto& [plugin, user] = pair;
    if (!fits(query.plugin, plugin) || !fits(query.user, user)) continue;
    all.merge(times);
    plugins.try_emplace(plugin, kBins).first->second.merge(times);
    users.try_emplace(user, kBins).first->second.merge(times);
  }
  json records = json::array();
  for (auto one = records_.rbegin(); one != records_.rend(); ++one) {
    if (records.size() >= query.limit) break;
    if (!fits(query.plugin, one->plugin) || !fits(query.user, one->user)) continue;
    records.push_back({{"plugin", one->plugin},
                       {"user", one->user},
                       {"execution_time_ms", one->time_ms},
                       {"time", shared::format_rfc3339(one->at)}});
  }
  json out = describe(all, quantiles);
  out["plugins"] = describe_all(plugins, quantiles);
  out["users"] = describe_all(users, quantiles);
  out["executions"] = std::move(records);
  return out;
}

json Executions::save(std::size_t bytes_max) const {
  json records = json::array();
  std::size_t bytes = 0;
  for (auto one = records_.rbegin(); one != records_.rend(); ++one) {
    json record{one->plugin, one->user, one->time_ms, one->at.time_since_epoch().count()};
    bytes += record.dump().size();
    if (bytes > bytes_max) break;
    records.push_back(std::move(record));
  }
  json sums = json::array();
  for (const auto& [pair, times] : sums_) {
    sums.push_back({{"plugin", pair.first}, {"user", pair.second}, {"times", times.save()}});
  }
  return {{"records", std::move(records)}, {"sums", std::move(sums)}};
}

void Executions::load(const json& saved) {
  std::deque<Execution> records;
  for (const json& one : saved.at("records")) {
    records.push_front({.plugin = one.at(0).get<std::string>(),
                        .user = one.at(1).get<std::string>(),
                        .time_ms = one.at(2).get<double>(),
                        .at = WallTime(std::chrono::nanoseconds(one.at(3).get<std::int64_t>()))});
  }
  while (records.size() > records_max_) records.pop_front();
  std::map<std::pair<std::string, std::string>, shared::QuantileSketch> sums;
  for (const json& one : saved.at("sums")) {
    sums.insert_or_assign({one.at("plugin").get<std::string>(), one.at("user").get<std::string>()},
                          shared::QuantileSketch::load(one.at("times"), kBins));
  }
  records_ = std::move(records);
  sums_ = std::move(sums);
}

}  // namespace analytics
