#include "phase/attempt.hpp"

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <stop_token>
#include <system_error>
#include <thread>
#include <utility>

#include "base/duration_words.hpp"
#include "base/escape.hpp"
#include "delivery/later.hpp"
#include "delivery/wait_graph.hpp"
#include "phase/cause.hpp"
#include "phase/context_access.hpp"
#include "phase/limits.hpp"
#include "phase/names.hpp"
#include "phase/waiting.hpp"

namespace busway::phase_detail {
namespace {

using phase::PhaseContext;
using phase::PhaseError;
using phase::PhaseFault;
using phase::PhaseInput;
using phase::PhaseOutput;

std::string called(const std::string& name) { return "phase " + quote(name, kNameBytesMax); }

/// From inside a catch clause: what was thrown.
std::string thrown_words() {
  try {
    throw;
  } catch (const std::exception& error) {
    return escape(error.what(), kErrorBytesMax);
  } catch (...) {
    return "it threw something that is no std::exception";
  }
}

using Fault = std::optional<std::string>;

/// known: what is wrong with it whatever the phase says, in words that are safe to show.
std::optional<PhaseError> refuse(const std::string& name, PhaseFault fault, std::string_view what,
                                 const Fault& known, const std::function<Fault()>& validate) {
  const std::string begin = called(name) + " refuses its " + std::string(what) + ": ";
  if (known) return PhaseError{fault, begin + *known, nullptr};
  try {
    const Fault found = validate();
    if (!found) return std::nullopt;
    return PhaseError{fault, begin + escape(*found, kErrorBytesMax), nullptr};
  } catch (...) {
    return PhaseError{fault, begin + thrown_words(), std::current_exception()};
  }
}

AttemptResult call(phase::Phase& phase, const std::string& name, const PhaseInput& input,
                   PhaseContext& context) {
  try {
    PhaseOutput output = phase.execute(input, context);
    if (output.request.empty()) output.request = input.request;
    if (output.session_id.empty()) output.session_id = input.session_id;
    if (auto refused = refuse_output(phase, name, output)) return std::move(*refused);
    if (output.metadata.is_null()) output.metadata = Json::object();
    return output;
  } catch (...) {
    const bool stopping = context.stop_requested();
    return PhaseError{stopping ? PhaseFault::cancelled : PhaseFault::threw,
                      called(name) + (stopping ? " was cancelled: " : " failed: ") + thrown_words(),
                      std::current_exception()};
  }
}

std::atomic<std::size_t> left_behind{0};

/// A call on a thread of its own, and who waits for it.
struct TimedCall {
  TimedCall(detail::BusCore& bus, const Attempt& attempt)
      : core(bus),
        phase(attempt.phase),
        name(attempt.name),
        input(attempt.input),
        context(attempt.context),
        cause(cause_here()) {
    ContextAccess::set_stop(context, stop.get_token());
  }

  void run() {
    thread.store(std::this_thread::get_id(), std::memory_order_release);
    AttemptResult ended = [&] {
      const CauseScope scope(core.get(), cause);
      return call(*phase, name, input, context);
    }();
    const std::lock_guard lock(mutex);
    if (given_up) {
      left_behind.fetch_sub(1, std::memory_order_relaxed);
      return;
    }
    result = std::move(ended);
    changed.notify_all();
  }

  const HeldCore core;
  const std::shared_ptr<phase::Phase> phase;
  const std::string name;
  const PhaseInput input;
  std::stop_source stop;
  PhaseContext context;
  const std::shared_ptr<const Event> cause;
  std::atomic<std::thread::id> thread;  // for the graph of waits

