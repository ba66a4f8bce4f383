#include "busway/event_aware_phase.hpp"

#include <utility>

#include "bus/dispatch.hpp"
#include "busway/bus.hpp"
#include "busway/topics.hpp"
#include "phase/announcing.hpp"
#include "phase/attempt.hpp"
#include "phase/cache_lookup.hpp"
#include "phase/context_access.hpp"
#include "phase/names.hpp"

namespace busway::phase {

using namespace phase_detail;  // NOLINT(google-build-using-namespace): its own layer

namespace {

/// Where each event of an attempt begins.
PhaseEventData attempt_event(const std::string& name, const PhaseInput& input,
                             const PhaseContext& context) {
  return event_of(name, input, context.attempt(), context.max_attempts());
}

void announce_start(detail::BusCore& core, const Attempt& attempt,
                    const std::optional<PhaseError>& refused) {
  PhaseEventData started = attempt_event(attempt.name, attempt.input, attempt.context);
  // What is refused for what it holds could not be copied, or would make the event unreadable.
  const bool can_be_told = !refused || !input_fault(attempt.input);
  if (can_be_told) started.input = attempt.input.data;
  if (can_be_told && !attempt.input.request.empty() && !started.metadata.contains("request")) {
    started.metadata["request"] = attempt.input.request;
  }
  try {
    if (const auto estimated = attempt.phase->estimated_duration()) {
      started.metadata["estimated_ms"] = milliseconds(*estimated);
    }
  } catch (...) {  // then there is no estimate
  }
  announce(core, topics::kPhaseStarted, std::move(started));
}

/// The output that a reply to phase.lookup stands for, unless the phase would refuse it.
std::optional<PhaseOutput> known_output(detail::BusCore& core, const Attempt& attempt,
                                        Lookup& lookup) {
  if (!lookup.output) return std::nullopt;
  PhaseOutput output{.request = attempt.input.request,
                     .data = std::move(*lookup.output),
                     .session_id = attempt.input.session_id};
  if (const auto refused = refuse_output(*attempt.phase, attempt.name, output)) {
    const std::array fields{LogField{"phase", attempt.name}, LogField{"reason", refused->message}};
    core.log(LogLevel::warning, "the reply to phase.lookup is no output of the phase", fields);
    return std::nullopt;
  }
  return output;
}

}  // namespace

EventAwarePhase::EventAwarePhase(std::shared_ptr<Phase> phase, Bus& bus)
    : phase_(std::move(phase)), bus_(bus), name_(require_name(phase_.get(), "EventAwarePhase")) {}

PhaseOutput EventAwarePhase::execute(const PhaseInput& input, PhaseContext& context) {
  if (phase_->announces_itself()) return phase_->execute(input, context);
  const PhaseContext mine = ContextAccess::given(context);
  detail::BusCore& core = detail::Dispatch::core_of(bus_);
  const Clock& clock = *core.options().clock;
  const Attempt attempt{phase_, name_, input, mine};

  std::optional<PhaseError> refused = refuse_input(attempt);
  Lookup lookup;
  if (!refused && !mine.stop_requested()) lookup = look_up(core, name_, input, mine);
  const SteadyTime began = clock.steady();
  announce_start(core, attempt, refused);

  std::optional<PhaseOutput> known = known_output(core, attempt, lookup);
  const bool cached = known.has_value();
  if (cached) announce(core, CacheHit{name_, lookup.key, known->data}, input.session_id);
  AttemptResult result = refused  ? AttemptResult(std::move(*refused))
                         : cached ? AttemptResult(std::move(*known))
                                  : run_attempt(core, attempt);

  PhaseEventData ended = attempt_event(name_, input, mine);
  ended.duration_ms = milliseconds(clock.steady() - began);
  if (auto* const error = std::get_if<PhaseError>(&result)) {
    ended.error = error->message;
    ended.metadata["fault"] = to_string(error->fault);
    announce(core, topics::kPhaseFailed, std::move(ended));
    throw PhaseFailed(std::move(*error));
  }
  PhaseOutput& output = std::get<PhaseOutput>(result);
  ended.output = output.data;
  ended.metadata.update(output.metadata);
  erase_reserved(ended.metadata);
  // One that was asked to stop may have given what it had by then: nobody is to keep that.
  if (!lookup.key.empty() && (cached || !mine.stop_requested())) {
    ended.metadata["cache_key"] = lookup.key;
  }
  if (cached) ended.metadata["cached"] = true;
  announce(core, topics::kPhaseCompleted, std::move(ended));
  return std::move(output);
}

std::optional<std::string> EventAwarePhase::validate_input(const PhaseInput& input) const {
  return phase_->validate_input(input);
}
std::optional<std::string> EventAwarePhase::validate_output(const PhaseOutput& output) const {
  return phase_->validate_output(output);
}
std::optional<std::chrono::nanoseconds> EventAwarePhase::estimated_duration() const {
  return phase_->estimated_duration();
}
std::optional<std::chrono::nanoseconds> EventAwarePhase::timeout() const {
  return phase_->timeout();
}
bool EventAwarePhase::can_retry(const PhaseError& error) const { return phase_->can_retry(error); }

}  // namespace busway::phase
