// plugin/host_api.hpp -- the table of functions that plugins call.
// Layer: plugin
//
// Threads    Each function as plugin.h says.
// Errors     No exception leaves a function: a status, and the words by last_message().
// Cost       As what it calls.
#pragma once

#include "busway/plugin.h"

namespace busway::plugin_host_detail {

/// One table for all plugins of the process.
[[nodiscard]] const busway_host_api& host_api() noexcept;

/// Whether this thread publishes for a plugin, on its worker or on a thread of its own: a handler
/// that it then runs must not wait for that thread to end.
[[nodiscard]] bool inside_call_of_plugin() noexcept;

}  // namespace busway::plugin_host_detail
