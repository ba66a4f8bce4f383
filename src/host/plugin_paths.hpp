// host/plugin_paths.hpp -- from what a file calls a plugin to the library it means.
// Layer: host
//
// Model      A bare name (console) means console.so or libconsole.so beside the file or in one of
//            the folders; one that ends in .plugin.yaml is that of a manifest. A relative path
//            starts at the file's folder and must not lead out of it, except into the folders, also
//            not by a symbolic link. An absolute path is taken, but no link may lead out of its
//            folder.
// Threads    [any-thread]
// Errors     Throws Error(bad_plugin_file), which says where was looked, or where the path leads.
// Cost       Some look-ups in the file system.
#pragma once

#include <string>
#include <vector>

namespace busway::host_detail {

struct PluginPlaces {
  std::string config_folder;         // absolute
  std::vector<std::string> folders;  // of InitializeOptions
};

/// The absolute path; that the file exists is left to who opens it.
[[nodiscard]] std::string find_plugin(const std::string& path, const PluginPlaces& places);

}  // namespace busway::host_detail
