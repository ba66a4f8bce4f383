// plugin/instance/health_answer.hpp -- what a plugin says of its health, once it has said it.
// Layer: plugin
//
// Threads    [any-thread]
// Ownership  Shared by the worker, which sets it once, and by those who wait.
// Errors     None.
// Cost       One lock.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include "busway/plugin_info.hpp"

namespace busway::plugin_host_detail {

class HealthAnswer {
 public:
  void set(PluginHealthInfo info) {
    {
      const std::lock_guard lock(mutex_);
      info_ = std::move(info);
    }
    changed_.notify_all();
  }
  [[nodiscard]] bool is_there() const {
    const std::lock_guard lock(mutex_);
    return info_.has_value();
  }
  /// No value: it has not come by then.
  [[nodiscard]] std::optional<PluginHealthInfo> wait_until(
      std::chrono::steady_clock::time_point deadline) const {
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, deadline, [this] { return info_.has_value(); });
    return info_;
  }

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::optional<PluginHealthInfo> info_;  // guarded by mutex_
};

}  // namespace busway::plugin_host_detail
