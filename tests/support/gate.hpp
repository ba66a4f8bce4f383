// gate.hpp -- where threads of a test wait until it lets them go on.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace busway {

/// Stays open once opened.
class Gate {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  /// False after a minute, which only a broken build needs.
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::minutes(1), [&] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

}  // namespace busway
