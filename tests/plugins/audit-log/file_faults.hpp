// Faults of a disk: calls that bring a file to the disk or shorten it fail when a test says so.
#pragma once

#include <cstddef>

namespace audit_log {

/// One at a time; when it ends nothing fails any more. They are the process's own fdatasync(),
/// ftruncate() and write(), which a plugin's library calls too.
class FileFaults {
 public:
  static constexpr int kAll = -1;

  FileFaults();
  FileFaults(const FileFaults&) = delete;
  FileFaults& operator=(const FileFaults&) = delete;
  ~FileFaults();

  /// So many of the next calls fail, with EIO.
  static void fail_syncs(int count);
  static void fail_cuts(int count);
  /// Each writes its first bytes and then finds the disk full.
  static void fail_writes(int count);

  /// Calls since it began, those that failed among them.
  [[nodiscard]] static std::size_t syncs();
};

}  // namespace audit_log
