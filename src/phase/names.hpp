// phase/names.hpp -- what phases may be called, and what their metadata may be.
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

}  // namespace busway::phase_detail
