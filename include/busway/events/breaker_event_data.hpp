// busway/events/breaker_event_data.hpp -- what the bus says of the breaker of a subscription.
// Layer: event
//
// Model      breaker.opened, .half_opened and .closed carry one. The bus publishes them beside its
//            log line, on the thread on which the breaker changed: that of the failed handler or of
//            the probe. They are caused by the event that was handled there and carry its hops + 1.
//            What happens to a breaker while one of them is handled is logged and not published, so
//            they never go round in a circle.
// Threads    A plain struct; the builders are [any-thread].
// Ownership  Owns its fields.
// Errors     Reading JSON: fields that are missing keep their default, others must have the right
//            type. Builders throw what the constructor of Event throws.
// Cost       A builder allocates the payload and what its texts need.
// Example    tests/bus/breaker_test.cpp
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "busway/event.hpp"
#include "busway/json.hpp"

namespace busway {

struct BreakerEventData {
  static constexpr std::string_view type_name = "BreakerEventData";

  std::uint64_t subscription = 0;  ///< its id
  std::string name{};              ///< the subscription's name, or its pattern
  std::string owner{};
  std::string state{};  ///< open, half_open or closed
  std::string reason{};
  std::uint64_t times_opened = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(BreakerEventData, subscription, name, owner, state,
                                                reason, times_opened)

[[nodiscard]] Event breaker_opened(BreakerEventData breaker, const EventOptions& options = {});
[[nodiscard]] Event breaker_half_opened(BreakerEventData breaker, const EventOptions& options = {});
[[nodiscard]] Event breaker_closed(BreakerEventData breaker, const EventOptions& options = {});

}  // namespace busway
