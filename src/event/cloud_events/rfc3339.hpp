// event/cloud_events/rfc3339.hpp -- points in time as text.
// Layer: event
//
// Threads    [any-thread]
// Errors     parse_rfc3339() gives nothing for text that is no time, or one outside of the years
//            1678 to 2261 that nanoseconds in 64 bits can tell.
// Cost       format: one string.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "busway/wall_time.hpp"

namespace busway::detail {

/// UTC with Z; the fraction has 0, 3, 6 or 9 digits, as many as the time needs.
[[nodiscard]] std::string format_rfc3339(WallTime time);

/// Any offset, any number of digits of the fraction (those beyond nanoseconds are dropped); T and Z
/// in either case; a leap second is the one after it.
[[nodiscard]] std::optional<WallTime> parse_rfc3339(std::string_view text);

}  // namespace busway::detail
