#include "settings.hpp"

#include <cstdint>
#include <nlohmann/json.hpp>

#include "shared/settings_reader.hpp"

namespace quality_monitor {
namespace {

using shared::SettingsReader;
using std::chrono::milliseconds;

constexpr std::int64_t kCountMax = 1'000'000'000;
constexpr milliseconds kWindowMin = std::chrono::seconds(1);
constexpr milliseconds kWindowMax = std::chrono::days(7);
constexpr milliseconds kDurationMax = std::chrono::days(365);

/// What is not said stays as it is: general limits are those of a phase that says less.
Limits read_limits(SettingsReader& in, Limits limits) {
  if (in.has("failures_max")) {
    limits.failures_max = static_cast<std::uint64_t>(in.integer("failures_max", 0, {0, kCountMax}));
  }
  if (in.has("failure_rate_max")) {
    limits.failure_rate_max = in.number("failure_rate_max", 0, {0, 1});
  }
  if (in.has("duration_max")) {
    limits.duration_ms_max = static_cast<double>(
        in.duration("duration_max", milliseconds(1), {milliseconds(1), kDurationMax}).count());
  }
  limits.samples_min = static_cast<std::uint64_t>(
      in.integer("samples_min", static_cast<std::int64_t>(limits.samples_min), {1, kCountMax}));
  limits.duration_quantile = in.number("duration_quantile", limits.duration_quantile, {0.01, 1});
  limits.recovery = in.number("recovery", limits.recovery, {0, 1});
  return limits;
}

}  // namespace

Settings read_settings(const nlohmann::json& config) {
  Settings out;
  shared::read_settings("quality monitor", config, [&](SettingsReader& in) {
    out.window = in.duration("window", out.window, {kWindowMin, kWindowMax});
    out.phases_max = static_cast<std::size_t>(
        in.integer("phases_max", static_cast<std::int64_t>(out.phases_max), {1, 1024}));
    out.limits = read_limits(in, out.limits);
    const nlohmann::json phases = in.free_map("phases");
    for (const auto& [name, own] : phases.items()) {
      SettingsReader::read_all("the phase " + name, "phases." + name + ".", own,
                               [&, &phase = name](SettingsReader& of_phase) {
                                 out.phases[phase] = read_limits(of_phase, out.limits);
                               });
    }
  });
  return out;
}

}  // namespace quality_monitor
