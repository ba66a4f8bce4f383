#include "settings.hpp"

#include <nlohmann/json.hpp>

#include "shared/settings_reader.hpp"

namespace audit_log {

using namespace std::chrono_literals;

Settings read_settings(const nlohmann::json& config) {
  Settings out;
  shared::read_settings("audit-log", config, [&](shared::SettingsReader& in) {
    out.path = in.text("path", out.path);
    out.topics = in.texts("topics", out.topics);
    out.secret_keys = in.texts("secret_keys", out.secret_keys);
    out.rotate_size = in.size("rotate_size", out.rotate_size, {1024, std::int64_t{1} << 40U});
    out.keep = in.integer("keep", out.keep, {0, 1'000'000});
    const std::string fsync = in.word("fsync", "always", {"always", "interval", "never"});
    out.fsync = fsync == "always"     ? Fsync::always
                : fsync == "interval" ? Fsync::interval
                                      : Fsync::never;
    out.fsync_interval = in.duration("fsync_interval", out.fsync_interval, {10ms, 1h});
    out.timeout = in.duration("timeout", out.timeout, {100ms, 1h});
    out.queue = in.integer("queue", out.queue, {1, 1'000'000});
    out.retries = in.integer("retries", out.retries, {0, 100'000});
    out.retry_delay = in.duration("retry_delay", out.retry_delay, {1ms, 1h});
  });
  return out;
}

}  // namespace audit_log
