// busway/phase_context.hpp -- what a phase may know of the call it is in.
// Layer: phase
//
// Model      A phase that takes long looks at stop_requested(), or registers a std::stop_callback.
//            Whoever calls a phase without a chain makes one: PhaseContext context(token). A phase
//            may hand its own to an EventAwarePhase or RetryablePhase that it executes: stop token
//            and deadline go on, its time-out and attempts do not, the inner one has its own.
// Threads    All [any-thread] but the constructors.
// Ownership  A value; copies share the stop state.
// Errors     None.
// Cost       A copy of a stop token and of some words.
// Example    tests/phase/phase_context_test.cpp
#pragma once

#include <chrono>
#include <optional>
#include <stop_token>
#include <utility>

#include "busway/wall_time.hpp"

namespace busway::phase_detail {
struct ContextAccess;
}

namespace busway::phase {

class PhaseContext {
 public:
  PhaseContext() = default;
  /// deadline: on the clock of the bus; when it has come, the phase has failed.
  explicit PhaseContext(std::stop_token stop, std::optional<SteadyTime> deadline = std::nullopt)
      : stop_(std::move(stop)), deadline_(deadline) {}

  /// Requested when the chain is cancelled, when another phase of it has failed, and when this
  /// attempt has passed its deadline.
  [[nodiscard]] const std::stop_token& stop_token() const noexcept { return stop_; }
  [[nodiscard]] bool stop_requested() const noexcept { return stop_.stop_requested(); }
  /// When this attempt is given up, if ever.
  [[nodiscard]] std::optional<SteadyTime> deadline() const noexcept { return deadline_; }
  /// 1 for the first attempt.
  [[nodiscard]] int attempt() const noexcept { return attempt_; }
  [[nodiscard]] int max_attempts() const noexcept { return max_attempts_; }

 private:
  friend struct phase_detail::ContextAccess;
  std::stop_token stop_{};
  std::optional<SteadyTime> deadline_{};
  std::optional<std::chrono::nanoseconds> timeout_{};  // of one attempt, in place of the phase's
  int attempt_ = 1;
  int max_attempts_ = 1;
  bool taken_ = false;  // by the phase that executes: the attempts are its own, not those of others
};

}  // namespace busway::phase
