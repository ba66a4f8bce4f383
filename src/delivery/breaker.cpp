#include "delivery/breaker.hpp"

#include "delivery/later.hpp"

namespace busway::delivery_detail {

void Breaker::open(SteadyTime now) noexcept {
  state_.store(State::open, std::memory_order_relaxed);
  failures_in_a_row_.store(0, std::memory_order_relaxed);
  probe_at_ = later(now, policy_.open_for);
  ++times_opened_;
}

Breaker::Verdict Breaker::ask_slow(SteadyTime now) noexcept {
  const std::lock_guard lock(mutex_);
  const State state = state_.load(std::memory_order_relaxed);
  if (state == State::closed) return Verdict::pass;  // closed meanwhile
  if (state == State::half_open || probe_is_out_ || now < probe_at_) {
    ++refused_;
    return Verdict::refuse;
  }
  state_.store(State::half_open, std::memory_order_relaxed);
  probe_is_out_ = true;
  return Verdict::probe;
}

bool Breaker::succeeded(SteadyTime, Verdict verdict) noexcept {
  if (verdict == Verdict::pass && (state_.load(std::memory_order_relaxed) != State::closed ||
                                   failures_in_a_row_.load(std::memory_order_relaxed) == 0)) {
    return false;
  }
  const std::lock_guard lock(mutex_);
  const State state = state_.load(std::memory_order_relaxed);
  if (verdict == Verdict::probe) probe_is_out_ = false;
  if (state == State::closed) failures_in_a_row_.store(0, std::memory_order_relaxed);
  if (state != State::half_open || verdict != Verdict::probe) return false;
  state_.store(State::closed, std::memory_order_relaxed);
  return true;
}

bool Breaker::failed(SteadyTime now, Verdict verdict) noexcept {
  const std::lock_guard lock(mutex_);
  if (verdict == Verdict::probe) probe_is_out_ = false;
  switch (state_.load(std::memory_order_relaxed)) {
    case State::open: return false;
    case State::half_open:
      if (verdict != Verdict::probe) return false;
      open(now);
      return true;
    case State::closed: break;
  }
  const unsigned failures = failures_in_a_row_.load(std::memory_order_relaxed) + 1;
  failures_in_a_row_.store(failures, std::memory_order_relaxed);
  if (failures < policy_.failures) return false;
  open(now);
  return true;
}

void Breaker::withdrawn(Verdict verdict) noexcept {
  if (verdict != Verdict::probe) return;
  const std::lock_guard lock(mutex_);
  probe_is_out_ = false;
  // Its time had come already: the next ask() is the probe.
  if (state_.load(std::memory_order_relaxed) == State::half_open) {
    state_.store(State::open, std::memory_order_relaxed);
  }
}

bool Breaker::open_now(SteadyTime now) noexcept {
  const std::lock_guard lock(mutex_);
  if (state_.load(std::memory_order_relaxed) == State::open) {
    probe_at_ = later(now, policy_.open_for);
    return false;
  }
  open(now);
  return true;
}

void Breaker::begin_open(SteadyTime probe_at) noexcept {
  const std::lock_guard lock(mutex_);
  state_.store(State::open, std::memory_order_relaxed);
  probe_at_ = probe_at;
}

std::optional<SteadyTime> Breaker::when_probe() const noexcept {
  const std::lock_guard lock(mutex_);
  if (state_.load(std::memory_order_relaxed) != State::open) return std::nullopt;
  return probe_at_;
}

std::uint64_t Breaker::times_opened() const noexcept {
  const std::lock_guard lock(mutex_);
  return times_opened_;
}

std::uint64_t Breaker::refused() const noexcept {
  const std::lock_guard lock(mutex_);
  return refused_;
}

}  // namespace busway::delivery_detail
