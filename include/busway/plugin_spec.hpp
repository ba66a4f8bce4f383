// busway/plugin_spec.hpp -- which plugin to load, and with what configuration.
// Layer: plugin
//
// Model      PluginSpec{.path = "plugins/trivia.so", .config = {{"rounds", 3}}}.
// Threads    Plain structs.
// Ownership  Own their texts.
// Errors     Checked by PluginManager::load().
// Cost       None.
// Example    tests/plugin/plugin_manager_test.cpp
#pragma once

#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "busway/json.hpp"
#include "busway/plugin_rules.hpp"

namespace busway {

class Context;
class Event;
class Next;
class Outcome;

/// A middleware (busway/middleware.hpp) that is also told which plugin it stands before.
using PluginMiddleware =
    std::function<Outcome(std::string_view plugin, const Event&, Context&, const Next&)>;

struct PluginSpec {
  /// A shared library, a manifest that names one (it ends in .plugin.yaml), or "static:NAME" of one
  /// that is linked in.
  std::string path{};
  std::string id{};              ///< empty: what the plugin calls itself
  Json config = Json::object();  ///< given to its setup(), over what its manifest says; an object
  PluginRules rules{};           ///< before those of its manifest
  std::string place{};           ///< where it is named, such as bot.yaml:5; stands with its errors
};

struct PluginManagerOptions {
  /// Libraries must lie in this folder, symbolic links resolved; empty: anywhere.
  std::string folder{};
  /// How long one call into a plugin (setup, start, stop ...) may take before its thread is left
  /// behind, and how long a source may take to end; more than 0.
  std::chrono::nanoseconds call_timeout = std::chrono::seconds(30);
  /// A plugin that runs is reloaded when its file has been written or replaced: its manifest, where
  /// one stands beside the library. What then fails is reported, and the plugin runs on; the next
  /// change of the file tries again.
  bool watch = false;
  /// The program that tries libraries out and runs those with isolation process. Empty: what
  /// BUSWAY_PLUGIN_HOST of the environment names, else busway-plugin-host beside this program, else
  /// where it was installed.
  std::string plugin_host{};
  /// How long stop() lets a plugin handle what is queued for it.
  std::chrono::nanoseconds drain_timeout = std::chrono::seconds(5);
  /// Stands around every handler of every plugin, in the host also where a plugin has a process of
  /// its own. Called on the plugin's worker; for Mode::sync on the thread of the publisher, which
  /// waits for the worker in next(). So it is called by several threads at once. Must outlive what
  /// the bus still delivers. Empty: none, which costs nothing. With one a plugin in a process of
  /// its own gets its events one by one, not in runs.
  PluginMiddleware middleware{};
};

}  // namespace busway
