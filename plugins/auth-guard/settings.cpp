#include "settings.hpp"

#include <cstdint>
#include <nlohmann/json.hpp>

#include "shared/settings_reader.hpp"

namespace auth_guard {
namespace {

using namespace std::chrono_literals;
using shared::SettingsReader;

std::size_t read_count(SettingsReader& in, const char* key, std::size_t otherwise,
                       shared::Bounds<std::int64_t> bounds) {
  return static_cast<std::size_t>(in.integer(key, static_cast<std::int64_t>(otherwise), bounds));
}

std::chrono::nanoseconds read_time(SettingsReader& in, const char* key,
                                   std::chrono::nanoseconds otherwise,
                                   shared::Bounds<std::chrono::milliseconds> bounds) {
  return in.duration(key, std::chrono::duration_cast<std::chrono::milliseconds>(otherwise), bounds);
}

}  // namespace

Settings read_settings(const nlohmann::json& config) {
  Settings out;
  shared::read_settings("auth-guard", config, [&](SettingsReader& in) {
    Rules& rules = out.rules;
    rules.failures_max = read_count(in, "failures_max", rules.failures_max, {1, 1000});
    rules.success_after = read_count(in, "success_after", rules.success_after, {1, 1000});
    rules.new_address = in.flag("new_address", rules.new_address);
    rules.window = read_time(in, "window", rules.window, {1s, 24h * 30});
    rules.remind = read_time(in, "remind", rules.remind, {0ms, 24h * 30});
    rules.addresses_max = read_count(in, "addresses_max", rules.addresses_max, {1, 1'000'000});
    rules.users_max = read_count(in, "users_max", rules.users_max, {1, 1'000'000});
    rules.addresses_of_user_max =
        read_count(in, "addresses_of_user_max", rules.addresses_of_user_max, {1, 1000});
    out.sessions.users_max = rules.users_max;
    out.sessions.of_user_max =
        read_count(in, "sessions_of_user_max", out.sessions.of_user_max, {1, 1000});
    out.sessions.age_max = read_time(in, "session_age_max", out.sessions.age_max, {1s, 24h * 365});
    out.time_field = in.text("time_field", "");
    out.count_field = in.text("count_field", "");
    out.timeout = in.duration("timeout", out.timeout, {100ms, 1h});
    out.queue = read_count(in, "queue", out.queue, {1, 1'000'000});
  });
  return out;
}

}  // namespace auth_guard
