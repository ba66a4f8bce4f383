// What the bus says of the breakers of its subscriptions.

#include <utility>

#include "busway/events/breaker_event_data.hpp"
#include "busway/topics.hpp"
#include "busway/typed_event.hpp"

namespace busway {
namespace {

Event made(std::string_view topic, std::string_view state, BreakerEventData breaker,
           const EventOptions& options) {
  breaker.state = std::string(state);
  return Event(topic, typed_payload(std::move(breaker)), options);
}

}  // namespace

Event breaker_opened(BreakerEventData breaker, const EventOptions& options) {
  return made(topics::kBreakerOpened, "open", std::move(breaker), options);
}

Event breaker_half_opened(BreakerEventData breaker, const EventOptions& options) {
  return made(topics::kBreakerHalfOpened, "half_open", std::move(breaker), options);
}

Event breaker_closed(BreakerEventData breaker, const EventOptions& options) {
  return made(topics::kBreakerClosed, "closed", std::move(breaker), options);
}

}  // namespace busway
