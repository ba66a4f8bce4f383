// base/one_shot.hpp -- one thread waits for another, once.
// Layer: base
//
// Model      As std::binary_semaphore, which spins and yields before it sleeps: with more threads
//            than cores, as a store's publishers are, that takes the time of those who do the work.
//            A mutex with a condition variable wakes who waits only to have it wait for the mutex.
// Threads    set() on one, wait() on another, which may destroy it when it has returned.
// Ownership  Belongs to the one that waits.
// Errors     None.
// Cost       An atomic operation; a call of the system and a change of threads where it must wait.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

namespace busway::detail {

class OneShot {
 public:
  void set() noexcept {
    const auto* const address = &state_;
    if (state_.exchange(kSet, std::memory_order_acq_rel) != kAwaited) return;
    // By now it may be gone: the system looks for who sleeps at the address, and not at what is
    // there.
    (void)syscall(SYS_futex, address, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  }
  void wait() noexcept {
    std::uint32_t seen = kClear;
    (void)state_.compare_exchange_strong(seen, kAwaited, std::memory_order_acquire);
    while (state_.load(std::memory_order_acquire) != kSet) {
      (void)syscall(SYS_futex, &state_, FUTEX_WAIT_PRIVATE, kAwaited, nullptr, nullptr, 0);
    }
  }

 private:
  static constexpr std::uint32_t kClear = 0;
  static constexpr std::uint32_t kAwaited = 1;
  static constexpr std::uint32_t kSet = 2;
  std::atomic<std::uint32_t> state_{kClear};
  static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t));
};

}  // namespace busway::detail
