// delivery/breaker.hpp -- stops calling a handler that keeps failing, and tries it now and then.
//
// Model      closed: all calls pass. After `failures` failures in a row, open: calls are refused
//            for open_for. Then one call goes through as the probe, half_open: others are refused
//            until it ends; its success closes, its failure opens again. A call that passed before
//            the breaker opened and ends afterwards changes nothing, so each result comes with the
//            verdict its call was given. Invariants:
//              1. At most one probe is out: given by ask(), not yet reported.
//              2. Only the probe's result leaves half_open, open_now() aside.
// Threads    All [any-thread].
// Ownership  None.
// Errors     None: the policy has passed check_breaker().
// Cost       ask() while closed: one relaxed load. succeeded() while closed and after a success:
//            two. All else: one lock. No allocation.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>

#include "busway/retry_policy.hpp"
#include "busway/wall_time.hpp"

namespace busway::delivery_detail {

class Breaker final {
 public:
  enum class State : unsigned char { closed, open, half_open };
  enum class Verdict : unsigned char { pass, probe, refuse };

  explicit Breaker(const BreakerPolicy& policy) noexcept : policy_(policy) {}
  Breaker(const Breaker&) = delete;
  Breaker& operator=(const Breaker&) = delete;

  /// Whether a call may begin. Report what becomes of one that passes or probes, once.
  [[nodiscard]] Verdict ask(SteadyTime now) noexcept {
    if (state_.load(std::memory_order_relaxed) == State::closed) [[likely]]
      return Verdict::pass;
    return ask_slow(now);
  }

  /// The call that was given `verdict` ended so. True: the state changed.
  bool succeeded(SteadyTime now, Verdict verdict) noexcept;
  bool failed(SteadyTime now, Verdict verdict) noexcept;

  /// The call was not made after all, or its end says nothing of the handler: another may be the
  /// probe in its place.
  void withdrawn(Verdict verdict) noexcept;

  /// Opens for a reason other than failures in a row, or begins the wait anew. True: it was not
  /// open before.
  bool open_now(SteadyTime now) noexcept;

  /// Goes on where an earlier one of the same subscription was: open, until a call may be the
  /// probe. Before the first call.
  void begin_open(SteadyTime probe_at) noexcept;

  /// While open: when a call may be the probe.
  [[nodiscard]] std::optional<SteadyTime> when_probe() const noexcept;
  [[nodiscard]] const BreakerPolicy& policy() const noexcept { return policy_; }
  [[nodiscard]] State state() const noexcept { return state_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t times_opened() const noexcept;
  [[nodiscard]] std::uint64_t refused() const noexcept;

 private:
  [[nodiscard]] Verdict ask_slow(SteadyTime now) noexcept;
  void open(SteadyTime now) noexcept;

  const BreakerPolicy policy_;
  mutable std::mutex mutex_;
  // Written with mutex_ held; read without it where a glance is enough.
  std::atomic<State> state_{State::closed};
  std::atomic<unsigned> failures_in_a_row_{0};
  // Guarded by mutex_.
  SteadyTime probe_at_{};
  bool probe_is_out_ = false;  // also when open_now() came while it ran
  std::uint64_t times_opened_ = 0;
  std::uint64_t refused_ = 0;
};

}  // namespace busway::delivery_detail
