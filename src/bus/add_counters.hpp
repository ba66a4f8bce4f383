// bus/add_counters.hpp -- the sum of two sets of delivery counters.
// Layer: bus
//
// Model      Field by field.
// Threads    [any-thread]
// Ownership  None.
// Errors     None.
// Cost       None.
#pragma once

#include "busway/subscription_info.hpp"

namespace busway::detail {

inline void add_counters(const DeliveryCounters& from, DeliveryCounters& to) noexcept {
  to.matched += from.matched;
  to.delivered += from.delivered;
  to.failed += from.failed;
  to.retried += from.retried;
  to.timed_out += from.timed_out;
  to.dropped += from.dropped;
  to.dead_lettered += from.dead_lettered;
  to.in_flight += from.in_flight;
}

}  // namespace busway::detail
