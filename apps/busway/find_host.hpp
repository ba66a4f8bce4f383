// apps/busway/find_host.hpp -- which running host a command is about.
//
// Model      --host names it: by its process id, or by the path of its control socket. Without it
//            there must be exactly one of this user.
// Errors     Error(invalid_argument) when it must be named, Error(not_found) when there is none.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "host/control_socket.hpp"

namespace busway::app {

using RunningHosts = std::function<std::vector<host_detail::ControlHost>()>;

/// The path of its control socket. `named`: what --host says, empty without it. A path is taken as
/// it is, and nobody is looked for.
[[nodiscard]] std::string find_host(const std::string& named, const RunningHosts& hosts);

}  // namespace busway::app
