// phase/chain_plan.hpp -- the phases of a chain and who waits for whom, checked.
// Layer: phase
//
// Model      Phases are numbered in the order in which they were given. Each can be reached: there
//            is no circle.
// Threads    A value.
// Ownership  Shares the phases.
// Errors     make_plan(): Error as PhaseOrchestrator says, naming the phase.
// Cost       O(phases + edges).
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "busway/phase_orchestrator.hpp"

namespace busway::phase_detail {

struct PlannedPhase {
  std::shared_ptr<phase::Phase> phase;
  std::string name;
  std::optional<std::chrono::nanoseconds> timeout;
  std::vector<std::size_t> after;  // without repetitions, in the order given
  std::vector<std::size_t> next;   // those that wait for it
};

/// who: the call, for messages.
[[nodiscard]] std::vector<PlannedPhase> make_plan(std::span<const phase::ChainStep> steps,
                                                  const std::string& who);

}  // namespace busway::phase_detail
