// phase/names.hpp -- what phases may be called, be given and give.
// Layer: phase
//
// Threads    [any-thread]
// Errors     Error(invalid_argument) names the phase and what would be right.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "busway/json.hpp"
#include "busway/phase.hpp"

namespace busway::phase_detail {

/// The phase's name; who: who was given it, for the message.
[[nodiscard]] std::string require_name(const phase::Phase* phase, std::string_view who);

/// What is wrong with metadata, null counting as empty.
[[nodiscard]] std::optional<std::string> metadata_fault(const Json& metadata);

/// What is wrong with an input or an output, but for what only the phase can judge.
[[nodiscard]] std::optional<std::string> input_fault(const phase::PhaseInput& input);
[[nodiscard]] std::optional<std::string> output_fault(const phase::PhaseOutput& output);

}  // namespace busway::phase_detail
