// busway/detail/coroutine_call.hpp -- a call of a coroutine handler, for busway/coroutine.hpp.
// Layer: bus
//
// Model      The handler is asked for its coroutine inside the call's first step; every resumption
//            is a step more. Steps run one after the other, on the subscription's executor, with
//            the event's context set, so that what they publish is caused by it. The call has ended
//            when coroutine_ended() or coroutine_destroyed() was called and that step has returned.
// Threads    add_step(), retain() and release() are [any-thread]; the rest is called in a step.
// Ownership  Counted. The call keeps its event, its context and its subscription until it has ended
//            and nobody holds it. A step that cannot be run any more is destroyed instead.
// Errors     What a step throws fails the delivery.
// Cost       add_step(): a spin lock, and a post to the executor when no step is waiting or
//            running.
// Example    tests/bus/coroutine_test.cpp
#pragma once

#include <exception>
#include <memory>

#include "busway/context.hpp"
#include "busway/executor.hpp"
#include "busway/outcome.hpp"

namespace busway::detail {

class CoroutineCall;

struct CoroutineStep {
  CoroutineStep() = default;
  CoroutineStep(const CoroutineStep&) = delete;
  CoroutineStep& operator=(const CoroutineStep&) = delete;
  virtual ~CoroutineStep() = default;
  virtual void run() = 0;

  CoroutineStep* next = nullptr;
};

/// Cancels what the coroutine waits for. Called as a step is.
struct CoroutineCancel {
  CoroutineCancel() = default;
  CoroutineCancel(const CoroutineCancel&) = delete;
  CoroutineCancel& operator=(const CoroutineCancel&) = delete;
  virtual ~CoroutineCancel() = default;
  virtual void cancel() = 0;
};

/// The call that this context belongs to.
[[nodiscard]] CoroutineCall& coroutine_call(Context& context) noexcept;

void retain(CoroutineCall& call) noexcept;
void release(CoroutineCall& call) noexcept;
void add_step(CoroutineCall& call, std::unique_ptr<CoroutineStep> step);
void set_cancel(CoroutineCall& call, std::unique_ptr<CoroutineCancel> cancel) noexcept;
/// Where its steps run; null: the bus's pool.
[[nodiscard]] const Executor* executor_of(const CoroutineCall& call) noexcept;
/// What the coroutine has returned; before coroutine_ended().
void coroutine_returned(CoroutineCall& call, Outcome outcome);
/// thrown: null when it ended well.
void coroutine_ended(CoroutineCall& call, const std::exception_ptr& thrown) noexcept;
/// It will never end: nothing that could resume it is left.
void coroutine_destroyed(CoroutineCall& call) noexcept;

}  // namespace busway::detail
