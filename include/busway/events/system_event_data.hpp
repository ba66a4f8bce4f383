// busway/events/system_event_data.hpp -- what the host program says of itself.
// Layer: event
//
// Model      system.startup, .shutdown and .error carry one.
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

namespace busway {

struct SystemEventData {
  static constexpr std::string_view type_name = "SystemEventData";

  std::string component{};
  std::string reason{};
  std::string error{};
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(SystemEventData, component, reason, error)

[[nodiscard]] Event system_startup(std::string_view component, const EventOptions& options = {});
[[nodiscard]] Event system_shutdown(std::string_view component, std::string_view reason,
                                    const EventOptions& options = {});
[[nodiscard]] Event system_error(std::string_view component, std::string_view error,
                                 const EventOptions& options = {});

}  // namespace busway
