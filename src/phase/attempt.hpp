// phase/attempt.hpp -- one call of a phase, with its deadline, and what became of it.
// Layer: phase
//
// Model      Without a deadline execute() runs on this thread. With one it runs on another, and the
//            attempt ends at the deadline: the call is asked to stop and left behind, and what it
//            gives later is discarded.
// Threads    [any-thread]
// Ownership  A call left behind keeps the phase, a copy of the input and the bus's core.
// Errors     None: whatever the phase throws is in the result.
// Cost       With a deadline a thread and a copy of the input.
#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "busway/phase.hpp"

namespace busway::detail {
class BusCore;
}

namespace busway::phase_detail {

using AttemptResult = std::variant<phase::PhaseOutput, phase::PhaseError>;

struct Attempt {
  const std::shared_ptr<phase::Phase>& phase;
  const std::string& name;
  const phase::PhaseInput& input;
  const phase::PhaseContext& context;
};

/// execute(), and what validate_output() says of its output.
[[nodiscard]] AttemptResult run_attempt(detail::BusCore& core, const Attempt& attempt);

/// What validate_input() and validate_output() say; a validation that throws refuses.
[[nodiscard]] std::optional<phase::PhaseError> refuse_input(const Attempt& attempt);
[[nodiscard]] std::optional<phase::PhaseError> refuse_output(const phase::Phase& phase,
                                                             const std::string& name,
                                                             const phase::PhaseOutput& output);

/// What a phase that announces itself threw: a PhaseFailed as it is, all else in words.
[[nodiscard]] phase::PhaseError error_of(const std::string& name, const std::exception_ptr& thrown);

}  // namespace busway::phase_detail
