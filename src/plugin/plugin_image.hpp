// plugin/plugin_image.hpp -- a plugin's code: a library opened from a checked copy, or linked in.
// Layer: plugin
//
// Model      Two steps: the constructor reads and checks the file and runs none of it; open() runs
//            its initialisers and its entry function and checks the table that comes back. What
//            the manifest says of the library is checked in both, its sum before anything else.
//            Isolated, it runs in a process of its own, and the table is that of its ChildPlugin.
// Threads    The constructor anywhere; open() on the plugin's worker; close() on a thread that ends
//            soon.
// Ownership  Keeps the library and shares its manifest; holds the address of its table until
//            close().
// Errors     Throws Error(bad_plugin_file, plugin_abi, not_found); each names the file, what is
//            wrong and what would be right.
// Cost       A copy of the file in memory, and its sum where the manifest names one.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "busway/plugin.h"
#include "busway/plugin_rules.hpp"
#include "platform/dynamic_library.hpp"
#include "plugin/isolation/child_plugin.hpp"

namespace busway::plugin_host_detail {

struct Manifest;

/// What a path begins with that names a plugin linked into the program.
inline constexpr std::string_view kStaticPrefix = "static:";

class PluginImage {
 public:
  /// Without a manifest: null.
  PluginImage(const std::string& path, const platform_detail::PathRules& rules,
              std::shared_ptr<const Manifest> manifest = nullptr);
  /// In a process of its own: the copy that the host has made and checked.
  PluginImage(platform_detail::Descriptor copy, const wire::Opening& opening);

  /// Whether its manifest has told its sum, and it was that.
  [[nodiscard]] bool is_vouched_for() const noexcept;
  /// Opens it in a fresh process and closes it again: throws what open() would, and when that
  /// process dies or does not end in time.
  void probe(const std::string& program, std::chrono::nanoseconds timeout) const;
  /// Before open(). Throws Error(plugin_state) for one that is linked in.
  void isolate(const std::string& program, const PluginRules& rules,
               std::chrono::nanoseconds call_timeout, std::size_t payload_bytes_max,
               std::function<void()> on_gone);

  void open();

  /// Null until open() and after close().
  [[nodiscard]] const busway_plugin_api* api() const noexcept { return api_; }
  /// In place of the table's create().
  [[nodiscard]] busway_status create(const busway_host_api& api, busway_host* host,
                                     busway_plugin** out) const;
  /// Null: it runs in this process.
  [[nodiscard]] ChildPlugin* child() const noexcept { return child_.get(); }
  [[nodiscard]] bool is_static() const noexcept { return static_entry_ != nullptr; }

  /// False: the library stays mapped, for a reason that warnings() may tell.
  [[nodiscard]] bool close();

  /// What does not prevent loading but will bite, for example unique symbols.
  [[nodiscard]] const std::vector<std::string>& warnings() const noexcept { return warnings_; }

 private:
  void check_file();
  [[nodiscard]] wire::Opening opening(const PluginRules& rules) const;
  [[nodiscard]] busway_plugin_entry_fn find_entry();
  void check_sum() const;
  void check_table(const busway_plugin_api* api) const;
  void check_manifest(const busway_plugin_api& api) const;
  [[noreturn]] void fail(const std::string& problem) const;
  [[noreturn]] void fail_abi(const std::string& problem) const;

  std::string path_;
  const std::shared_ptr<const Manifest> manifest_;
  std::string library_path_;  // DT_RUNPATH
  std::vector<std::string> warnings_;
  busway_plugin_entry_fn static_entry_ = nullptr;
  platform_detail::DynamicLibrary library_;
  std::unique_ptr<ChildPlugin> child_;
  const busway_plugin_api* api_ = nullptr;
};

/// Whether a text may be a plugin's id: 1 to 64 letters, digits, '_', '-' and '.'.
[[nodiscard]] bool is_plugin_id(std::string_view text) noexcept;

}  // namespace busway::plugin_host_detail
