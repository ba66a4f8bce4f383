// Breakers of subscriptions: who asks them, who tells them, and the events about them.
#include <array>
#include <exception>
#include <string>
#include <utility>

#include "base/escape.hpp"
#include "bus/bus_core.hpp"
#include "bus/publish_guards.hpp"
#include "busway/events/breaker_event_data.hpp"
#include "busway/topics.hpp"

namespace busway::detail {

using delivery_detail::Breaker;

namespace {

bool is_about_breakers(std::string_view topic) noexcept {
  return topic == topics::kBreakerOpened || topic == topics::kBreakerHalfOpened ||
         topic == topics::kBreakerClosed;
}

Event event_of(Breaker::State state, BreakerEventData data) {
  const EventOptions options{.source = "bus", .origin = Origin::system};
  switch (state) {
    case Breaker::State::open: return breaker_opened(std::move(data), options);
    case Breaker::State::half_open: return breaker_half_opened(std::move(data), options);
    case Breaker::State::closed: break;
  }
  return breaker_closed(std::move(data), options);
}

}  // namespace

std::string breaker_words(const Subscriber& subscriber) {
  return "the breaker of " + quote(subscriber_name(subscriber)) +
         " is open after failures in a row; the handler was not called";
}

Breaker::Verdict ask_breaker(Subscriber& subscriber, const Event& event) {
  Breaker& breaker = *subscriber.extra->breaker.load(std::memory_order_acquire);
  const Breaker::Verdict verdict = breaker.ask(subscriber.core->steady_now());
  if (verdict == Breaker::Verdict::probe) [[unlikely]] {
    breaker_changed(subscriber, event, Breaker::State::half_open, "one call is made as the probe");
  }
  return verdict;
}

void tell_breaker(Subscriber& subscriber, const Event& event, Breaker::Verdict verdict, bool well,
                  Tell tell) {
  Breaker& breaker = *subscriber.extra->breaker.load(std::memory_order_acquire);
  const SteadyTime now = subscriber.core->steady_now();
  if (!(well ? breaker.succeeded(now, verdict) : breaker.failed(now, verdict))) return;
  if (well) {
    breaker_changed(subscriber, event, Breaker::State::closed, "the probe succeeded", tell);
  } else if (verdict == Breaker::Verdict::probe) {
    breaker_changed(subscriber, event, Breaker::State::open, "the probe failed", tell);
  } else {
    const std::string reason = std::to_string(breaker.policy().failures) + " failures in a row";
    breaker_changed(subscriber, event, Breaker::State::open, reason, tell);
  }
}

void breaker_changed(Subscriber& subscriber, const Event& event, Breaker::State state,
                     std::string_view reason, Tell tell) {
  BusCore& core = *subscriber.core;
  const Breaker* const breaker = subscriber.extra->breaker.load(std::memory_order_acquire);
  const std::string name = subscriber_name(subscriber);
  const std::array fields{LogField{"subscription", name}, LogField{"reason", reason}};
  if (state == Breaker::State::open) {
    core.log(LogLevel::warning, "the breaker of a subscription has opened", fields);
  } else if (state == Breaker::State::closed) {
    core.log(LogLevel::info, "the breaker of a subscription has closed", fields);
  }
  // A listener that fails at such an event must not be the cause of the next one.
  if (is_about_breakers(event.topic())) return;
  try {
    const Event news = event_of(state, {.subscription = subscriber.id,
                                        .name = name,
                                        .owner = std::string(owner_of(subscriber)),
                                        .state = {},
                                        .reason = std::string(reason),
                                        .times_opened = breaker->times_opened()});
    // As if the handler had published it: the hop limit holds, and what a listener ends is not
    // waited for, since it may be what called here.
    Dispatch cause(core, event);
    cause.subscriber = &subscriber;
    const DispatchGuard guard(cause);
    if (tell == Tell::later) {
      (void)core.publish_async(news);
    } else {
      (void)core.publish(news);
    }
  } catch (const std::exception& error) {
    const std::array why{LogField{"subscription", name}, LogField{"reason", error.what()}};
    core.log(LogLevel::error, "a change of a breaker could not be published", why);
  }
}

}  // namespace busway::detail
