#include "alerts.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "shared/quantity.hpp"

namespace quality_monitor {
namespace {

using nlohmann::json;

/// Without zeros at its end.
std::string words(double number) {
  std::array<char, 64> text{};
  (void)std::snprintf(text.data(), text.size(), "%.6g", number);
  return text.data();
}

/// A product of two shares is off by its rounding: 0.7 * 0.8 is a little less than 14 / 25.
constexpr double kRounding = 1e-12;

struct Measured {
  std::optional<double> value;  // none: too little is known
  std::optional<double> limit;  // none: the rule is off
};

Measured measure(Rule rule, const Totals& totals, const Limits& limits) {
  switch (rule) {
    case Rule::failures:
      return {static_cast<double>(totals.failures),
              limits.failures_max ? std::optional(static_cast<double>(*limits.failures_max))
                                  : std::nullopt};
    case Rule::failure_rate:
      if (totals.samples() < limits.samples_min) return {{}, limits.failure_rate_max};
      return {totals.failure_rate(), limits.failure_rate_max};
    case Rule::duration:
      if (totals.durations_ms.count() == 0 || !limits.duration_ms_max) {
        return {{}, limits.duration_ms_max};
      }
      return {totals.durations_ms.quantile(limits.duration_quantile), limits.duration_ms_max};
  }
  return {};
}

std::string what(Rule rule, double value, const Totals& totals, const Limits& limits) {
  switch (rule) {
    case Rule::failures: return words(value) + (value == 1 ? " failure" : " failures");
    case Rule::failure_rate:
      return words(value * 100) + " % of " + std::to_string(totals.samples()) +
             " executions failed";
    case Rule::duration:
      return limits.duration_quantile >= 1 ? "the longest execution took " + words(value) + " ms"
                                           : "quantile " + words(limits.duration_quantile) +
                                                 " of the durations is " + words(value) + " ms";
  }
  return {};
}

std::string limit_words(Rule rule, double limit) {
  switch (rule) {
    case Rule::failures: return words(limit);
    case Rule::failure_rate: return words(limit * 100) + " %";
    case Rule::duration: return words(limit) + " ms";
  }
  return {};
}

}  // namespace

std::string_view to_string(Rule rule) noexcept {
  switch (rule) {
    case Rule::failures: return "failures";
    case Rule::failure_rate: return "failure_rate";
    case Rule::duration: return "duration";
  }
  return "";
}

std::vector<Change> Alerts::judge(const Totals& totals, const Limits& limits,
                                  std::chrono::milliseconds window) {
  const std::string within = " within " + shared::show_duration(window) + ", ";
  std::vector<Change> changes;
  for (const Rule rule : kRules) {
    bool& is_broken = broken_[static_cast<std::size_t>(rule)];
    const Measured found = measure(rule, totals, limits);
    const double value = found.value.value_or(0);
    const double limit = found.limit.value_or(0);
    if (!is_broken) {
      if (!found.limit || !found.value || value <= limit) continue;
      is_broken = true;
      changes.push_back(
          {rule, Change::Kind::broken, value, limit,
           what(rule, value, totals, limits) + within + "more than " + limit_words(rule, limit)});
      continue;
    }
    const bool quiet = totals.samples() == 0;
    const bool off = !found.limit.has_value();
    const bool good = found.value && value <= limit * limits.recovery * (1 + kRounding);
    if (!quiet && !off && !good) continue;
    is_broken = false;
    std::string reason = quiet ? "nothing was executed" + within + "so nothing failed"
                         : off ? "the rule was switched off"
                               : what(rule, value, totals, limits) + within + "at most " +
                                     words(limits.recovery * 100) + " % of " +
                                     limit_words(rule, limit);
    changes.push_back({rule, Change::Kind::kept_again, value, limit, std::move(reason)});
  }
  return changes;
}

bool Alerts::any() const noexcept {
  return std::any_of(broken_.begin(), broken_.end(), [](bool one) { return one; });
}

json Alerts::save() const {
  json out = json::array();
  for (const Rule rule : kRules) {
    if (broken(rule)) out.push_back(to_string(rule));
  }
  return out;
}

void Alerts::load(const json& saved) {
  broken_.fill(false);
  for (const json& one : saved) {
    for (const Rule rule : kRules) {
      if (one.get_ref<const std::string&>() == to_string(rule)) {
        broken_[static_cast<std::size_t>(rule)] = true;
      }
    }
  }
}

}  // namespace quality_monitor
