#include <string>
#include <utility>

#include "busway/events/phase_event_data.hpp"
#include "busway/events/phase_lookup.hpp"
#include "busway/topics.hpp"
#include "busway/typed_event.hpp"

namespace busway {
namespace {

Event make(std::string_view topic, PhaseEventData data, const EventOptions& options) {
  EventOptions stamped = options;
  const std::string session = data.session_id;
  if (stamped.session_id.empty()) stamped.session_id = session;
  return Event(topic, typed_payload(std::move(data)), stamped);
}

// What the events of one attempt have in common.
PhaseEventData attempt_of(std::string_view name, std::string_view session, int attempt,
                          int max_attempts, std::string_view error = {}) {
  return {.phase_name = std::string(name),
          .session_id = std::string(session),
          .error = std::string(error),
          .attempt = attempt,
          .max_attempts = max_attempts};
}

}  // namespace

Event phase_started(std::string_view name, std::string_view session, Json input,
                    const EventOptions& options) {
  return make(topics::kPhaseStarted,
              {.phase_name = std::string(name),
               .session_id = std::string(session),
               .input = std::move(input)},
              options);
}

Event phase_completed(std::string_view name, std::string_view session, Json output,
                      double duration_ms, const EventOptions& options) {
  return make(topics::kPhaseCompleted,
              {.phase_name = std::string(name),
               .session_id = std::string(session),
               .output = std::move(output),
               .duration_ms = duration_ms},
              options);
}

Event phase_failed(std::string_view name, std::string_view session, std::string_view error,
                   int attempt, int max_attempts, const EventOptions& options) {
  return make(topics::kPhaseFailed, attempt_of(name, session, attempt, max_attempts, error),
              options);
}

Event phase_retrying(std::string_view name, std::string_view session, int attempt, int max_attempts,
                     const EventOptions& options) {
  return make(topics::kPhaseRetrying, attempt_of(name, session, attempt, max_attempts), options);
}

Event phase_retry_success(std::string_view name, std::string_view session, int attempt,
                          int max_attempts, const EventOptions& options) {
  return make(topics::kPhaseRetrySuccess, attempt_of(name, session, attempt, max_attempts),
              options);
}

Event phase_final_failure(std::string_view name, std::string_view session, std::string_view error,
                          int attempt, int max_attempts, const EventOptions& options) {
  return make(topics::kPhaseFinalFailure, attempt_of(name, session, attempt, max_attempts, error),
              options);
}

Event phase_lookup(std::string_view name, std::string_view key, const EventOptions& options) {
  return typed_event(PhaseLookup{.name = std::string(name), .key = std::string(key)}, options);
}

}  // namespace busway
