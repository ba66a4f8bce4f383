// busway/plugin_info.hpp -- a plugin as an operator sees it.
// Layer: plugin
//
// Model      A snapshot: who it is, where in its life, what went wrong last.
// Threads    Values.
// Ownership  Owns its texts.
// Errors     None.
// Cost       None.
// Example    tests/plugin/plugin_manager_test.cpp
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "busway/plugin_rules.hpp"

namespace busway {

/// The life of a plugin, one word each; every change is published as plugin.<word>.
enum class PluginState : unsigned char {
  discovered,
  validated,
  loaded,
  created,
  starting,
  running,
  reloading,
  stopping,
  stopped,
  unloaded,
  failed,
  quarantined
};
[[nodiscard]] std::string_view to_string(PluginState state) noexcept;

/// Whether a plugin brings in events from outside, and whether more will come.
enum class PluginSource : unsigned char { none, active, ended };
[[nodiscard]] std::string_view to_string(PluginSource source) noexcept;

struct PluginHealthInfo {
  enum class Level : unsigned char {
    ok,
    degraded,
    failing,
    unknown  ///< it has not answered in time: it is busy, or hangs
  } level = Level::ok;
  std::string message{};
};
[[nodiscard]] std::string_view to_string(PluginHealthInfo::Level level) noexcept;

struct PluginInfo {
  std::string id{};
  std::string version{};
  std::string description{};
  std::string path{};
  PluginState state = PluginState::discovered;
  std::uint64_t generation = 0;  ///< how many times it has been loaded
  std::vector<std::string> required{};
  PluginSource source = PluginSource::none;
  std::string last_error{};
  bool still_mapped = false;  ///< unloaded, yet its code could not be taken out of memory
  std::string place{};        ///< PluginSpec::place
  /// How long its events waited while it was last reloaded.
  std::chrono::nanoseconds held{0};
  PluginIsolation isolation = PluginIsolation::none;
  int process_id = 0;                        ///< of its child process; 0: there is none now
  std::uint64_t restarts = 0;                ///< how many times its child process was started again
  std::size_t queued = 0;                    ///< events that wait for it now
  std::optional<PluginHealthInfo> health{};  ///< of PluginManager::examine(), if it runs
};

}  // namespace busway
