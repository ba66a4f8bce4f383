// platform/loaded_images.hpp -- which libraries are mapped into this process right now.
//
// Threads    [any-thread]
// Errors     None: without /proc the answer is no, but then no plugin can be opened either.
// Cost       Reads /proc/self/maps.
#pragma once

#include <string>
#include <string_view>

namespace busway::platform_detail {

/// Whether any mapping of this process has a name that contains the text.
[[nodiscard]] bool is_mapped(std::string_view part_of_name);

}  // namespace busway::platform_detail
