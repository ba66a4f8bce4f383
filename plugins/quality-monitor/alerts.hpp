// alerts.hpp -- when a phase is to be called bad, and when good again.
//
// Model      Three rules: failures in the window, their share of all executions, and a quantile of
//            the durations. A rule is broken when its value is above its limit, and kept again only
//            when the value is at most `recovery` of the limit, or nothing is in the window: so a
//            value that wavers about its limit is one alert. judge() tells the changes alone.
// Threads    [not-concurrent]
// Errors     load() throws what nlohmann-json throws for what save() has not written.
// Cost       judge(): a quantile where the rule of durations is on.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "phase_window.hpp"

namespace quality_monitor {

/// No value: the rule is off.
struct Limits {
  std::optional<std::uint64_t> failures_max = 3;
  std::optional<double> failure_rate_max{};
  std::uint64_t samples_min = 10;  ///< fewer executions have no rate
  std::optional<double> duration_ms_max{};
  double duration_quantile = 1;
  double recovery = 0.8;
};

enum class Rule : unsigned char { failures, failure_rate, duration };
inline constexpr std::array kRules{Rule::failures, Rule::failure_rate, Rule::duration};
[[nodiscard]] std::string_view to_string(Rule rule) noexcept;

struct Change {
  enum class Kind { broken, kept_again };

  Rule rule = Rule::failures;
  Kind kind = Kind::broken;
  double value = 0;
  double limit = 0;
  std::string reason{};
};

class Alerts {
 public:
  [[nodiscard]] std::vector<Change> judge(const Totals& totals, const Limits& limits,
                                          std::chrono::milliseconds window);
  [[nodiscard]] bool broken(Rule rule) const noexcept {
    return broken_[static_cast<std::size_t>(rule)];
  }
  [[nodiscard]] bool any() const noexcept;
  [[nodiscard]] nlohmann::json save() const;
  void load(const nlohmann::json& saved);

 private:
  std::array<bool, kRules.size()> broken_{};
};

}  // namespace quality_monitor
