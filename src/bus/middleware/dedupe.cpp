#include "busway/middleware/dedupe.hpp"

#include <string>

#include "busway/clock.hpp"
#include "busway/error.hpp"
#include "delivery/seen_ids.hpp"

namespace busway {

Dedupe::Dedupe(std::chrono::nanoseconds window)
    : window_(window), ids_(std::make_shared<delivery_detail::SeenIds>(window)) {
  if (window > std::chrono::nanoseconds::zero()) return;
  throw Error(ErrorCode::invalid_option,
              "Dedupe: window is " + std::to_string(window.count()) + "ns; it is longer than 0");
}

Outcome Dedupe::operator()(const Event& event, Context& context, const Next& next) const {
  const EventId id = event.id();
  if (ids_->seen(id, context.clock().steady().time_since_epoch().count())) return Outcome::done();
  try {
    Outcome outcome = next();
    if (outcome.kind() != Outcome::Kind::done) ids_->forget(id);
    return outcome;
  } catch (...) {
    ids_->forget(id);
    throw;
  }
}

}  // namespace busway
