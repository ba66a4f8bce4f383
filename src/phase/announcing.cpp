#include "phase/announcing.hpp"

#include <array>
#include <exception>
#include <string>
#include <utility>

#include "busway/topics.hpp"
#include "busway/typed_event.hpp"
#include "phase/names.hpp"

namespace busway::phase_detail {
namespace {

constexpr std::string_view kOrchestrator = "phase_orchestrator";

void log_unpublished(const detail::BusCore& core, std::string_view topic, std::string_view source,
                     std::string_view why) noexcept {
  const std::array fields{LogField{"topic", topic}, LogField{"source", source},
                          LogField{"reason", why}};
  core.log(LogLevel::warning, "an event of a phase was not published", fields);
}

template <class T>
void publish(detail::BusCore& core, std::string_view topic, T data, std::string_view source,
             const std::string& session) noexcept {
  try {
    const PublishResult result = core.publish(
        Event(topic, typed_payload(std::move(data)), {.source = source, .session_id = session}));
    // A filter, and a bus that is switched off, are what somebody wants; handlers that fail are
    // told of by the bus.
    if (result.code != ErrorCode::ok && result.code != ErrorCode::filtered &&
        result.code != ErrorCode::disabled) {
      log_unpublished(core, topic, source, result.message());
    }
  } catch (const std::exception& error) {
    log_unpublished(core, topic, source, error.what());
  } catch (...) {
    log_unpublished(core, topic, source, "an exception of an unknown type");
  }
}

}  // namespace

void announce(detail::BusCore& core, std::string_view topic, PhaseEventData data) noexcept {
  const std::string source = data.phase_name;
  const std::string session = data.session_id;
  publish(core, topic, std::move(data), source, session);
}

void announce(detail::BusCore& core, std::string_view topic, ChainEventData data) noexcept {
  const std::string session = data.session_id;
  publish(core, topic, std::move(data), kOrchestrator, session);
}

void announce(detail::BusCore& core, CacheHit data, std::string_view session) noexcept {
  const std::string source = data.phase_name;
  publish(core, topics::kCacheHit, std::move(data), source, std::string(session));
}

void erase_reserved(Json& metadata) {
  for (const char* const name : {"cache_key", "cached", "fault"}) metadata.erase(name);
}

PhaseEventData event_of(std::string_view phase, const phase::PhaseInput& input, int attempt,
                        int max_attempts) {
  PhaseEventData data;
  data.phase_name = std::string(phase);
  data.session_id = input.session_id;
  data.attempt = attempt;
  data.max_attempts = max_attempts;
  if (!metadata_fault(input.metadata) && !input.metadata.is_null()) {
    data.metadata = input.metadata;
    erase_reserved(data.metadata);
  }
  return data;
}

}  // namespace busway::phase_detail
