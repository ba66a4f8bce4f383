// busway/phase.hpp -- a step of a chain: the class to derive from. Start here.
// Layer: phase
//
// Model      execute() turns an input into an output or throws. By itself a phase publishes
//            nothing: EventAwarePhase, RetryablePhase and PhaseOrchestrator do it for it. A
//            function or a coroutine becomes one by make_phase() of busway/function_phase.hpp.
// Threads    Without a time-out all run on the thread of who runs the phase; with one execute() and
//            validate_output() on a thread of their own, the rest as before, without a bound. A
//            phase that two chains share is entered by both; so is one with a time-out that is
//            tried again, while its abandoned call still runs.
// Ownership  Shared by those who run it. What a phase with a time-out touches must be its own or
//            outlive the call: an abandoned one keeps the phase, its input and its context.
// Errors     What execute() or a validation throws, also what is no std::exception, fails the
//            attempt and reaches nobody else.
// Cost       None by itself. Includes nlohmann/json.hpp.
// Example    examples/11_phases
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "busway/phase_context.hpp"
#include "busway/phase_error.hpp"
#include "busway/phase_input.hpp"
#include "busway/phase_output.hpp"

namespace busway::phase {

class Phase {
 public:
  Phase() = default;
  Phase(const Phase&) = delete;
  Phase& operator=(const Phase&) = delete;
  virtual ~Phase();

  /// 1 to 255 bytes of UTF-8 without control characters; always the same.
  [[nodiscard]] virtual std::string name() const = 0;

  virtual PhaseOutput execute(const PhaseInput& input, PhaseContext& context) = 0;

  /// What is wrong with it, as a sentence's end: "data has no field \"plan\"". None: nothing.
  [[nodiscard]] virtual std::optional<std::string> validate_input(const PhaseInput& input) const;
  [[nodiscard]] virtual std::optional<std::string> validate_output(const PhaseOutput& output) const;

  /// For whoever shows progress: metadata.estimated_ms of phase.started.
  [[nodiscard]] virtual std::optional<std::chrono::nanoseconds> estimated_duration() const;

  /// How long one attempt may take. With one, as in a chain that has one, execute() runs on a
  /// thread of its own, which is left behind when it has not returned in time. Without either a
  /// phase that hangs hangs its chain.
  [[nodiscard]] virtual std::optional<std::chrono::nanoseconds> timeout() const;

  /// Whether another attempt may help. By default all but an input that is not valid and a
  /// cancellation; a cancelled phase is never tried again, whatever this says.
  [[nodiscard]] virtual bool can_retry(const PhaseError& error) const;

  /// True for a phase that publishes its own phase events: it is not wrapped again.
  [[nodiscard]] virtual bool announces_itself() const noexcept;
};

}  // namespace busway::phase
