// plugin/isolation/process/child_host.hpp -- the host as a plugin meets it in a process of its own.
// Layer: plugin
//
// Model      run_plugin_process() is the process: it opens the library, makes the calls that the
//            host asks for on the main thread, and passes on what the plugin asks of the host. It
//            ends when the host closes the connection, and also when the host dies while the plugin
//            does not come back. probe_library() opens a library, looks at its table and closes it:
//            whatever that does to the process, it does not do to the host's.
// Threads    Once, on the main thread.
// Ownership  Takes the descriptors that wire.hpp names.
// Errors     The exit code: 0, or 1 for a connection that is not the one of a host.
// Cost       One thread beside the main one, and a socket for each thread of the plugin's own that
//            calls the host.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "busway/error.hpp"

namespace busway::plugin_host_detail {

[[nodiscard]] int run_plugin_process();

/// No value: it can be opened. `descriptor`: a copy to open in place of the file itself, or -1.
[[nodiscard]] std::optional<Error> probe_library(const std::string& path, int descriptor);
/// What a process that probes ends with, by the code of the error.
inline constexpr int kProbedBadFile = 1;
inline constexpr int kProbedOtherAbi = 3;
/// What it writes where it is asked for words and the library can be opened: a library may also end
/// the process as if all were well.
inline constexpr std::string_view kProbedGood = "good";

}  // namespace busway::plugin_host_detail
