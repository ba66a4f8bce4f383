// plugin/static_plugins.hpp -- the plugins linked into this program, by name.
// Layer: plugin
//
// Model      BUSWAY_IMPORT_PLUGIN adds one before main() runs.
// Threads    [any-thread]
// Ownership  None.
// Errors     find_static_plugin() throws Error(not_found) with the names there are.
// Cost       A lock and a look-up.
#pragma once

#include <string_view>

#include "busway/plugin.h"

namespace busway::plugin_host_detail {

[[nodiscard]] busway_plugin_entry_fn find_static_plugin(std::string_view name);

}  // namespace busway::plugin_host_detail
