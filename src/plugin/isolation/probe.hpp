// plugin/isolation/probe.hpp -- tries a library out in a process of its own.
// Layer: plugin
//
// Model      A library that is damaged within its code or data passes every check of its headers,
//            and ends whoever opens it. So a fresh process opens it first.
// Threads    [any-thread]
// Ownership  None.
// Errors     Throws std::system_error: no process can be had.
// Cost       A process; some milliseconds.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "platform/child_process.hpp"

namespace busway::plugin_host_detail {

struct ProbeResult {
  std::optional<platform_detail::ProcessEnd> end;  // none: it was killed at the deadline
  std::string words;                               // what it said of the library
};

/// `library` is a descriptor of the copy that will be opened, `path` where the file lies.
[[nodiscard]] ProbeResult probe_in_process(const std::string& program, const std::string& path,
                                           int library,
                                           std::chrono::steady_clock::time_point deadline);

/// The busway-plugin-host to use: the one given, the one that the environment's BUSWAY_PLUGIN_HOST
/// names, the one beside this program, or the one that was installed with this library.
/// Empty: there is none.
[[nodiscard]] std::string find_plugin_host(const std::string& given);

}  // namespace busway::plugin_host_detail
