#include "busway/retryable_phase.hpp"

#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <utility>

#include "base/duration_words.hpp"
#include "base/escape.hpp"
#include "bus/dispatch.hpp"
#include "busway/bus.hpp"
#include "busway/event_aware_phase.hpp"
#include "busway/topics.hpp"
#include "delivery/later.hpp"
#include "delivery/retry_schedule.hpp"
#include "delivery/worker_pool.hpp"
#include "phase/announcing.hpp"
#include "phase/attempt.hpp"
#include "phase/context_access.hpp"
#include "phase/limits.hpp"
#include "phase/names.hpp"
#include "phase/waiting.hpp"

namespace busway::phase {

using namespace phase_detail;  // NOLINT(google-build-using-namespace): its own layer

namespace {

RetryPolicy policy_of(const Backoff& backoff, int max_attempts) {
  RetryPolicy policy;
  policy.max_retries = static_cast<unsigned>(max_attempts) - 1;
  policy.initial_delay = backoff.initial_delay;
  policy.max_delay = backoff.max_delay;
  policy.backoff_factor = backoff.backoff_factor;
  policy.jitter = backoff.jitter;
  return policy;
}

/// Also where it is passed through by one that is event-aware.
bool is_retryable(const Phase* phase) noexcept {
  while (const auto* const around = dynamic_cast<const EventAwarePhase*>(phase)) {
    phase = &around->within();
  }
  return dynamic_cast<const RetryablePhase*>(phase) != nullptr;
}

std::shared_ptr<Phase> event_aware(std::shared_ptr<Phase> phase, Bus& bus) {
  if (is_retryable(phase.get())) {
    throw Error(ErrorCode::invalid_argument, "RetryablePhase: the phase " + quote(phase->name()) +
                                                 " is retryable already; say how often there");
  }
  return std::make_shared<EventAwarePhase>(std::move(phase), bus);
}

int require_attempts(int max_attempts, const Backoff& backoff) {
  if (max_attempts < 1 || max_attempts > kAttemptsMax) {
    throw Error(ErrorCode::invalid_option, "RetryablePhase: max_attempts is " +
                                               std::to_string(max_attempts) + "; it is 1 to " +
                                               std::to_string(kAttemptsMax));
  }
  if (backoff.initial_delay < backoff.initial_delay.zero()) {
    throw Error(ErrorCode::invalid_option, "RetryablePhase: Backoff::initial_delay is " +
                                               duration_words(backoff.initial_delay) +
                                               "; it is 0 or longer");
  }
  RetryPolicy policy = policy_of(backoff, max_attempts);
  // At once is fine here: an attempt holds up nobody but its own caller.
  if (policy.initial_delay == policy.initial_delay.zero()) ++policy.initial_delay;
  delivery_detail::check_retry(policy, Mode::async, "RetryablePhase", "Backoff::");
  return max_attempts;
}

enum class Waited : unsigned char { out, cancelled, for_ever, refused };

/// Waits until the clock has come to `when`, or the token says stop.
Waited wait_for_turn(detail::BusCore& core, SteadyTime when, const std::stop_token& stop) {
  const BusOptions& options = core.options();
  if (options.clock->is_manual() && options.executor != nullptr &&
      options.executor->pumped_by_this_thread() && options.clock->steady() < when) {
    return Waited::for_ever;  // whoever moves the clock is this thread
  }
  // Whoever cancels may need a worker: where this is one, another takes its place meanwhile.
  const delivery_detail::WorkerPool::Blocked blocked;
  if (!blocked.allowed()) return Waited::refused;
  std::mutex mutex;
  std::condition_variable changed;
  const std::stop_callback stopping(stop, [&] {
    { const std::lock_guard lock(mutex); }
    changed.notify_all();
  });
  const bool stopped =
      wait_until(*options.clock, mutex, changed, when, [&] { return stop.stop_requested(); });
  return stopped ? Waited::cancelled : Waited::out;
}

/// All attempts of one execute().
class Attempts {
 public:
  Attempts(detail::BusCore& core, Phase& phase, const std::string& name, int max_attempts,
           const Backoff& backoff, const PhaseInput& input, const PhaseContext& context)
      : core_(core),
        phase_(phase),
        name_(name),
        max_attempts_(max_attempts),
        policy_(policy_of(backoff, max_attempts)),
        input_(input),
        context_(context),
        began_(core.options().clock->steady()) {}

