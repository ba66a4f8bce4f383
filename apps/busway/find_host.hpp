// apps/busway/find_host.hpp -- which running host a command is about.
//
// Model      --host names it: by its process id, or by the path of its control socket. Without it
//            there must be exactly one of this user.
// Errors     Error(invalid_argument) when it must be named, Error(not_found) when there is none.
#pragma once

#include <string>
#include <vector>

#include "host/control_socket.hpp"

namespace busway::app {

/// The path of its control socket. `named`: what --host says, empty without it.
[[nodiscard]] std::string find_host(const std::string& named,
                                    const std::vector<host_detail::ControlHost>& running);

}  // namespace busway::app
