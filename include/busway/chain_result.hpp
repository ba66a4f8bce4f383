// busway/chain_result.hpp -- how a chain of phases ended.
// Layer: phase
//
// Model      ok(): all phases completed. Else error says why the first one failed, failed_phase
//            and phase_index which one that was; a chain that was cancelled between two phases
//            names the one it did not begin.
// Threads    A value.
// Ownership  Owns its fields.
// Errors     None.
// Cost       The outputs of all phases.
// Example    examples/11_phases
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "busway/phase_error.hpp"
#include "busway/phase_output.hpp"

namespace busway::phase {

struct ChainResult {
  std::string session_id{};
  /// Of the last phase; of a graph with several phases that nothing follows: data is an object of
  /// theirs by name. Empty unless ok().
  PhaseOutput output{};
  std::vector<std::string> completed_phases{};  ///< in the order in which they completed
  std::vector<PhaseOutput> outputs{};           ///< of the completed phases, in the same order
  std::string failed_phase{};                   ///< empty when ok()
  int phase_index = 0;                          ///< of the failed one, from 0; their number if ok()
  std::optional<PhaseError> error{};
  std::chrono::nanoseconds elapsed{};

  [[nodiscard]] bool ok() const noexcept { return !error.has_value(); }

  /// Null when the chain has no such phase or it did not complete.
  [[nodiscard]] const PhaseOutput* output_of(std::string_view phase) const noexcept {
    for (std::size_t i = 0; i < completed_phases.size(); ++i) {
      if (completed_phases[i] == phase) return &outputs[i];
    }
    return nullptr;
  }
};

}  // namespace busway::phase
