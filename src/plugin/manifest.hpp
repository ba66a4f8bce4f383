// plugin/manifest.hpp -- the file beside a plugin's library that says what it is and how it is run.
// Layer: plugin
//
// Model      trivia.plugin.yaml stands beside trivia.so. Every key may be left out: what it says
//            of the library must be so, and what it says of rules and configuration holds where the
//            host's own configuration says nothing.
// Threads    [any-thread]; a Manifest is never changed once it is read.
// Ownership  Shared by the record of a plugin and its image.
// Errors     Throws ConfigError with all that is wrong, each with its file and line.
// Cost       Reads one small file.
// Example    tests/plugin/manifest_test.cpp
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "busway/config_issue.hpp"
#include "busway/json.hpp"
#include "busway/pattern.hpp"
#include "busway/plugin_rules.hpp"
#include "config/section.hpp"
#include "plugin/version_range.hpp"

namespace busway::plugin_host_detail {

inline constexpr std::string_view kManifestSuffix = ".plugin.yaml";

/// Another plugin, and which versions of it will do; unset: any.
struct RequiredPlugin {
  std::string id{};
  std::optional<VersionRange> version{};
};

struct Manifest {
  std::string file{};
  std::vector<ConfigIssue> warnings{};

  // Of the library; empty or unset: not said.
  std::string id{};
  std::string version{};
  std::string library{};  // a file beside the manifest
  std::optional<std::uint32_t> abi{};
  std::string sha256{};  // 64 digits, in lower case

  std::vector<RequiredPlugin> required{};
  Json config = Json::object();
  PluginRules rules{};
};

[[nodiscard]] const config::Section<Manifest>& manifest_section();

/// Where the manifest of a library stands, if there is one: "a/b.so" -> "a/b.plugin.yaml".
[[nodiscard]] std::string manifest_path(const std::string& library);
/// Whether a path names a manifest and not a library.
[[nodiscard]] bool names_manifest(std::string_view path) noexcept;
/// The manifest's path if a file of that name is there, or is meant by `path` itself; else "".
[[nodiscard]] std::string find_manifest(const std::string& path);

/// `library`: the name of the file that it stands beside; empty: the manifest must name it.
/// `wildcards`: how the bus reads plain patterns.
[[nodiscard]] std::shared_ptr<const Manifest> read_manifest(const std::string& file,
                                                            std::string_view library,
                                                            Wildcards wildcards);

/// What `PluginSpec::path` means: a library, and its manifest where there is one.
struct PluginFiles {
  std::string library{};
  std::shared_ptr<const Manifest> manifest{};
};
[[nodiscard]] PluginFiles find_files(const std::string& path, Wildcards wildcards);

}  // namespace busway::plugin_host_detail
