// apps/busway/plugin_folders.hpp -- where the tool looks for plugins that a file names without a
// folder.
//
// Model      The folders given with --plugins, then those beside the program: ../plugins (a build
//            folder) and ../lib/busway/plugins (an installation), where they exist.
#pragma once

#include <string>
#include <vector>

namespace busway::app {

[[nodiscard]] std::vector<std::string> plugin_folders(const std::vector<std::string>& given);

inline constexpr const char* kPluginsHelp =
    "Look for plugins named without a folder here too, after the folder of CONFIG";

}  // namespace busway::app
