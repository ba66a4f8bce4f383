// busway/plugin_manager.hpp -- loads, starts, stops and unloads the plugins of a bus.
// Layer: plugin
//
// Model      load() checks the file, opens it on a worker thread of its own, creates the plugin and
//            calls its setup(). start() calls its start(), after all it requires; sources begin
//            when all have started. stop() ends the sources, lets the plugin handle what is
//            queued, calls its stop() and ends its subscriptions and timers.
//            unload() calls teardown(), destroys it, joins the worker, closes the library and
//            checks that it is unmapped. Each step is published as plugin.<state> with a
//            PluginEventData, from source "plugin_manager".
// Threads    [any-thread], one change at a time: others wait, except that a call from inside a
//            change (a handler of plugin.*), or on a plugin's own worker or a source's thread,
//            throws Error(would_block).
//            list(), find() and idle() never wait, examine() for no change.
// Ownership  Borrows the bus, which must outlive it, or owns one. The destructor stops and unloads
//            all.
// Errors     Throws Error: bad_plugin_file and plugin_abi name the file, what is wrong and what
//            would be right; plugin_requires names who requires what; plugin_failed has the
//            plugin's words; a ConfigError all that is wrong with a manifest; plugin_state,
//            not_found, already_exists. The host and its other
//            plugins go on.
// Cost       A thread and a copy of the library a plugin.
// Example    tests/plugin/plugin_manager_test.cpp
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "busway/bus.hpp"
#include "busway/bus_options.hpp"
#include "busway/error.hpp"
#include "busway/plugin_info.hpp"
#include "busway/plugin_spec.hpp"

namespace busway {

/// A plugin that did not start, or did not stop as it should.
struct PluginProblem {
  std::string id{};
  ErrorCode code = ErrorCode::ok;
  std::string message{};
};

/// What start_all() does with plugins that bring events in from outside.
enum class PluginSources : unsigned char {
  begin,  ///< when all have started
  hold    ///< until begin_sources(): the program says something of its own first
};

class PluginManager {
 public:
  explicit PluginManager(Bus& bus, PluginManagerOptions options = {});
  explicit PluginManager(const BusOptions& bus, PluginManagerOptions options = {});
  PluginManager(const PluginManager&) = delete;
  PluginManager& operator=(const PluginManager&) = delete;
  ~PluginManager();

  [[nodiscard]] Bus& bus() noexcept;

  /// Loads a plugin and returns its id. One that failed or was unloaded may be loaded again.
  std::string load(const PluginSpec& spec);
  std::string load(const std::string& path) { return load(PluginSpec{.path = path}); }

  /// Starts one; what it requires must be running. If it is a source it begins now.
  void start(std::string_view id);
  /// Starts all that are loaded, in the order of what they require. A requirement that is missing
  /// or circular throws before anything has started. A plugin that fails is in the answer, and so
  /// are those that require it; the others run.
  /// Sources begin when all have started, whatever the order, so nobody misses what they say.
  [[nodiscard]] std::vector<PluginProblem> start_all(PluginSources sources = PluginSources::begin);
  /// Lets the sources of running plugins begin that have not yet.
  void begin_sources();

  /// Stops one; none that runs may require it. Its source ends first, then what is queued for it is
  /// handled, then its stop() is called.
  void stop(std::string_view id);
  /// Ends all sources, then stops all, those that require others first.
  std::vector<PluginProblem> stop_all();

  /// Replaces one that runs by what its file is now, and returns when the old one is gone. Events
  /// wait meanwhile in its mailboxes, as many as those hold, and lose neither their order nor their
  /// subscription: one of the new instance that has the patterns and options of one of the old is
  /// the same, with its id. The old one's sources end first; then it hands its state to the new
  /// one. Publishers that wait inside a handler go on, their delivery queued. Those that require
  /// it run on.
  /// Throws when any step of the new one fails, and when the old one is busy for longer than
  /// call_timeout: then the old one runs on as it was, its sources with it. (One that was stopped
  /// first is started again; what it had subscribed to in setup() has ended, as after stop().) What
  /// goes wrong while the old one is taken away is reported as plugin.error.
  /// A subscription whose patterns or options differ is a new one; an event that is published while
  /// the one takes the place of the other may be handled by both, and by neither when an earlier
  /// handler has held up its publisher since before the new one was made.
  void reload(std::string_view id);

  /// Stops it if it runs, and takes it out of the process. It stays in list() as unloaded.
  void unload(std::string_view id);
  std::vector<PluginProblem> unload_all();

  /// In the order loaded, with those that failed to load and those that were unloaded.
  [[nodiscard]] std::vector<PluginInfo> list() const;
  [[nodiscard]] std::optional<PluginInfo> find(std::string_view id) const;

  /// Asks a loaded plugin for its health, on its worker.
  [[nodiscard]] PluginHealthInfo health(std::string_view id);
  /// list(), with the health of those that run. All are asked at once, also while a change is under
  /// way, and none keeps the answer back for longer than `patience`: then its health is unknown.
  [[nodiscard]] std::vector<PluginInfo> examine(std::chrono::nanoseconds patience) const;

  /// Whether no source has more to come, no mailbox of the bus holds an event and nothing runs.
  /// Timers do not count.
  [[nodiscard]] bool idle() const;
  /// Waits until idle(); false at the deadline.
  [[nodiscard]] bool wait_until_idle(std::chrono::nanoseconds timeout) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace busway
