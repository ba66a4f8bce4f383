// delivery/call_slot.hpp -- a call that may be given up while it runs: the handshake between the
// thread that makes it and the keeper that watches its deadline, and the call's stop token.
// Layer: delivery
//
// Model      One slot a pump, used for one call after the other. The thread writes the deadline
//            and an odd phase, and an even one when it has returned, with plain stores. The
//            keeper asks for a phase, passes the heavy barrier and looks again: either the call has
//            returned, or the thread will see that it was asked for. Invariants:
//              1. give_up() and finish() agree: of one call exactly one of them wins.
//              2. The token of a call that was given up is never signalled for another.
// Threads    begin(), finish(): the thread of the call; of one that may be suspended, whoever runs
//            it then. The rest [any-thread].
// Ownership  Whoever makes calls owns the slot and keeps it until the call has returned, given up
//            or not.
// Errors     None.
// Cost       begin() and finish(): three plain stores and two loads; under the thread sanitizer or
//            without membarrier an exchange more. give_up(): the heavy barrier.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <stop_token>

#include "busway/wall_time.hpp"
#include "delivery/spin_lock.hpp"
#include "platform/membarrier.hpp"

namespace busway::delivery_detail {

/// A call that may go on after it has given its thread back. Counted.
class SuspendedCall {
 public:
  virtual void retain() noexcept = 0;
  virtual void release() noexcept = 0;

 protected:
  ~SuspendedCall() = default;
};

class CallSlot {
 public:
  CallSlot() = default;
  CallSlot(const CallSlot&) = delete;
  CallSlot& operator=(const CallSlot&) = delete;

  /// Before begin(): the call that will be made, where calls may be suspended.
  void hand_to(SuspendedCall* call) noexcept { suspended_.store(call, std::memory_order_relaxed); }
  /// Null where calls keep their thread. To be trusted while the call cannot finish.
  [[nodiscard]] SuspendedCall* suspended() const noexcept {
    return suspended_.load(std::memory_order_relaxed);
  }

  void begin(SteadyTime deadline) noexcept {
    if (stop_used_.load(std::memory_order_relaxed)) [[unlikely]]
      forget_stop();
    deadline_.store(deadline.time_since_epoch().count(), std::memory_order_relaxed);
    phase_.store(phase_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }
  /// False: the call was given up, and its result is nobody's.
  [[nodiscard]] bool finish() noexcept {
    platform_detail::publish_slot(phase_, phase_.load(std::memory_order_relaxed) + 1);
    return asked_.load(std::memory_order_seq_cst) == 0 || finish_slow();
  }

  /// A call under way.
  struct Look {
    std::uint64_t phase = 0;
    SteadyTime deadline{};
  };
  [[nodiscard]] std::optional<Look> look() const noexcept;
  /// True: the call still ran and is given up now. Not for two keepers at once.
  [[nodiscard]] bool give_up(const Look& call) noexcept;

  /// Of the call under way, or of the one given up.
  [[nodiscard]] std::stop_source stop_source();

 private:
  void forget_stop() noexcept;
  [[nodiscard]] bool finish_slow() noexcept;

  std::atomic<std::uint64_t> phase_{0};
  std::atomic<std::int64_t> deadline_{0};
  std::atomic<std::uint64_t> asked_{0};  // the phase that a keeper wants to give up
  std::atomic<bool> stop_used_{false};   // stop_ belongs to the last call
  std::atomic<SuspendedCall*> suspended_{nullptr};
  SpinLock lock_;
  // Guarded by lock_.
  bool given_up_ = false;
  std::optional<std::stop_source> stop_;
};

}  // namespace busway::delivery_detail
