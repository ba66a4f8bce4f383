#include "busway/middleware/trace_calls.hpp"

#include <utility>

#include "bus/middleware/watched_call.hpp"

namespace busway {

struct TraceCalls::Hooks {
  Begin begin;
  End end;
};

TraceCalls::TraceCalls(Begin begin, End end)
    : hooks_(std::make_shared<const Hooks>(Hooks{std::move(begin), std::move(end)})) {}

Outcome TraceCalls::operator()(const Event& event, Context& context, const Next& next) const {
  const auto parent = TraceParent::parse(event.traceparent());
  if (!parent) return next();
  const TracedCall call{.parent = *parent,
                        .event = event,
                        .subscription = context.subscription(),
                        .attempt = context.attempt()};
  detail::call_harmlessly([&] {
    if (hooks_->begin) hooks_->begin(call);
  });
  return detail::watched_call(context, next,
                              [&](const Outcome& outcome, std::chrono::nanoseconds took) {
                                detail::call_harmlessly([&] {
                                  if (hooks_->end) hooks_->end(call, outcome, took);
                                });
                              });
}

}  // namespace busway
