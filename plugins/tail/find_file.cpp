#include "find_file.hpp"

#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

namespace tail {
namespace {

namespace fs = std::filesystem;

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

/// Where links lead, also when nothing is there: the file may have been renamed.
fs::path target_of(fs::path path) {
  constexpr int kLinksMax = 40;
  std::error_code error;
  for (int i = 0; i < kLinksMax && fs::is_symlink(fs::symlink_status(path, error)); ++i) {
    const fs::path next = fs::read_symlink(path, error);
    if (error) break;
    path = folder_of(path) / next;
  }
  return path;
}

/// Looks through them all before it tells of one that cannot be read.
class Search {
 public:
  explicit Search(const std::string& near_path) {
    for (const fs::path& path : {fs::path(near_path), target_of(near_path)}) {
      std::error_code error;
      fs::path folder = fs::weakly_canonical(folder_of(path), error);
      folders_.insert(error ? folder_of(path) : std::move(folder));
    }
  }

  [[nodiscard]] std::optional<std::string> find(const Position& position) {
    // While files are renamed, as a rotation does, reading the folder may miss one.
    constexpr int kLooks = 2;
    std::optional<std::string> other;
    for (int look = 0; look < kLooks; ++look) {
      for (const fs::path& folder : folders_) {
        if (auto found = look_through(folder, position, other)) return found;
      }
    }
    if (!other && error_) {
      throw std::system_error(error_, "cannot look through \"" + unread_.string() + "\"");
    }
    return other;
  }

 private:
  /// The file itself; in `other` the first that may be it.
  [[nodiscard]] std::optional<std::string> look_through(const fs::path& folder,
                                                        const Position& position,
                                                        std::optional<std::string>& other) {
    std::error_code error;
    fs::directory_iterator entry(folder, error);
    for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
      // What cannot be looked at is not ours: its folder would have to be another one.
      std::error_code ignored;
      if (!entry->is_regular_file(ignored)) continue;
      std::string path = entry->path().string();
      try {
        const std::optional<FileIdentity> identity = identity_of(path);
        if (identity == position.identity) return path;
        if (!other && identity && may_be(*identity, position)) other = std::move(path);
      } catch (const std::system_error&) {
        continue;
      }
    }
    if (error && error != std::errc::no_such_file_or_directory && !error_) {
      error_ = error;
      unread_ = folder;
    }
    return std::nullopt;
  }

  std::set<fs::path> folders_;
  std::error_code error_;  // of the first that cannot be read:
  fs::path unread_;
};

}  // namespace

std::optional<std::string> find_file(const Position& position, const std::string& near_path) {
  return Search(near_path).find(position);
}

}  // namespace tail
