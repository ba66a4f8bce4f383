#include "busway/middleware/throttle.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "busway/clock.hpp"
#include "busway/error.hpp"
#include "busway/limits.hpp"
#include "delivery/later.hpp"

namespace busway {
namespace {

using std::chrono::nanoseconds;

std::string in_words(nanoseconds duration) {
  if (duration % std::chrono::milliseconds(1) != nanoseconds::zero()) {
    return std::to_string(duration.count()) + "ns";
  }
  return std::to_string(duration / std::chrono::milliseconds(1)) + "ms";
}

}  // namespace

struct Throttle::State {
  State(std::size_t calls, nanoseconds per, Surplus surplus)
      : per_(per), surplus_(surplus), slots_(calls, SteadyTime::min()) {}

  enum class Verdict : unsigned char { go, wait, refuse };
  struct Answer {
    Verdict verdict;
    nanoseconds wait{};
  };

  Answer ask(const EventId& id, SteadyTime now) {
    const std::lock_guard lock(mutex_);
    now = latest_ = std::max(latest_, now);  // whoever came first to the clock may come last here
    if (const auto known = waiting_.find(id); known != waiting_.end()) {
      const SteadyTime slot = known->second->first;
      if (slot > now) return {Verdict::wait, slot - now};
      by_slot_.erase(known->second);
      waiting_.erase(known);
      return {Verdict::go};
    }
    // The slot taken so many calls ago, and after it the span.
    const SteadyTime slot = std::max(now, delivery_detail::later(slots_[at_], per_));
    if (slot > now) {
      if (surplus_ == Surplus::fail || !has_room(now)) return {Verdict::refuse};
      const auto place = by_slot_.emplace(slot, id);
      try {
        waiting_.emplace(id, place);
      } catch (...) {
        by_slot_.erase(place);
        throw;
      }
    }
    slots_[at_] = slot;
    at_ = (at_ + 1) % slots_.size();
    if (slot > now) return {Verdict::wait, slot - now};
    return {Verdict::go};
  }

  [[nodiscard]] std::string refusal() const {
    return "more than " + std::to_string(slots_.size()) + " calls in " + in_words(per_) +
           (surplus_ == Surplus::fail ? "" : ", and as many events wait for their turn as may");
  }

 private:
  /// Forgets an event that has not come back for its slot; one that comes yet takes a new one.
  bool has_room(SteadyTime now) {
    if (waiting_.size() < limits::kThrottleWaitingMax) return true;
    const auto oldest = by_slot_.begin();
    if (oldest->first > now) return false;
    waiting_.erase(oldest->second);
    by_slot_.erase(oldest);
    return true;
  }

  const nanoseconds per_;
  const Surplus surplus_;

  std::mutex mutex_;  // guards all below
  SteadyTime latest_ = SteadyTime::min();
  std::vector<SteadyTime> slots_;  // the last ones taken, a ring
  std::size_t at_ = 0;             // the oldest of them
  std::multimap<SteadyTime, EventId> by_slot_;
  std::unordered_map<EventId, std::multimap<SteadyTime, EventId>::iterator> waiting_;
};

Throttle::Throttle(std::size_t calls, nanoseconds per, Surplus surplus) {
  const auto refuse = [](std::string_view field, const std::string& value,
                         const std::string& right) {
    throw Error(ErrorCode::invalid_option,
                "Throttle: " + std::string(field) + " is " + value + "; it is " + right);
  };
  if (calls == 0 || calls > limits::kThrottleCallsMax) {
    refuse("calls", std::to_string(calls), "1 to " + std::to_string(limits::kThrottleCallsMax));
  }
  if (per <= nanoseconds::zero() || per > limits::kRetryDelayMax) {
    refuse("per", in_words(per), "longer than 0, at most " + in_words(limits::kRetryDelayMax));
  }
  if (surplus > Surplus::fail) {
    refuse("surplus", std::to_string(static_cast<unsigned>(surplus)), "retry (0) or fail (1)");
  }
  state_ = std::make_shared<State>(calls, per, surplus);
}

Outcome Throttle::operator()(const Event& event, Context& context, const Next& next) const {
  const State::Answer answer = state_->ask(event.id(), context.clock().steady());
  switch (answer.verdict) {
    case State::Verdict::go: break;
    case State::Verdict::wait: return Outcome::retry(answer.wait);
    case State::Verdict::refuse: return Outcome::fail(state_->refusal());
  }
  return next();
}

}  // namespace busway
