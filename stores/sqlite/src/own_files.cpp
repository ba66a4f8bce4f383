#include "own_files.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <utility>

#include "base/escape.hpp"

namespace busway::sqlite {
namespace {

/// File systems stamp a change with a time that is at most this old.
constexpr auto kStampsTell = std::chrono::milliseconds(100);

FileIdentity identity_of(const struct stat& found) noexcept {
  return {static_cast<std::uint64_t>(found.st_dev), static_cast<std::uint64_t>(found.st_ino)};
}

}  // namespace

FileIdentity FileIdentity::of(const std::string& path) noexcept {
  struct stat found {};
  if (stat(path.c_str(), &found) != 0) return {};
  return identity_of(found);
}

OwnFiles::OwnFiles(std::string path, FileIdentity database)
    : path_(std::move(path)),
      folder_(std::filesystem::path(path_).parent_path().string()),
      database_(database),
      side_files_{SideFile{path_ + "-wal"}, SideFile{path_ + "-shm"}, SideFile{path_ + "-gate"}} {
  for (SideFile& one : side_files_) one.identity = FileIdentity::of(one.path);
}

std::string OwnFiles::missing(WallTime now) {
  const FolderState folder = look_at_folder();
  if (folder != FolderState{} && folder == sound_) return {};
  std::string why = look_at_each();
  sound_ = {};
  // Within one stamp a file may be removed after the look. One without a fraction may be of a file
  // system whose stamps are seconds apart.
  const WallTime changed{std::chrono::seconds(folder.seconds) +
                         std::chrono::nanoseconds(folder.nanoseconds)};
  if (why.empty() && folder.nanoseconds != 0 && changed + kStampsTell < now) sound_ = folder;
  return why;
}

std::string OwnFiles::look_at_each() const {
  if (FileIdentity::of(path_) != database_) return "the file was removed or replaced";
  for (const SideFile& one : side_files_) {
    const FileIdentity found = FileIdentity::of(one.path);
    if (found == FileIdentity{} || found != one.identity) {
      return escape(one.path) + ", which belongs to it, was removed or replaced";
    }
  }
  return {};
}

OwnFiles::FolderState OwnFiles::look_at_folder() const noexcept {
  struct stat found {};
  if (stat(folder_.empty() ? "." : folder_.c_str(), &found) != 0) return {};
  return {.folder = identity_of(found),
          .seconds = found.st_ctim.tv_sec,
          .nanoseconds = found.st_ctim.tv_nsec};
}

bool OwnFiles::may_checkpoint() const noexcept {
  return FileIdentity::of(path_) == database_ &&
         std::all_of(side_files_.begin(), side_files_.end(), [](const SideFile& one) {
           const FileIdentity found = FileIdentity::of(one.path);
           return found == one.identity || found == FileIdentity{};
         });
}

}  // namespace busway::sqlite
