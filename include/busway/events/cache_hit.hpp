// busway/events/cache_hit.hpp -- a phase's output was found in a cache.
// Layer: event
//
// Model      Payload of cache.hit.
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

struct CacheHit {
  static constexpr std::string_view topic = topics::kCacheHit;
  static constexpr std::string_view type_name = "CacheHit";

  std::string phase_name{};
  std::string cache_key{};
  Json output{};
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(CacheHit, phase_name, cache_key, output)

[[nodiscard]] Event cache_hit(std::string_view phase_name, std::string_view cache_key, Json output,
                              const EventOptions& options = {});

}  // namespace busway
