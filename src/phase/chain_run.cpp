#include "phase/chain_run.hpp"

#include <algorithm>
#include <system_error>

#include "base/duration_words.hpp"
#include "base/escape.hpp"
#include "busway/topics.hpp"
#include "delivery/later.hpp"
#include "phase/announcing.hpp"
#include "phase/cause.hpp"
#include "phase/context_access.hpp"
#include "phase/limits.hpp"
#include "phase/names.hpp"

namespace busway::phase_detail {

using phase::PhaseContext;
using phase::PhaseError;
using phase::PhaseFault;
using phase::PhaseInput;
using phase::PhaseOutput;

namespace {

std::size_t parallel_of(const phase::ChainOptions& options) {
  if (options.max_parallel != 0) return options.max_parallel;
  return std::max<std::size_t>(2, std::thread::hardware_concurrency());
}

}  // namespace

ChainRun::ChainRun(detail::BusCore& core, std::vector<PlannedPhase> plan, PhaseInput input,
                   const phase::ChainOptions& options, const ChainPast& past)
    : core_(core),
      plan_(std::move(plan)),
      input_(std::move(input)),
      parallel_(parallel_of(options)),
      began_(core.options().clock->steady()),
      timeout_(options.timeout),
      asked_(options.stop),
      cause_(cause_here()),
      outputs_(plan_.size()),
      threads_(plan_.size()) {
  if (timeout_) deadline_ = delivery_detail::later(began_, *timeout_);
  for (std::size_t i = 0; i < plan_.size(); ++i) {
    open_.push_back(plan_[i].after.size());
    if (plan_[i].after.empty()) ready_.insert(i);
  }
  result_.session_id = input_.session_id;
  take_up(past);
}

void ChainRun::take_up(const ChainPast& past) {
  for (const auto& [name, data] : past.outputs) {
    const auto one = std::find_if(plan_.begin(), plan_.end(),
                                  [&, &known = name](const auto& p) { return p.name == known; });
    if (one == plan_.end()) continue;
    const auto phase = static_cast<std::size_t>(one - plan_.begin());
    if (ready_.erase(phase) == 0) continue;
    settle(phase,
           PhaseOutput{.request = input_.request, .data = data, .session_id = input_.session_id});
  }
  says_nothing_ = past.completed && result_.completed_phases.size() == plan_.size();
}

ChainRun::~ChainRun() {
  stop_.request_stop();
  for (auto& [phase, thread] : running_) {
    if (thread.joinable()) thread.join();
  }
}

phase::ChainResult ChainRun::run() {
  if (!says_nothing_) {
    ChainEventData started = event();
    started.completed_phases = result_.completed_phases;
    announce(core_, topics::kChainStarted, std::move(started));
  }
  {
    const std::stop_callback stopping(asked_, [this] { stop_.request_stop(); });
    do {
      begin_ready();
      if (!running_.empty()) take_one_that_ended();
    } while (!running_.empty() || (result_.ok() && !ready_.empty()));
  }
  result_.elapsed = core_.options().clock->steady() - began_;
  ChainEventData ended = event();
  ended.completed_phases = result_.completed_phases;
  ended.elapsed_ms = milliseconds(result_.elapsed);
  if (result_.ok()) {
    result_.phase_index = static_cast<int>(plan_.size());
    result_.output = output_of_ends();
  } else {
    ended.failed_phase = result_.failed_phase;
    ended.error = result_.error->message;
  }
  ended.phase_index = result_.phase_index;
  if (says_nothing_) return std::move(result_);
  announce(core_, result_.ok() ? topics::kChainCompleted : topics::kChainFailed, std::move(ended));
  return std::move(result_);
}

ChainEventData ChainRun::event() const {
  ChainEventData data;
  data.session_id = input_.session_id;
  data.phase_count = static_cast<int>(plan_.size());
  for (const PlannedPhase& one : plan_) data.phase_names.push_back(one.name);
  return data;
}

PhaseInput ChainRun::input_of(const PlannedPhase& one) const {
  PhaseInput input = {.request = input_.request,
                      .data = {},
                      .session_id = input_.session_id,
                      .metadata = input_.metadata};
  if (one.after.empty()) {
    input.data = input_.data;
  } else if (one.after.size() == 1) {
    input.data = result_.outputs[outputs_[one.after.front()]].data;
  } else {
    input.data = Json::object();
    for (const std::size_t before : one.after) {
      input.data[plan_[before].name] = result_.outputs[outputs_[before]].data;
    }
  }
  return input;
}

AttemptResult ChainRun::execute(std::size_t phase, const PhaseInput& input) {
  const PlannedPhase& one = plan_[phase];
  PhaseContext context(stop_.get_token(), deadline_);
  ContextAccess::set_timeout(context, one.timeout);
  try {
    PhaseOutput output = one.phase->execute(input, context);
    // One that announces itself may be of any class.
    if (const auto fault = output_fault(output)) {
      return PhaseError{PhaseFault::invalid_output,
                        "phase " + quote(one.name, kNameBytesMax) +
                            " gave an output that no event "
                            "could carry: " +
                            *fault,
                        nullptr};
    }
    return output;
  } catch (...) {
    return error_of(one.name, std::current_exception());
  }
}

void ChainRun::begin_ready() {
  while (result_.ok() && !ready_.empty() && running_.size() < parallel_) {
    const std::size_t phase = *ready_.begin();
    if (is_over_before(phase)) return;
    const bool alone = running_.empty() && (ready_.size() == 1 || parallel_ == 1);
    if (alone || !begin_beside(phase)) {
      if (!running_.empty()) return;  // no thread for it now: it waits for one that runs
      ready_.erase(phase);
      settle(phase, execute(phase, input_of(plan_[phase])));
      continue;
    }
    ready_.erase(phase);
  }
}

/// False: no thread could be had, or this one must not wait for it.
bool ChainRun::begin_beside(std::size_t phase) {
  if (running_.empty() && !enter_wait()) return false;
  const auto place = running_.try_emplace(phase).first;
  try {
    place->second = std::thread([this, phase, input = input_of(plan_[phase])] {
      threads_[phase].store(std::this_thread::get_id(), std::memory_order_release);
      AttemptResult result = [&] {
        const CauseScope scope(core_, cause_);
        return execute(phase, input);
      }();
      threads_[phase].store(std::thread::id(), std::memory_order_release);
      const std::lock_guard lock(mutex_);
      ended_.push_back({phase, std::move(result)});
      changed_.notify_one();
    });
    return true;
  } catch (const std::system_error&) {
    running_.erase(place);
    if (running_.empty()) waits_.reset();
    return false;
  }
}

/// Before the first of them begins, and not anew for each: one that waits for this thread must find
/// it waiting, or the two would stand still.
bool ChainRun::enter_wait() {
  std::vector<delivery_detail::WaitFor> calls;
  calls.reserve(threads_.size());
  for (const auto& thread : threads_) calls.push_back(delivery_detail::WaitFor::call(thread));
  waits_.emplace(std::move(calls));
  if (!waits_->entered()) waits_.reset();
  return waits_.has_value();
}

void ChainRun::take_one_that_ended() {
  std::vector<Ended> ended;
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !ended_.empty(); });
    ended.swap(ended_);
  }
  for (Ended& one : ended) {
    running_.extract(one.phase).mapped().join();
    settle(one.phase, std::move(one.result));
  }
  if (running_.empty()) waits_.reset();
}

