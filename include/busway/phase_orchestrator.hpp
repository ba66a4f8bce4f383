// busway/phase_orchestrator.hpp -- runs phases one after the other, or as a graph, and says so.
// Layer: phase
//
// Model      Phases that do not announce themselves are wrapped. chain.started, the phases' events,
//            then chain.completed or chain.failed, always one of the two and always last. All carry
//            one session id, which is made when the input has none. A phase that fails ends the
//            chain: those beside it are asked to stop and waited for, the rest is not begun.
//            Each phase gets the chain's request and metadata, and as data the output of the one
//            before it; in a graph those of its `after` by name, where it names several.
// Threads    [any-thread], several chains at once. A chain runs on the calling thread and waits for
//            it; phases of a graph that may run side by side get threads of their own meanwhile.
//            What is published inside a handler is caused by its event, on those threads as well.
// Ownership  The bus must outlive it; shares the phases while a chain runs.
// Errors     Before anything runs or is published, Error names what is wrong with the chain:
//            invalid_argument (no phase, a null one, a circle, a name or metadata that is none),
//            already_exists (two phases of one name), not_found (an `after` that names no phase),
//            invalid_option, too_many. What happens at run time is in the ChainResult. A publish
//            that fails is logged and fails nothing.
// Cost       Two events a chain beside those of its phases; a thread for each phase that runs
//            beside another.
// Example    examples/11_phases
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "busway/chain_result.hpp"
#include "busway/phase.hpp"

namespace busway {
class Bus;
}

namespace busway::phase {

/// A phase in a graph.
struct ChainStep {
  std::shared_ptr<Phase> phase{};
  std::vector<std::string> after{};                   ///< names; none: it may begin at once
  std::optional<std::chrono::nanoseconds> timeout{};  ///< of one attempt; unset: the phase's own
};

struct ChainOptions {
  std::stop_token stop{};                             ///< ends the chain, between and inside phases
  std::optional<std::chrono::nanoseconds> timeout{};  ///< of the whole chain
  std::size_t max_parallel = 0;                       ///< phases at once; 0: the cores, at least 2
};

class PhaseOrchestrator {
 public:
  explicit PhaseOrchestrator(Bus& bus) noexcept : bus_(bus) {}

  /// One that announces itself as it is, any other as an EventAwarePhase.
  [[nodiscard]] std::shared_ptr<Phase> wrap(std::shared_ptr<Phase> phase) const;

  ChainResult execute_chain(const std::vector<std::shared_ptr<Phase>>& phases,
                            PhaseInput input = {}, const ChainOptions& options = {}) const;

  /// A phase begins when all that it names in `after` have completed.
  ChainResult execute_graph(const std::vector<ChainStep>& steps, PhaseInput input = {},
                            const ChainOptions& options = {}) const;

  /// Goes on with the chain of that session after what of it has completed, as the bus's store
  /// tells, or its history where nothing is kept: the phases given are those of the chain. Those
  /// that have completed are not executed again and announce nothing; the others get what was
  /// handed to them the first time. Where the input has neither request nor data, both are those
  /// that the first phase was given. A chain that has completed gives its result and says nothing.
  /// Throws Error(not_found) when nothing is known of the session.
  ChainResult resume(const std::string& session_id,
                     const std::vector<std::shared_ptr<Phase>>& phases, PhaseInput input = {},
                     const ChainOptions& options = {}) const;
  ChainResult resume_graph(const std::string& session_id, const std::vector<ChainStep>& steps,
                           PhaseInput input = {}, const ChainOptions& options = {}) const;

 private:
  Bus& bus_;
};

}  // namespace busway::phase
