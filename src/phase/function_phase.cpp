#include "busway/function_phase.hpp"

#include "base/escape.hpp"

namespace busway::phase {

FunctionPhase::FunctionPhase(std::string name, Function function, PhaseOptions options)
    : name_(std::move(name)), function_(std::move(function)), options_(std::move(options)) {
  if (!function_) {
    throw Error(ErrorCode::invalid_argument,
                "make_phase: the function of phase " + quote(name_) + " is null");
  }
}

PhaseOutput FunctionPhase::execute(const PhaseInput& input, PhaseContext& context) {
  return function_(input, context);
}

std::optional<std::string> FunctionPhase::validate_input(const PhaseInput& input) const {
  return options_.validate_input ? options_.validate_input(input) : std::nullopt;
}

std::optional<std::string> FunctionPhase::validate_output(const PhaseOutput& output) const {
  return options_.validate_output ? options_.validate_output(output) : std::nullopt;
}

bool FunctionPhase::can_retry(const PhaseError& error) const {
  return options_.can_retry ? options_.can_retry(error) : Phase::can_retry(error);
}

}  // namespace busway::phase
