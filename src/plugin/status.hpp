// plugin/status.hpp -- error codes as the numbers of plugin.h, which never change.
// Layer: plugin
//
// Threads    [any-thread]
// Errors     None: what has no number of its own is BUSWAY_FAILED.
// Cost       A switch.
#pragma once

#include "busway/error.hpp"
#include "busway/plugin.h"

namespace busway::plugin_host_detail {

[[nodiscard]] busway_status to_status(ErrorCode code) noexcept;

/// "BUSWAY_TIMED_OUT"; a number that plugin.h does not name gives "unknown status".
[[nodiscard]] const char* status_name(busway_status status) noexcept;

}  // namespace busway::plugin_host_detail
