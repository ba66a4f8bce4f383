#include "plugin/manager/plan.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/duration_words.hpp"
#include "base/escape.hpp"
#include "busway/error.hpp"
#include "busway/limits.hpp"
#include "config/rules_section.hpp"

namespace busway::plugin_host_detail {
namespace {

std::string text_of_config(const Json& config, const std::string& path) {
  try {
    return config.dump();
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::invalid_argument, "the configuration of the plugin " + quote(path) +
                                                 " cannot be written as JSON; its texts must be "
                                                 "UTF-8: " +
                                                 escape(error.what(), 200));
  }
}

}  // namespace

Json merge_config(const Json& given, const Json& defaults) {
  if (!given.is_object() || !defaults.is_object()) return given;
  Json merged = given;
  for (const auto& [key, value] : defaults.items()) {
    const auto found = merged.find(key);
    if (found == merged.end()) {
      merged.emplace(key, value);
    } else {
      *found = merge_config(*found, value);
    }
  }
  return merged;
}

void check_rules(const PluginRules& rules, const std::string& path) {
  const auto refuse = [&](const std::string& why) {
    throw Error(ErrorCode::invalid_option, "the rules of the plugin " + quote(path) + ": " + why);
  };
  const auto positive = [&](const auto& time, std::string_view name) {
    if (!time || *time > std::chrono::nanoseconds::zero()) return;
    refuse(std::string(name) + " is " + duration_words(*time) + "; it takes more than 0");
  };
  positive(rules.soft_deadline, "the soft deadline");
  positive(rules.hard_deadline, "the hard deadline");
  positive(rules.restarts_within, "the time of restarts");
  positive(rules.restart_delay, "the delay of restarts");
  positive(rules.restart_delay_max, "the longest delay of restarts");
  const auto limited = [&](const auto& limit, auto least, std::string_view name) {
    if (!limit || *limit >= least) return;
    refuse(std::string(name) + ' ' + std::to_string(*limit) + "; it takes " +
           std::to_string(least) + " or more, or nothing where there is to be no limit");
  };
  limited(rules.open_files_max, config::kPluginOpenFilesMin, "the limit of open files is");
  limited(rules.memory_bytes_max, config::kPluginMemoryBytesMin, "the limit of memory in bytes is");
  if (rules.cpu_time_max && *rules.cpu_time_max < std::chrono::seconds(1)) {
    refuse("the limit of processor time is " + duration_words(*rules.cpu_time_max) +
           "; it takes 1s or more, or nothing where there is to be no limit");
  }
  constexpr std::string_view kWhence = "; each may come from the manifest or from the host";
  if (rules.soft_deadline && rules.hard_deadline && *rules.soft_deadline >= *rules.hard_deadline) {
    refuse("the soft deadline (" + duration_words(*rules.soft_deadline) +
           ") must be shorter than the hard one (" + duration_words(*rules.hard_deadline) + ')' +
           std::string(kWhence));
  }
  if (rules.restart_delay && rules.restart_delay_max &&
      *rules.restart_delay > *rules.restart_delay_max) {
    refuse("the delay of restarts (" + duration_words(*rules.restart_delay) +
           ") must be at most the longest one (" + duration_words(*rules.restart_delay_max) + ')' +
           std::string(kWhence));
  }
  if (rules.queue_capacity &&
      (*rules.queue_capacity == 0 || *rules.queue_capacity > limits::kQueueMax)) {
    refuse("the capacity of its mailboxes is " + std::to_string(*rules.queue_capacity) +
           "; it takes 1 to " + std::to_string(limits::kQueueMax));
  }
  if (rules.state_bytes_max && *rules.state_bytes_max > limits::kPluginStateBytesMax) {
    refuse("the state may have " + std::to_string(*rules.state_bytes_max) +
           " bytes; it takes at most " + std::to_string(limits::kPluginStateBytesMax));
  }
}

Plan make_plan(const PluginSpec& spec, Wildcards wildcards) {
  PluginFiles files = find_files(spec.path, wildcards);
  Plan plan{.library = std::move(files.library), .manifest = std::move(files.manifest)};
  PluginRules rules = spec.rules;
  Json config = spec.config.is_null() ? Json::object() : spec.config;
  if (plan.manifest != nullptr) {
    rules = merge(std::move(rules), plan.manifest->rules);
    config = merge_config(config, plan.manifest->config);
  }
  check_rules(rules, spec.path);
  plan.rules = std::make_shared<const PluginRules>(std::move(rules));
  plan.config = text_of_config(config, spec.path);
  return plan;
}

void add_required(const Manifest* manifest, std::vector<std::string>& required) {
  if (manifest == nullptr) return;
  for (const RequiredPlugin& one : manifest->required) {
    if (std::find(required.begin(), required.end(), one.id) == required.end()) {
      required.push_back(one.id);
    }
  }
}

}  // namespace busway::plugin_host_detail
