// busway/initialize_options.hpp -- what a program adds to its configuration file.
// Layer: host
//
// Model      initialize("busway.yaml", {.plugin_folders = {"/usr/lib/mybot"}}).
// Threads    A plain struct.
// Ownership  Owns its texts and functions; shares clock and executor.
// Errors     Checked by initialize().
// Cost       None.
// Example    tests/host/host_test.cpp
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "busway/clock.hpp"
#include "busway/executor.hpp"
#include "busway/log.hpp"

namespace busway {

/// Whether the host's bus becomes default_bus().
enum class DefaultBus : unsigned char { set, leave };

/// What becomes of a host whose control socket cannot be opened.
enum class ControlNeed : unsigned char {
  required,  ///< initialize() throws
  optional   ///< it goes on without one, and logs a warning
};

struct InitializeOptions {
  /// Where a plugin named without a folder is looked for after the folder of the file. Libraries
  /// may lie here too.
  std::vector<std::string> plugin_folders{};
  /// Words beyond password, secret, token, authorization, api_key and passwd, and beyond those the
  /// file names: a key that is or ends with one is shown as ***. Case, '-' and '_' do not matter.
  std::vector<std::string> secret_keys{};
  DefaultBus default_bus = DefaultBus::set;
  /// An address such as sqlite:events.db, in place of the file's provider; empty: the file's.
  std::string store{};
  bool watch_plugins = false;  ///< PluginManagerOptions::watch
  /// Path of a Unix socket at which this user and root may look at the host and act on it, as
  /// docs/control_socket.md says; empty: none. Its folder must be this user's own, and is made if
  /// only it is missing.
  std::string control{};
  ControlNeed control_need = ControlNeed::required;
  LogSink log{};                         ///< default: log_to_stderr
  std::shared_ptr<Clock> clock{};        ///< default: the system's
  std::shared_ptr<Executor> executor{};  ///< default: a pool of the bus's own
};

}  // namespace busway
