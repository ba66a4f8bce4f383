// event/cloud_events/foreign_id.hpp -- an EventId for a CloudEvent whose id is not a UUID.
// Layer: event
//
// Model      The UUID of version 5 of the name "<source>\n<id>" in busway's namespace
//            9f1b1d5e-3c0a-4f0e-8d4b-6a2f57c1e0b4: everybody who reads the event gets the same one,
//            so a repeat of it is still known as a repeat.
// Threads    [any-thread]
// Errors     None.
// Cost       One SHA-1.
#pragma once

#include <string_view>

#include "busway/event_id.hpp"

namespace busway::detail {

[[nodiscard]] EventId derive_id(std::string_view source, std::string_view id);

}  // namespace busway::detail
