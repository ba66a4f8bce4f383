#include "delivery/call_slot.hpp"

#include <mutex>
#include <utility>

namespace busway::delivery_detail {

std::optional<CallSlot::Look> CallSlot::look() const noexcept {
  const std::uint64_t phase = phase_.load(std::memory_order_acquire);
  if (phase % 2 == 0) return std::nullopt;
  return Look{phase,
              SteadyTime(std::chrono::nanoseconds(deadline_.load(std::memory_order_relaxed)))};
}

bool CallSlot::give_up(const Look& call) noexcept {
  const std::lock_guard guard(lock_);
  asked_.store(call.phase, std::memory_order_seq_cst);
  platform_detail::heavy_barrier();
  given_up_ = phase_.load(std::memory_order_seq_cst) == call.phase;
  if (!given_up_) asked_.store(0, std::memory_order_relaxed);
  return given_up_;
}

/// Waits for a keeper that is just looking.
bool CallSlot::finish_slow() noexcept {
  const std::lock_guard guard(lock_);
  return !given_up_;
}

std::stop_source CallSlot::stop_source() {
  const std::lock_guard guard(lock_);
  if (!stop_) {
    stop_.emplace();
    stop_used_.store(true, std::memory_order_relaxed);
  }
  return *stop_;
}

void CallSlot::forget_stop() noexcept {
  const std::lock_guard guard(lock_);
  stop_.reset();
  stop_used_.store(false, std::memory_order_relaxed);
}

}  // namespace busway::delivery_detail
