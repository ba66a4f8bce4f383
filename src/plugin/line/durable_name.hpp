// plugin/line/durable_name.hpp -- the name under which a store remembers what a plugin's
// subscription has not handled.
// Layer: plugin
//
// Model      plugin:ID:PATTERNS, then :2 for the second subscription to the same patterns, then
//            @INSTANCE unless all hosts share it. What a durable name may not hold, and the slash
//            that says so, is written /XX with its hexadecimal digits; patterns are parted by //.
//            One that would be too long ends in a hash of what it says.
// Threads    [any-thread]
// Ownership  None.
// Errors     None.
// Cost       A string; a hash for a long one.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace busway::plugin_host_detail {

/// `ordinal` counts from 1; without an instance the name is that of all hosts.
[[nodiscard]] std::string durable_name(std::string_view plugin,
                                       const std::vector<std::string>& patterns,
                                       std::size_t ordinal, std::string_view instance);

}  // namespace busway::plugin_host_detail
