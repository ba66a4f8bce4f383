// busway/events/auth_suspicious.hpp -- something about a login looks wrong.
// Layer: event
//
// Model      Payload of auth.suspicious.
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

struct AuthSuspicious {
  static constexpr std::string_view topic = topics::kAuthSuspicious;
  static constexpr std::string_view type_name = "AuthSuspicious";

  std::string user_id{};
  std::string address{};
  std::string reason{};
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(AuthSuspicious, user_id, address, reason)

[[nodiscard]] Event auth_suspicious(std::string_view user_id, std::string_view address,
                                    std::string_view reason, const EventOptions& options = {});

}  // namespace busway
