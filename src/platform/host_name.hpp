// platform/host_name.hpp -- the name of this machine, the default instance_id.
//
// Threads    [any-thread]
// Errors     None: a machine without a name is "localhost".
// Cost       One system call and one string.
#pragma once

#include <string>

namespace busway::platform_detail {

/// As the kernel has it, also where the shell exports no HOSTNAME.
[[nodiscard]] std::string host_name();

}  // namespace busway::platform_detail
