// base/one_shot.hpp -- one thread waits for another, once.
// Layer: base
//
// Model      As std::binary_semaphore, which spins and yields before it sleeps: with more threads
//            than cores, as a store's publishers are, that takes the time of those who do the work.
// Threads    set() on one, wait() on another, which may destroy it when it has returned.
// Ownership  Belongs to the one that waits.
// Errors     None.
// Cost       A lock; a change of threads where it has to wait.
#pragma once

#include <condition_variable>
#include <mutex>

namespace busway::detail {

class OneShot {
 public:
  void set() noexcept {
    const std::lock_guard lock(mutex_);
    is_set_ = true;
    changed_.notify_one();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return is_set_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_set_ = false;
};

}  // namespace busway::detail
