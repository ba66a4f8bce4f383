// busway/upcaster.hpp -- turns the JSON of an older schema version into that of the next.
// Layer: event
//
// Model      A process-wide table: (type name, version) -> the step to version + 1. A handler of
//            version 3 gets a stored version 1 through the steps 1 and 2.
// Threads    [any-thread]. Steps run on the thread that asks for the payload, without the table's
//            lock; one step may run on several threads at once.
// Ownership  The table owns the steps until remove_upcaster().
// Errors     Error(already_exists) for a second step of one version, Error(invalid_argument) for
//            version 0 or an empty step, Error(payload_type) when a step is missing.
// Cost       One shared lock and a look-up a step; none while versions agree.
// Example    tests/event/upcaster_test.cpp
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "busway/json.hpp"

namespace busway {

using Upcaster = std::function<Json(Json)>;

/// For one type of payload by its name; register_upcaster<T>() is in busway/typed_event.hpp.
void register_upcaster(std::string_view type_name, std::uint32_t from_version, Upcaster step);

/// False when there was none. Calls that run already go on.
bool remove_upcaster(std::string_view type_name, std::uint32_t from_version);

/// Applies the steps one by one. Throws Error(payload_type) for a missing step, or when
/// from_version is the newer one; what a step throws goes through.
[[nodiscard]] Json upcast(std::string_view type_name, Json value, std::uint32_t from_version,
                          std::uint32_t to_version);

}  // namespace busway