void ChainRun::settle(std::size_t phase, AttemptResult result) {
  if (auto* const error = std::get_if<PhaseError>(&result)) {
    if (result_.ok()) fail(phase, std::move(*error));
    return;
  }
  outputs_[phase] = result_.outputs.size();
  result_.outputs.push_back(std::move(std::get<PhaseOutput>(result)));
  result_.completed_phases.push_back(plan_[phase].name);
  for (const std::size_t next : plan_[phase].next) {
    if (--open_[next] == 0) ready_.insert(next);
  }
}

void ChainRun::fail(std::size_t phase, PhaseError error) {
  result_.failed_phase = plan_[phase].name;
  result_.phase_index = static_cast<int>(phase);
  result_.error = std::move(error);
  stop_.request_stop();
}

bool ChainRun::is_over_before(std::size_t phase) {
  const std::string before = " before phase " + quote(plan_[phase].name, kNameBytesMax);
  if (asked_.stop_requested()) {
    fail(phase, {PhaseFault::cancelled, "the chain was cancelled" + before, nullptr});
  } else if (deadline_ && core_.options().clock->steady() >= *deadline_) {
    fail(phase, {PhaseFault::timed_out,
                 "the chain did not end within " + duration_words(*timeout_) +
                     ": the time was over" + before,
                 nullptr});
  }
  return !result_.ok();
}

PhaseOutput ChainRun::output_of_ends() const {
  std::vector<std::size_t> ends;
  for (std::size_t i = 0; i < plan_.size(); ++i) {
    if (plan_[i].next.empty()) ends.push_back(i);
  }
  if (ends.size() == 1) return result_.outputs[outputs_[ends.front()]];
  PhaseOutput output{
      .request = input_.request, .data = Json::object(), .session_id = input_.session_id};
  for (const std::size_t end : ends) {
    output.data[plan_[end].name] = result_.outputs[outputs_[end]].data;
  }
  return output;
}

}  // namespace busway::phase_detail
