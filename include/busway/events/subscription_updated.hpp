// busway/events/subscription_updated.hpp -- a user's tier changed.
// Layer: event
//
// Model      Payload of subscription.updated: what a user pays for, no subscription of the bus.
// Threads    A plain struct; the builders are [any-thread].
// Ownership  Owns its fields.
// Errors     Reading JSON: fields that are missing keep their default, others must have the right
//            type. Builders throw what the constructor of Event throws.
// Cost       A builder allocates the payload and what its texts need.
// Example    tests/event/events/builders_test.cpp
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "busway/event.hpp"
#include "busway/json.hpp"
#include "busway/topics.hpp"

namespace busway {

struct SubscriptionUpdated {
  static constexpr std::string_view topic = topics::kSubscriptionUpdated;
  static constexpr std::string_view type_name = "SubscriptionUpdated";

  std::string user_id{};
  std::string tier{};
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(SubscriptionUpdated, user_id, tier)

[[nodiscard]] Event subscription_updated(std::string_view user_id, std::string_view tier,
                                         const EventOptions& options = {});

}  // namespace busway
