// plugin/isolation/process/table.hpp -- the host's table as a plugin gets it in its process.
// Layer: plugin
//
// Model      Each function asks the host, or answers from what the process knows itself.
// Threads    As plugin.h says of each.
// Ownership  The process stays until the program ends.
// Errors     Each function has its own, as plugin.h says.
// Cost       That of PluginProcess::ask().
#pragma once

#include "busway/plugin.h"

namespace busway::plugin_host_detail {

class PluginProcess;

[[nodiscard]] const busway_host_api& table_for(PluginProcess& mine) noexcept;

}  // namespace busway::plugin_host_detail
