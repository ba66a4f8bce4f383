#include "busway/phase.hpp"

#include <utility>

namespace busway::phase {

Phase::~Phase() = default;

std::optional<std::string> Phase::validate_input(const PhaseInput& /*input*/) const {
  return std::nullopt;
}
std::optional<std::string> Phase::validate_output(const PhaseOutput& /*output*/) const {
  return std::nullopt;
}
std::optional<std::chrono::nanoseconds> Phase::estimated_duration() const { return std::nullopt; }
std::optional<std::chrono::nanoseconds> Phase::timeout() const { return std::nullopt; }
bool Phase::can_retry(const PhaseError& error) const {
  return error.fault != PhaseFault::invalid_input && error.fault != PhaseFault::cancelled;
}
bool Phase::announces_itself() const noexcept { return false; }

std::string_view to_string(PhaseFault fault) noexcept {
  switch (fault) {
    case PhaseFault::threw: return "threw";
    case PhaseFault::timed_out: return "timed_out";
    case PhaseFault::invalid_input: return "invalid_input";
    case PhaseFault::invalid_output: return "invalid_output";
    case PhaseFault::cancelled: return "cancelled";
    case PhaseFault::not_begun: return "not_begun";
  }
  return "unknown";
}

namespace {

ErrorCode code_of(PhaseFault fault) noexcept {
  switch (fault) {
    case PhaseFault::timed_out: return ErrorCode::timed_out;
    case PhaseFault::invalid_input: return ErrorCode::invalid_argument;
    case PhaseFault::cancelled: return ErrorCode::stopped;
    case PhaseFault::not_begun: return ErrorCode::too_many;
    case PhaseFault::threw:
    case PhaseFault::invalid_output: break;
  }
  return ErrorCode::handler_failed;
}

}  // namespace

PhaseFailed::PhaseFailed(PhaseError error)
    : Error(code_of(error.fault), error.message), error_(std::move(error)) {}

}  // namespace busway::phase
