#include "busway/phase_orchestrator.hpp"

#include <utility>

#include "base/duration_words.hpp"
#include "base/escape.hpp"
#include "bus/dispatch.hpp"
#include "busway/bus.hpp"
#include "busway/event_aware_phase.hpp"
#include "event/text_field.hpp"
#include "phase/chain_past.hpp"
#include "phase/chain_plan.hpp"
#include "phase/chain_run.hpp"
#include "phase/limits.hpp"
#include "phase/names.hpp"

namespace busway::phase {

using namespace phase_detail;  // NOLINT(google-build-using-namespace): its own layer

namespace {

void check(const ChainOptions& options, const PhaseInput& input, const std::string& who) {
  if (options.timeout && *options.timeout <= options.timeout->zero()) {
    throw Error(ErrorCode::invalid_option, who + ": the timeout of the chain is " +
                                               duration_words(*options.timeout) +
                                               "; it is longer than 0");
  }
  if (options.max_parallel > kParallelMax) {
    throw Error(ErrorCode::invalid_option,
                who + ": max_parallel is " + std::to_string(options.max_parallel) +
                    "; it is 0 (the cores) to " + std::to_string(kParallelMax));
  }
  if (const auto fault = input_fault(input)) {
    throw Error(ErrorCode::invalid_argument, who + ": the input is refused: " + *fault);
  }
  if (const std::string fault = detail::text_field_fault(input.session_id); !fault.empty()) {
    throw Error(ErrorCode::invalid_argument,
                who + ": the session id " + quote(input.session_id) + " " + fault);
  }
}

std::vector<ChainStep> steps_of(const std::vector<std::shared_ptr<Phase>>& phases) {
  std::vector<ChainStep> steps;
  steps.reserve(phases.size());
  for (const std::shared_ptr<Phase>& phase : phases) {
    ChainStep step{.phase = phase};
    if (!steps.empty() && steps.back().phase != nullptr) {
      step.after.push_back(steps.back().phase->name());
    }
    steps.push_back(std::move(step));
  }
  return steps;
}

ChainResult execute(Bus& bus, const PhaseOrchestrator& orchestrator,
                    const std::vector<ChainStep>& steps, PhaseInput input,
                    const ChainOptions& options, const std::string& who,
                    const ChainPast& past = {}) {
  std::vector<PlannedPhase> plan = make_plan(steps, who);
  check(options, input, who);
  for (PlannedPhase& one : plan) one.phase = orchestrator.wrap(std::move(one.phase));
  detail::BusCore& core = detail::Dispatch::core_of(bus);
  if (input.session_id.empty()) input.session_id = to_string(core.make_id());
  if (input.metadata.is_null()) input.metadata = Json::object();
  return ChainRun(core, std::move(plan), std::move(input), options, past).run();
}

}  // namespace

std::shared_ptr<Phase> PhaseOrchestrator::wrap(std::shared_ptr<Phase> phase) const {
  if (phase != nullptr && phase->announces_itself()) return phase;
  return std::make_shared<EventAwarePhase>(std::move(phase), bus_);
}

ChainResult PhaseOrchestrator::execute_chain(const std::vector<std::shared_ptr<Phase>>& phases,
                                             PhaseInput input, const ChainOptions& options) const {
  return execute(bus_, *this, steps_of(phases), std::move(input), options, "execute_chain");
}

ChainResult PhaseOrchestrator::execute_graph(const std::vector<ChainStep>& steps, PhaseInput input,
                                             const ChainOptions& options) const {
  return execute(bus_, *this, steps, std::move(input), options, "execute_graph");
}

ChainResult PhaseOrchestrator::resume(const std::string& session_id,
                                      const std::vector<std::shared_ptr<Phase>>& phases,
                                      PhaseInput input, const ChainOptions& options) const {
  return resume_graph(session_id, steps_of(phases), std::move(input), options);
}

ChainResult PhaseOrchestrator::resume_graph(const std::string& session_id,
                                            const std::vector<ChainStep>& steps, PhaseInput input,
                                            const ChainOptions& options) const {
  ChainPast past = chain_past(bus_, session_id);
  if (past.is_unknown()) {
    throw Error(ErrorCode::not_found,
                "resume: nothing is known of the session " + quote(session_id, 200) +
                    "; a chain that is to be resumed needs a bus that keeps phase.* and chain.*");
  }
  input.session_id = session_id;
  if (input.request.empty() && input.data.is_null()) {
    input.request = past.request;
    input.data = past.data;
    if (input.metadata.is_null() || input.metadata.empty()) input.metadata = past.metadata;
  }
  return execute(bus_, *this, steps, std::move(input), options, "resume", past);
}

}  // namespace busway::phase
