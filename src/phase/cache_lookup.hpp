// phase/cache_lookup.hpp -- asks the bus whether the output of a phase is known already.
// Layer: phase
//
// Model      Nothing is asked, and nothing hashed, unless a subscription names phase.lookup. The
//            key is the SHA-256 of the JSON array [name, request, data]: no spaces, the members of
//            objects in the order of their bytes, numbers as short as they can be read back (1 and
//            1.0 are two). Data that JSON cannot tell, such as a NaN, have no key.
// Threads    [any-thread]; waits at most kLookupTimeout, and only for asynchronous responders that
//            name the topic and took the question.
// Errors     None: what goes wrong is logged and counts as not known.
// Cost       Without a responder a walk over those who listen to the topic, without a lock; with
//            one a walk over the data and a request.
#pragma once

#include <optional>
#include <string>

#include "bus/bus_core.hpp"
#include "busway/phase.hpp"

namespace busway::phase_detail {

struct Lookup {
  std::string key{};             // empty: nobody was asked
  std::optional<Json> output{};  // the data of the output, when it is known
};

[[nodiscard]] Lookup look_up(detail::BusCore& core, const std::string& name,
                             const phase::PhaseInput& input,
                             const phase::PhaseContext& context) noexcept;

/// 64 hexadecimal digits, or "" when the data have no key.
[[nodiscard]] std::string cache_key(const std::string& name, const phase::PhaseInput& input);

}  // namespace busway::phase_detail
