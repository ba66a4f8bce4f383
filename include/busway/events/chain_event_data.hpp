// busway/events/chain_event_data.hpp -- what a chain of phases says of itself.
// Layer: event
//
// Model      chain.started, .completed and .failed carry one. phase_index counts from 0.
// Threads    A plain struct; the builders are [any-thread].
// Ownership  Owns its fields.
// Errors     Reading JSON: fields that are missing keep their default, others must have the right
//            type. Builders throw what the constructor of Event throws.
// Cost       A builder allocates the payload and what its texts need.
// Example    tests/event/events/builders_test.cpp
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "busway/event.hpp"
#include "busway/json.hpp"

namespace busway {

struct ChainEventData {
  static constexpr std::string_view type_name = "ChainEventData";

  std::string session_id{};
  int phase_count = 0;
  std::vector<std::string> phase_names{};
  std::vector<std::string> completed_phases{};
  std::string failed_phase{};
  int phase_index = 0;
  std::string error{};
  double elapsed_ms = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ChainEventData, session_id, phase_count,
                                                phase_names, completed_phases, failed_phase,
                                                phase_index, error, elapsed_ms)

/// A session that is given becomes event.session_id() too, unless the options name one.
[[nodiscard]] Event chain_started(std::string_view session, std::vector<std::string> phase_names,
                                  const EventOptions& options = {});
[[nodiscard]] Event chain_completed(std::string_view session, std::vector<std::string> phase_names,
                                    double elapsed_ms, const EventOptions& options = {});
/// phase_index is that of the phase that failed; those before it are the completed ones.
[[nodiscard]] Event chain_failed(std::string_view session, std::vector<std::string> phase_names,
                                 int phase_index, std::string_view error, double elapsed_ms,
                                 const EventOptions& options = {});

}  // namespace busway
