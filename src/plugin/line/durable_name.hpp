// plugin/line/durable_name.hpp -- the name under which a store remembers what a plugin's
// subscription has not handled.
// Layer: plugin
//
// Model      plugin:ID:PATTERNS, then ::NAME of a subscription that has a name, then :2 for the
//            second of the same patterns and name, then @INSTANCE unless all hosts share it.
//            What a durable name may not hold, and the slash that says so, is written /XX with its
//            hexadecimal digits; patterns are parted by //. One that would be too long ends in a
//            hash of what it says.
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

/// `ordinal` counts from 1; without an instance the name is that of all hosts. One that is told
/// from others by its ordinal alone takes the name of the one before it when that is dropped; a
/// subscription with a name keeps its own.
[[nodiscard]] std::string durable_name(std::string_view plugin,
                                       const std::vector<std::string>& patterns,
                                       std::string_view subscription, std::size_t ordinal,
                                       std::string_view instance);

}  // namespace busway::plugin_host_detail
