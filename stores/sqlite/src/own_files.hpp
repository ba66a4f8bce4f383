// own_files.hpp -- the database and the files beside it are those that were opened.
// Layer: store
//
// Model      A commit that goes to a file without a name is gone with the process. A look at each
//            file finds one that was removed or replaced; while nothing has happened in the folder
//            since such a look, a look at the folder is enough.
// Threads    One at a time.
// Ownership  Holds paths; opens nothing. The files must be open elsewhere: another file could be
//            given the number of one that nobody has.
// Errors     missing() says what is wrong.
// Cost       One stat() of the folder; in the first tenth of a second after something in it was
//            made, removed or renamed, one of each file.
#pragma once

#include <sys/stat.h>

#include <array>
#include <cstdint>
#include <string>

#include "busway/clock.hpp"

namespace busway::sqlite {

/// Which file a path names.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
  /// All zero: there is none.
  [[nodiscard]] static FileIdentity of(const std::string& path) noexcept;
};

class OwnFiles {
 public:
  /// path is free of links. The files beside the database are those that are there now.
  OwnFiles(std::string path, FileIdentity database);

  /// Why nothing can be written any more; empty: the files are those that were opened.
  [[nodiscard]] std::string missing() { return missing(Clock::system()->wall()); }
  [[nodiscard]] std::string missing(WallTime now);
  /// False: another file has taken the place of one of them, and the database may be somebody
  /// else's.
  [[nodiscard]] bool may_checkpoint() const noexcept;

 private:
  struct SideFile {
    std::string path;
    FileIdentity identity{};
  };
  /// What changes whenever a name in the folder does.
  struct FolderState {
    FileIdentity folder{};
    std::int64_t seconds = 0;
    std::int64_t nanoseconds = 0;
    friend bool operator==(const FolderState&, const FolderState&) = default;
  };
  [[nodiscard]] FolderState look_at_folder() const noexcept;
  [[nodiscard]] std::string look_at_each() const;

  const std::string path_;
  const std::string folder_;
  const FileIdentity database_;
  std::array<SideFile, 3> side_files_;
  FolderState sound_;  ///< with which all files were there; all zero: none is known
};

}  // namespace busway::sqlite
