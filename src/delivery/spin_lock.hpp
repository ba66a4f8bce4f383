// delivery/spin_lock.hpp -- a lock for sections of some dozen instructions.
//
// Model      Test and set with a pause, then the processor is given away: sections are so short
//            that a waiter nearly always gets it while spinning, and unlocking is a plain store.
// Threads    [any-thread]; never held while foreign code runs.
// Errors     None.
// Cost       One atomic exchange to lock, one store to unlock.
#pragma once

#include <atomic>
#include <thread>

namespace busway::delivery_detail {

inline void pause() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

class SpinLock {
 public:
  void lock() noexcept {
    if (!locked_.exchange(true, std::memory_order_acquire)) [[likely]]
      return;
    lock_slow();
  }
  bool try_lock() noexcept { return !locked_.exchange(true, std::memory_order_acquire); }
  void unlock() noexcept { locked_.store(false, std::memory_order_release); }

 private:
  [[gnu::noinline]] void lock_slow() noexcept {
    for (;;) {
      for (int spin = 0; spin < 128; ++spin) {
        if (!locked_.load(std::memory_order_relaxed) &&
            !locked_.exchange(true, std::memory_order_acquire)) {
          return;
        }
        pause();
      }
      std::this_thread::yield();
    }
  }

  std::atomic<bool> locked_{false};
};

}  // namespace busway::delivery_detail
