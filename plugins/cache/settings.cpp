#include "settings.hpp"

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <vector>

#include "shared/settings_reader.hpp"

namespace cache {
namespace {

using std::chrono::milliseconds;

constexpr std::int64_t kKiB = 1024;
constexpr std::int64_t kMiB = 1024 * kKiB;

std::set<std::string> as_set(const std::vector<std::string>& names) {
  return {names.begin(), names.end()};
}

}  // namespace

Settings read_settings(const nlohmann::json& config) {
  Settings out;
  CacheLimits& limits = out.limits;
  shared::read_settings("cache", config, [&](shared::SettingsReader& in) {
    limits.age_max =
        in.duration("age_max", std::chrono::hours(1), {milliseconds(1), std::chrono::days(365)});
    limits.entries_max = static_cast<std::size_t>(
        in.integer("entries_max", static_cast<std::int64_t>(limits.entries_max), {1, 1'000'000}));
    limits.bytes_max = static_cast<std::size_t>(
        in.size("bytes_max", static_cast<std::int64_t>(limits.bytes_max), {4 * kKiB, 1024 * kMiB}));
    // A state may have 64 MiB, and keys and commas come on top.
    out.state_bytes_max = static_cast<std::size_t>(
        in.size("state_bytes_max", static_cast<std::int64_t>(out.state_bytes_max), {0, 48 * kMiB}));
    if (in.has("phases")) out.phases = as_set(in.texts("phases"));
    if (in.has("except")) out.except = as_set(in.texts("except"));
  });
  return out;
}

}  // namespace cache
