// tests/structure/tree.hpp -- reads the files of a source tree.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace busway::structure {

/// The regular files under root/folder with one of the endings (all when none is given), sorted, as
/// paths relative to root. A missing folder has no files; hidden folders and build/ are left out.
std::vector<std::filesystem::path> files_under(const std::filesystem::path& root,
                                               const std::filesystem::path& folder,
                                               const std::vector<std::string_view>& endings);

/// The file's lines without their ends. Throws std::runtime_error when it cannot be read.
std::vector<std::string> read_lines(const std::filesystem::path& file);

}  // namespace busway::structure
