// busway/middleware/throttle.hpp -- no more calls of a handler in a span of time than it can bear.
// Layer: bus
//
// Model      with(Throttle(100, 1s), handler). Calls take slots, in the order in which they come:
//            never more than `calls` slots lie within any span of `per`. A call whose slot is now
//            goes through. One whose slot is later is surplus. Surplus::retry, the default, keeps
//            the slot for the event and answers Outcome::retry() with the time until then, so the
//            event waits as any retry does: no thread is held. That uses up one attempt of the
//            subscription's retry policy and has no meaning without one, as for a synchronous
//            subscription that sets none. Surplus::fail takes no slot and answers Outcome::fail(),
//            for those. With RetryOrder::strict the events behind wait too, and keep their order.
//            A call that comes late for its slot is not counted again.
// Threads    [any-thread]
// Ownership  Copies share the slots: one Throttle put around two handlers limits both together.
// Errors     The constructor throws Error(invalid_option) for calls beyond 1 to
//            limits::kThrottleCallsMax and for per beyond 1 ns to limits::kRetryDelayMax. A surplus
//            call fails when limits::kThrottleWaitingMax events wait already.
// Cost       One lock a call, eight bytes a slot, and a waiting retry for each event that waits.
// Example    examples/09_middleware
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>

#include "busway/middleware.hpp"

namespace busway {

/// What becomes of a call that comes too early.
enum class Surplus : unsigned char { retry, fail };

class Throttle {
 public:
  Throttle(std::size_t calls, std::chrono::nanoseconds per, Surplus surplus = Surplus::retry);

  Outcome operator()(const Event& event, Context& context, const Next& next) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace busway
