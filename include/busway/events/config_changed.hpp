// busway/events/config_changed.hpp -- the configuration was read again.
// Layer: event
//
// Model      Payload of config.changed: the file, and the keys whose values changed.
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
#include <vector>

#include "busway/event.hpp"
#include "busway/json.hpp"
#include "busway/topics.hpp"

namespace busway {

struct ConfigChanged {
  static constexpr std::string_view topic = topics::kConfigChanged;
  static constexpr std::string_view type_name = "ConfigChanged";

  std::string path{};
  std::vector<std::string> keys{};
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ConfigChanged, path, keys)

[[nodiscard]] Event config_changed(std::string_view path, std::vector<std::string> keys,
                                   const EventOptions& options = {});

}  // namespace busway
