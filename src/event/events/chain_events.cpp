#include <string>
#include <utility>

#include "busway/error.hpp"
#include "busway/events/chain_event_data.hpp"
#include "busway/topics.hpp"
#include "busway/typed_event.hpp"

namespace busway {
namespace {

ChainEventData chain_of(std::string_view session, std::vector<std::string> phase_names) {
  ChainEventData data;
  data.session_id = std::string(session);
  data.phase_count = static_cast<int>(phase_names.size());
  data.phase_names = std::move(phase_names);
  return data;
}

Event make(std::string_view topic, ChainEventData data, const EventOptions& options) {
  EventOptions stamped = options;
  const std::string session = data.session_id;
  if (stamped.session_id.empty()) stamped.session_id = session;
  return Event(topic, typed_payload(std::move(data)), stamped);
}

}  // namespace

Event chain_started(std::string_view session, std::vector<std::string> phase_names,
                    const EventOptions& options) {
  return make(topics::kChainStarted, chain_of(session, std::move(phase_names)), options);
}

Event chain_completed(std::string_view session, std::vector<std::string> phase_names,
                      double elapsed_ms, const EventOptions& options) {
  ChainEventData data = chain_of(session, std::move(phase_names));
  data.completed_phases = data.phase_names;
  data.phase_index = data.phase_count;
  data.elapsed_ms = elapsed_ms;
  return make(topics::kChainCompleted, std::move(data), options);
}

Event chain_failed(std::string_view session, std::vector<std::string> phase_names, int phase_index,
                   std::string_view error, double elapsed_ms, const EventOptions& options) {
  ChainEventData data = chain_of(session, std::move(phase_names));
  if (phase_index < 0 || phase_index >= data.phase_count) {
    throw Error(ErrorCode::invalid_argument,
                "chain_failed: phase_index " + std::to_string(phase_index) +
                    " is none of the chain's " + std::to_string(data.phase_count) + " phases");
  }
  const auto failed = data.phase_names.begin() + phase_index;
  data.completed_phases.assign(data.phase_names.begin(), failed);
  data.failed_phase = *failed;
  data.phase_index = phase_index;
  data.error = std::string(error);
  data.elapsed_ms = elapsed_ms;
  return make(topics::kChainFailed, std::move(data), options);
}

}  // namespace busway
