// busway/events/phase_lookup.hpp -- asks whether the output of a phase is known already.
// Layer: event
//
// Model      Payload of the request phase.lookup. key is the SHA-256, in hexadecimal, of the name
//            of the phase, its request and its data. The reply is the output's data; one that is
//            empty or null says that it is not known. docs/phases.md
// Threads    A plain struct; the builder is [any-thread].
// Ownership  Owns its fields.
// Errors     Reading JSON: fields that are missing keep their default, others must have the right
//            type. The builder throws what the constructor of Event throws.
// Cost       The builder allocates the payload and what its texts need.
// Example    tests/event/events/builders_test.cpp
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "busway/event.hpp"
#include "busway/json.hpp"
#include "busway/topics.hpp"

namespace busway {

struct PhaseLookup {
  static constexpr std::string_view topic = topics::kPhaseLookup;
  static constexpr std::string_view type_name = "PhaseLookup";

  std::string name{};
  std::string key{};
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(PhaseLookup, name, key)

[[nodiscard]] Event phase_lookup(std::string_view name, std::string_view key,
                                 const EventOptions& options = {});

}  // namespace busway
