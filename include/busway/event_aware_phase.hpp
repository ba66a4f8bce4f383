// busway/event_aware_phase.hpp -- a phase that says what it does.
// Layer: phase
//
// Model      Around another phase. Each execute() publishes phase.started, then phase.completed or
//            phase.failed. Before it, where a subscription names the topic phase.lookup, that
//            request is made: a reply takes the place of execute(), between phase.started and
//            phase.completed stands cache.hit, and the metadata say cached. docs/phases.md has the
//            fields. One attempt is bounded by the phase's time-out and the context's deadline.
// Threads    As the phase within. The events are published on the calling thread.
// Ownership  Shares the phase; the bus must outlive it.
// Errors     execute() throws PhaseFailed. A publish that fails is logged and fails nothing.
//            The constructor: Error(invalid_argument) for a null phase or a name that is none.
// Cost       Two events. A copy of the input and of the output for them; with a time-out another
//            copy of the input and a thread. A look-up: one walk over the data.
// Example    tests/phase/event_aware_phase_test.cpp
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

class EventAwarePhase final : public Phase {
 public:
  /// A phase that announces itself already is passed through: no event comes twice.
  EventAwarePhase(std::shared_ptr<Phase> phase, Bus& bus);

  [[nodiscard]] std::string name() const override { return name_; }
  PhaseOutput execute(const PhaseInput& input, PhaseContext& context) override;
  [[nodiscard]] std::optional<std::string> validate_input(const PhaseInput& input) const override;
  [[nodiscard]] std::optional<std::string> validate_output(
      const PhaseOutput& output) const override;
  [[nodiscard]] std::optional<std::chrono::nanoseconds> estimated_duration() const override;
  [[nodiscard]] std::optional<std::chrono::nanoseconds> timeout() const override;
  [[nodiscard]] bool can_retry(const PhaseError& error) const override;
  [[nodiscard]] bool announces_itself() const noexcept override { return true; }

  [[nodiscard]] const Phase& within() const noexcept { return *phase_; }

 private:
  const std::shared_ptr<Phase> phase_;
  Bus& bus_;
  const std::string name_;
};

}  // namespace busway::phase
