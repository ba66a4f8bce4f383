// busway/phase_topics.hpp -- the topics whose events say what a phase does.
// Layer: phase
//
// Model      Those with a PhaseEventData, to subscribe to at once:
//            bus.subscribe<PhaseEventData>(phase::phase_topics(), ...). The pattern "phase.*" gets
//            the question phase.lookup as well, which is a PhaseLookup.
// Threads    [any-thread]
// Ownership  The texts are constants: what it gives may be kept.
// Errors     None.
// Cost       A list of six.
// Example    examples/11_phases
#pragma once

#include "busway/patterns.hpp"
#include "busway/topics.hpp"

namespace busway::phase {

[[nodiscard]] inline Patterns phase_topics() {
  return {topics::kPhaseStarted,  topics::kPhaseCompleted,    topics::kPhaseFailed,
          topics::kPhaseRetrying, topics::kPhaseRetrySuccess, topics::kPhaseFinalFailure};
}

}  // namespace busway::phase
