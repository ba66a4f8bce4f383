#include "find_file.hpp"

#include <filesystem>
#include <set>
#include <system_error>

namespace tail {
namespace {

namespace fs = std::filesystem;

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

std::optional<std::string> look_through(const fs::path& folder, const FileIdentity& identity) {
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    // What cannot be looked at is not ours: its folder would have to be another one.
    std::error_code ignored;
    if (!entry->is_regular_file(ignored)) continue;
    try {
      if (identity_of(entry->path().string()) == identity) return entry->path().string();
    } catch (const std::system_error&) {
      continue;
    }
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    throw std::system_error(error, "cannot look through \"" + folder.string() + "\"");
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> find_file(const FileIdentity& identity, const std::string& near_path) {
  std::error_code error;
  const fs::path target = fs::weakly_canonical(near_path, error);
  std::set<fs::path> folders{fs::weakly_canonical(folder_of(near_path), error)};
  if (!target.empty()) folders.insert(folder_of(target));
  // While files are renamed, as a rotation does, reading the folder may miss one.
  constexpr int kLooks = 2;
  for (int look = 0; look < kLooks; ++look) {
    for (const fs::path& folder : folders) {
      if (auto found = look_through(folder, identity)) return found;
    }
  }
  return std::nullopt;
}

}  // namespace tail