  PhaseOutput run() {
    for (;;) {
      if (attempt_ > 1) {
        PhaseEventData retrying = event();
        retrying.error = error_.message;
        announce(core_, topics::kPhaseRetrying, std::move(retrying));
      }
      if (std::optional<PhaseOutput> output = try_once()) {
        if (attempt_ > 1) announce(core_, topics::kPhaseRetrySuccess, event_at_end());
        return std::move(*output);
      }
      if (!may_go_on() || !wait()) give_up();
      ++attempt_;
    }
  }

 private:
  std::optional<PhaseOutput> try_once() {
    PhaseContext context = context_;
    ContextAccess::set_attempt(context, attempt_, max_attempts_);
    try {
      return phase_.execute(input_, context);
    } catch (...) {
      error_ = error_of(name_, std::current_exception());
      return std::nullopt;
    }
  }

  bool may_go_on() {
    if (attempt_ == max_attempts_ || error_.fault == PhaseFault::cancelled) return false;
    try {
      return phase_.can_retry(error_);
    } catch (...) {
      return false;
    }
  }

  /// False: there will be no further attempt, and error_ says why.
  bool wait() {
    const SteadyTime now = core_.options().clock->steady();
    const auto next = delivery_detail::next_attempt(
        policy_,
        {.retries_made = static_cast<unsigned>(attempt_) - 1, .first_began = began_, .now = now},
        core_.random_word());
    const SteadyTime when = delivery_detail::later(now, next.delay);
    if (context_.deadline() && when >= *context_.deadline()) {
      error_.message += "; another attempt could only begin after the deadline";
      return false;
    }
    switch (wait_for_turn(core_, when, context_.stop_token())) {
      case Waited::out: return true;
      case Waited::for_ever:
        error_.message +=
            "; waiting for another attempt here could never end, because this "
            "thread moves the clock";
        return false;
      case Waited::refused:
        error_.message +=
            "; no further attempt was begun, because as many handlers wait already as may";
        return false;
      case Waited::cancelled: break;
    }
    error_ = {PhaseFault::cancelled,
              "phase " + quote(name_, kNameBytesMax) + " was cancelled before attempt " +
                  std::to_string(attempt_ + 1) + " of " + std::to_string(max_attempts_) +
                  "; attempt " + std::to_string(attempt_) + ": " + error_.message,
              error_.cause};
    return false;
  }

  [[noreturn]] void give_up() {
    PhaseEventData failure = event_at_end();
    failure.error = error_.message;
    failure.metadata["fault"] = to_string(error_.fault);
    announce(core_, topics::kPhaseFinalFailure, std::move(failure));
    throw PhaseFailed(error_);
  }

  [[nodiscard]] PhaseEventData event() const {
    return event_of(name_, input_, attempt_, max_attempts_);
  }
  /// With the time from the first attempt on, the waits included.
  [[nodiscard]] PhaseEventData event_at_end() const {
    PhaseEventData data = event();
    data.duration_ms = milliseconds(core_.options().clock->steady() - began_);
    return data;
  }

  detail::BusCore& core_;
  Phase& phase_;
  const std::string& name_;
  const int max_attempts_;
  const RetryPolicy policy_;
  const PhaseInput& input_;
  const PhaseContext& context_;
  const SteadyTime began_;
  int attempt_ = 1;
  PhaseError error_;  // of the last attempt
};

}  // namespace

RetryablePhase::RetryablePhase(std::shared_ptr<Phase> phase, Bus& bus, int max_attempts,
                               Backoff backoff)
    : phase_(event_aware(std::move(phase), bus)),
      bus_(bus),
      name_(phase_->name()),
      max_attempts_(require_attempts(max_attempts, backoff)),
      backoff_(backoff) {}

PhaseOutput RetryablePhase::execute(const PhaseInput& input, PhaseContext& context) {
  return Attempts(detail::Dispatch::core_of(bus_), *phase_, name_, max_attempts_, backoff_, input,
                  context)
      .run();
}

std::optional<std::string> RetryablePhase::validate_input(const PhaseInput& input) const {
  return phase_->validate_input(input);
}
std::optional<std::string> RetryablePhase::validate_output(const PhaseOutput& output) const {
  return phase_->validate_output(output);
}
std::optional<std::chrono::nanoseconds> RetryablePhase::estimated_duration() const {
  return phase_->estimated_duration();
}
std::optional<std::chrono::nanoseconds> RetryablePhase::timeout() const {
  return phase_->timeout();
}
bool RetryablePhase::can_retry(const PhaseError& error) const { return phase_->can_retry(error); }

}  // namespace busway::phase
