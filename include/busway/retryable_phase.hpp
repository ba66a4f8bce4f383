// busway/retryable_phase.hpp -- a phase that is tried again when it fails.
// Layer: phase
//
// Model      Around another phase, which it makes event-aware. Each attempt publishes what
//            EventAwarePhase publishes, attempts after the first phase.retrying before it; after
//            the last one comes phase.retry_success, when a later attempt won, or
//            phase.final_failure. It ends when an attempt wins, when can_retry() says no, when
//            max_attempts are made, when the next one could only begin after the deadline, and at
//            once when it is cancelled, also between attempts.
// Threads    As the phase within; between attempts the calling thread waits, on the bus's clock.
// Ownership  Shares the phase; the bus must outlive it.
// Errors     execute() throws the PhaseFailed of the last attempt, or one that says that it was
//            cancelled. The constructor: Error(invalid_argument) for a null phase or one that is
//            retryable already, Error(invalid_option) for values out of range.
// Cost       As EventAwarePhase, an attempt.
// Example    tests/phase/retryable_phase_test.cpp
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "busway/phase.hpp"

namespace busway {
class Bus;
}

namespace busway::phase {

/// The wait before attempt n + 1 is initial_delay * backoff_factor^(n - 1), at most max_delay, less
/// a random share of it: with jitter 0.2 it is 80 to 100 % of that.
struct Backoff {
  std::chrono::nanoseconds initial_delay = std::chrono::seconds(1);  ///< 0: at once
  std::chrono::nanoseconds max_delay = std::chrono::seconds(30);     ///< initial_delay or more
  double backoff_factor = 2.0;                                       ///< 1 or more
  double jitter = 0.0;                                               ///< 0 to 1
};

class RetryablePhase final : public Phase {
 public:
  RetryablePhase(std::shared_ptr<Phase> phase, Bus& bus, int max_attempts = 3,
                 Backoff backoff = {});

  [[nodiscard]] std::string name() const override { return name_; }
  PhaseOutput execute(const PhaseInput& input, PhaseContext& context) override;
  [[nodiscard]] std::optional<std::string> validate_input(const PhaseInput& input) const override;
  [[nodiscard]] std::optional<std::string> validate_output(
      const PhaseOutput& output) const override;
  [[nodiscard]] std::optional<std::chrono::nanoseconds> estimated_duration() const override;
  [[nodiscard]] std::optional<std::chrono::nanoseconds> timeout() const override;
  [[nodiscard]] bool can_retry(const PhaseError& error) const override;
  [[nodiscard]] bool announces_itself() const noexcept override { return true; }

 private:
  const std::shared_ptr<Phase> phase_;  // event-aware
  Bus& bus_;
  const std::string name_;
  const int max_attempts_;
  const Backoff backoff_;
};

}  // namespace busway::phase