  std::mutex mutex;
  std::condition_variable changed;
  // Guarded by mutex.
  std::optional<AttemptResult> result;
  bool given_up = false;
};

AttemptResult run_timed(detail::BusCore& core, const Attempt& attempt, SteadyTime deadline,
                        const std::string& late) {
  if (left_behind.load(std::memory_order_relaxed) >= kLeftBehindMax) {
    return PhaseError{PhaseFault::not_begun,
                      called(attempt.name) + " was not begun: " + std::to_string(kLeftBehindMax) +
                          " calls of phases that passed their deadline have not returned",
                      nullptr};
  }
  const auto timed = std::make_shared<TimedCall>(core, attempt);
  // Entered before the call begins: it may wait for this thread at once.
  std::optional<delivery_detail::WaitEdge> edge(
      std::in_place, std::vector{delivery_detail::WaitFor::call(timed->thread)});
  if (!edge->entered()) {
    return PhaseError{PhaseFault::not_begun,
                      called(attempt.name) +
                          " was not begun: as many handlers wait already as may, and this one "
                          "would wait for it",
                      nullptr};
  }
  std::thread thread;
  try {
    thread = std::thread([timed] { timed->run(); });
  } catch (const std::system_error& error) {
    return PhaseError{PhaseFault::not_begun,
                      called(attempt.name) +
                          " was not begun: no thread could be had for it: " + escape(error.what()),
                      std::current_exception()};
  }
  {
    const std::stop_callback stopping(attempt.context.stop_token(),
                                      [&] { timed->stop.request_stop(); });
    wait_until(*core.options().clock, timed->mutex, timed->changed, deadline,
               [&] { return timed->result.has_value(); });
    edge.reset();
  }
  {
    const std::lock_guard lock(timed->mutex);
    if (!timed->result) {
      timed->given_up = true;
      left_behind.fetch_add(1, std::memory_order_relaxed);
    }
  }
  if (timed->given_up) {  // written by this thread alone
    timed->stop.request_stop();
    thread.detach();
    return PhaseError{PhaseFault::timed_out, late, nullptr};
  }
  thread.join();
  return std::move(*timed->result);
}

}  // namespace

std::optional<PhaseError> refuse_input(const Attempt& attempt) {
  return refuse(attempt.name, PhaseFault::invalid_input, "input", input_fault(attempt.input),
                [&] { return attempt.phase->validate_input(attempt.input); });
}

std::optional<PhaseError> refuse_output(const phase::Phase& phase, const std::string& name,
                                        const PhaseOutput& output) {
  // What is wrong whatever the phase says is looked for first: nothing has copied it yet.
  return refuse(name, PhaseFault::invalid_output, "output", output_fault(output),
                [&] { return phase.validate_output(output); });
}

PhaseError error_of(const std::string& name, const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const phase::PhaseFailed& failed) {
    return failed.error();
  } catch (...) {
    return {PhaseFault::threw, called(name) + " failed: " + thrown_words(), thrown};
  }
}

AttemptResult run_attempt(detail::BusCore& core, const Attempt& attempt) {
  const PhaseContext& context = attempt.context;
  if (context.stop_requested()) {
    return PhaseError{PhaseFault::cancelled,
                      called(attempt.name) + " was cancelled before it began", nullptr};
  }
  std::optional<std::chrono::nanoseconds> timeout = ContextAccess::timeout(context);
  try {
    if (!timeout) timeout = attempt.phase->timeout();
  } catch (...) {
    return error_of(attempt.name, std::current_exception());
  }
  std::optional<SteadyTime> deadline = context.deadline();
  std::string late = called(attempt.name) + " had not ended at the deadline of its chain";
  if (timeout) {
    const SteadyTime own = delivery_detail::later(core.options().clock->steady(), *timeout);
    if (!deadline || own <= *deadline) {
      deadline = own;
      late = called(attempt.name) + " did not end within " + duration_words(*timeout);
    }
  }
  PhaseContext mine = context;
  ContextAccess::take(mine);
  if (!deadline) return call(*attempt.phase, attempt.name, attempt.input, mine);
  ContextAccess::set_deadline(mine, *deadline);
  return run_timed(core, {attempt.phase, attempt.name, attempt.input, mine}, *deadline, late);
}

}  // namespace busway::phase_detail
