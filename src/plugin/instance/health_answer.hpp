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
  /// No value: it could not be asked.
  void set(std::optional<PluginHealthInfo> info) {
    {
      const std::lock_guard lock(mutex_);
      info_ = std::move(info);
      is_there_ = true;
    }
    changed_.notify_all();
  }
  [[nodiscard]] bool is_there() const {
    const std::lock_guard lock(mutex_);
    return is_there_;
  }
  /// False: it has not come by then.
  [[nodiscard]] bool wait_until(std::chrono::steady_clock::time_point deadline,
                                std::optional<PluginHealthInfo>& out) const {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_until(lock, deadline, [this] { return is_there_; })) return false;
    out = info_;
    return true;
  }

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  // Guarded by mutex_.
  std::optional<PluginHealthInfo> info_;
  bool is_there_ = false;
};

}  // namespace busway::plugin_host_detail
