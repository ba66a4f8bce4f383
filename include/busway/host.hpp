// busway/host.hpp -- a whole program from one file: bus and plugins, started and stopped in order.
// Layer: host
//
// Model      Host host = initialize("busway.yaml"); its handle stops all in order. Events from
//            source "host": system.startup when all plugins have been started and before their
//            sources begin, system.shutdown before the first is stopped, config.changed after
//            reload(), system.error when that was refused. A plugin that cannot be loaded or
//            started is a problem() and a plugin.failed event; the host and its other plugins go
//            on.
// Threads    [any-thread], except moving and destruction. stop() waits for a stop that is under
//            way.
// Ownership  Owns the plugins, and shares the bus with default_bus(), which keeps it: it is then
//            stopped but never destroyed.
// Errors     initialize() throws ConfigError for a faulty file, with all that is wrong;
//            Error(not_yet) for a provider that this program lacks; Error(plugin_requires) when a
//            plugin requires one that the file does not have, or in a circle; Error(already_exists)
//            when the program uses another default bus, or another program the control socket.
//            Nothing is left running then. stop() in a handler or on a plugin's thread throws
//            Error(would_block).
// Cost       That of the bus and the plugins.
// Example    tests/host/host_test.cpp
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "busway/bus.hpp"
#include "busway/config_issue.hpp"
#include "busway/host_report.hpp"
#include "busway/initialize_options.hpp"
#include "busway/plugin_manager.hpp"
#include "busway/stop_result.hpp"

namespace busway {

/// What stop() left behind.
struct HostStopResult {
  std::vector<PluginProblem> problems{};  ///< plugins that did not stop as they should
  StopResult bus{};

  [[nodiscard]] bool ok() const noexcept { return problems.empty() && bus.ok(); }
};

/// What a re-read of the file found.
struct ReloadResult {
  std::vector<std::string> keys{};    ///< whose values differ from those the host runs with
  std::vector<ConfigIssue> issues{};  ///< with an error among them, nothing was taken over
  std::string error{};                ///< why the file was refused; empty: it is fine

  [[nodiscard]] bool ok() const noexcept { return error.empty(); }
};

class [[nodiscard]] Host {
 public:
  Host(Host&&) noexcept;
  Host& operator=(Host&&) noexcept;
  /// stop(), with its default deadline.
  ~Host();

  [[nodiscard]] Bus& bus() noexcept;
  [[nodiscard]] PluginManager& plugins() noexcept;

  /// Of the file.
  [[nodiscard]] const std::vector<ConfigIssue>& warnings() const noexcept;
  /// The plugins that did not load or start, with those that need them.
  [[nodiscard]] const std::vector<PluginProblem>& problems() const noexcept;

  /// Whether every source has reached its end, no mailbox holds an event and nothing runs. Timers
  /// do not count.
  [[nodiscard]] bool idle() const;
  /// Waits for it; false at the deadline.
  [[nodiscard]] bool wait_until_idle(std::chrono::nanoseconds timeout) const;

  /// Reads the file again. A faulty one changes nothing and is a system.error; a good one is
  /// announced with config.changed, which names the keys that differ. In this version no key takes
  /// effect while the host runs: all do at the next start.
  ReloadResult reload();

  /// system.shutdown with the reason; each plugin handles what is queued for it, stops and is
  /// unloaded, those first that require others; then the bus stops, with this deadline for what is
  /// left in its mailboxes.
  HostStopResult stop(std::chrono::nanoseconds deadline = std::chrono::seconds(30),
                      std::string_view reason = {});

  /// So far, or of the whole run once stopped.
  [[nodiscard]] HostReport report() const;

 private:
  friend Host initialize(const std::string& path, const InitializeOptions& options);
  class Impl;
  explicit Host(std::unique_ptr<Impl> impl) noexcept;

  std::unique_ptr<Impl> impl_;
};

/// Reads the file, makes the bus, sets default_bus(), loads the plugins in the file's order and
/// starts them in the order of what they require.
[[nodiscard]] Host initialize(const std::string& path, const InitializeOptions& options = {});

}  // namespace busway
