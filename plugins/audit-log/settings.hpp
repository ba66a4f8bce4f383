// settings.hpp -- the audit log's configuration; README.md explains each key.
//
// Model      Plain values, each with a default.
// Threads    Values.
// Errors     read_settings() throws std::invalid_argument, which names the key, what stands there
//            and what is wanted.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace audit_log {

enum class Fsync : unsigned char { always, interval, never };

struct Settings {
  std::string path = "audit.jsonl";
  /// `plugin.running` is what the host publishes once a plugin has started.
  std::vector<std::string> topics{"user.login",     "user.logout",   "data.created",
                                  "data.updated",   "data.deleted",  "plugin.loaded",
                                  "plugin.started", "plugin.running"};
  std::vector<std::string> secret_keys{};
  std::int64_t rotate_size = std::int64_t{64} << 20U;
  std::int64_t keep = 0;  // rotated files; 0: all
  Fsync fsync = Fsync::always;
  std::chrono::milliseconds fsync_interval = std::chrono::seconds(1);
  std::chrono::milliseconds timeout = std::chrono::seconds(15);
  std::int64_t queue = 8192;
  /// The most that the bus has; 30 s apart they outlast a month: an event waits until it is kept.
  std::int64_t retries = 100'000;
  std::chrono::milliseconds retry_delay = std::chrono::seconds(1);
};

[[nodiscard]] Settings read_settings(const nlohmann::json& config);

}  // namespace audit_log
