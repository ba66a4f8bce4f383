// phase/announcing.hpp -- publishes what phases and chains say of themselves.
// Layer: phase
//
// Model      The source is the phase's name, or "phase_orchestrator" for a chain.
// Threads    [any-thread]
// Errors     None: what cannot be published is logged.
// Cost       A publish.
#pragma once

#include <string_view>

#include "bus/bus_core.hpp"
#include "busway/events/cache_hit.hpp"
#include "busway/events/chain_event_data.hpp"
#include "busway/events/phase_event_data.hpp"
#include "busway/phase_input.hpp"

namespace busway::phase_detail {

void announce(detail::BusCore& core, std::string_view topic, PhaseEventData data) noexcept;
void announce(detail::BusCore& core, std::string_view topic, ChainEventData data) noexcept;
void announce(detail::BusCore& core, CacheHit data, std::string_view session) noexcept;

/// Removes what only those who announce a phase may say of it: cache_key, cached, fault.
void erase_reserved(Json& metadata);

/// The fields that all events of one phase have. The metadata are the input's without what is
/// reserved, none where they are refused.
[[nodiscard]] PhaseEventData event_of(std::string_view phase, const phase::PhaseInput& input,
                                      int attempt, int max_attempts);

[[nodiscard]] inline double milliseconds(std::chrono::nanoseconds span) noexcept {
  return std::chrono::duration<double, std::milli>(span).count();
}

}  // namespace busway::phase_detail
