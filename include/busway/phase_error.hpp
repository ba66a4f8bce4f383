// busway/phase_error.hpp -- why a phase failed.
// Layer: phase
//
// Model      fault says in which way, message in words that name the phase, cause is what the phase
//            threw, if it threw. A wrapped phase throws it as PhaseFailed; a chain gives it back in
//            its ChainResult.
// Threads    Values. The exception behind cause is shared: do not change it.
// Ownership  Owns its text; shares the exception.
// Errors     None.
// Cost       One string.
// Example    tests/phase/event_aware_phase_test.cpp
#pragma once

#include <exception>
#include <string>
#include <string_view>

#include "busway/error.hpp"

namespace busway::phase {

enum class PhaseFault : unsigned char {
  threw,           ///< execute() ended by an exception, of whatever type
  timed_out,       ///< it had not ended at its deadline; its late output is discarded
  invalid_input,   ///< validate_input() refused what it was given; execute() did not run
  invalid_output,  ///< validate_output() refused what execute() gave
  cancelled,       ///< whoever runs it asked it to stop
  not_begun        ///< no thread could be had for it, or too many calls were left behind
};

/// The enumerator's name, for example "timed_out"; also metadata.fault of phase.failed.
[[nodiscard]] std::string_view to_string(PhaseFault fault) noexcept;

struct PhaseError {
  PhaseFault fault = PhaseFault::threw;
  std::string message{};
  std::exception_ptr cause{};
};

/// Thrown by execute() of the phases that announce themselves. code() is timed_out, stopped (when
/// cancelled), too_many (not_begun), invalid_argument (invalid_input), else handler_failed.
class PhaseFailed : public Error {
 public:
  explicit PhaseFailed(PhaseError error);
  [[nodiscard]] const PhaseError& error() const noexcept { return error_; }

 private:
  PhaseError error_;
};

}  // namespace busway::phase
