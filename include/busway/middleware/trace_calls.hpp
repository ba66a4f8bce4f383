// busway/middleware/trace_calls.hpp -- tells a tracer where each call of a handler begins and ends.
// Layer: bus
//
// Model      with(TraceCalls(begin, end), handler). For an event with a valid traceparent, begin is
//            called before what stands behind and end after it, on the same thread and well nested.
//            Other events pass without a hook; BusOptions::trace gives each event a traceparent.
//            Events that the handler publishes continue the trace by themselves.
// Threads    [any-thread], as far as the hooks are.
// Ownership  Copies share the hooks. What a hook is given is good for its call.
// Errors     What the handler throws is told to end as a failure and passes on. A hook that throws
//            is ignored.
// Cost       Reading the traceparent and the time twice, and the hooks' work, a call.
// Example    tests/bus/middleware/trace_calls_test.cpp
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string_view>

#include "busway/middleware.hpp"
#include "busway/trace_parent.hpp"

namespace busway {

/// A call that a tracer sees as one span.
struct TracedCall {
  TraceParent parent;  ///< of the event: the span's parent, and its trace
  const Event& event;
  std::string_view subscription;
  unsigned attempt;
};

class TraceCalls {
 public:
  using Begin = std::function<void(const TracedCall&)>;
  using End = std::function<void(const TracedCall&, const Outcome&, std::chrono::nanoseconds took)>;

  /// Either may be empty.
  TraceCalls(Begin begin, End end);

  Outcome operator()(const Event& event, Context& context, const Next& next) const;

 private:
  struct Hooks;
  std::shared_ptr<const Hooks> hooks_;
};

}  // namespace busway
