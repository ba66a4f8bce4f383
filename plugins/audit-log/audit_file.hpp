// audit_file.hpp -- appends lines to a file whose lines are a chain.
//
// Model      A line is whole in the file or not at all: what could not be written to its end is
//            cut off again. The chain goes on where it was: after a restart from the last line of
//            the file, or of the newest rotated file when the file is empty or gone; while it runs
//            from memory, so that a file that somebody shortened or took away shows as a gap.
//            A line that failed and could not be cut off at once is cut off before the next, or
//            else the chain goes on behind it.
//            `x` that would grow beyond rotate_size becomes x.000001, x.000002 ... and begins anew.
//            A file that is named so and is no audit log is somebody else's, and left alone; so is
//            one that was put in the place of `x` and does not end as an audit log does.
// Threads    [not-concurrent]
// Ownership  Holds the file open and locked against another writer.
// Errors     open() and append() throw std::runtime_error or std::system_error that names the file;
//            append() std::length_error for a line that no log may have, which is no fault of the
//            file and stays one; else append() may be tried again, which opens the file anew if it
//            must.
// Cost       append(): one SHA-256, one stat, one write and, with Fsync::always, one fdatasync.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "kept_events.hpp"
#include "last_line.hpp"
#include "settings.hpp"
#include "shared/audit_line.hpp"

namespace audit_log {

class AuditFile {
 public:
  static constexpr std::size_t kKeptLinesMax = 10'000;

  struct Options {
    std::string path{};
    std::int64_t rotate_size = 0;
    std::int64_t keep = 0;
    Fsync fsync = Fsync::always;
  };

  explicit AuditFile(Options options);
  AuditFile(const AuditFile&) = delete;
  AuditFile& operator=(const AuditFile&) = delete;
  ~AuditFile();

  /// How many bytes of an unfinished last line it has cut off.
  std::size_t open();

  /// `fields` as in make_audit_line(). The rotated file, when there is one more now, else "".
  std::string append(std::string_view fields);

  /// Everything so far is on the disk when it returns. Throws std::system_error, and may be tried
  /// again.
  void sync();

  /// Why lines may not be on the disk that were to be brought there when their file was let go of;
  /// "" when there is no such reason. Told once.
  [[nodiscard]] std::string take_sync_fault();

  /// What the last kKeptLinesMax lines keep, rotated files among them, and no more than the longest
  /// line may have bytes. When it is open. Throws std::system_error.
  [[nodiscard]] KeptEvents kept_events() const;
  [[nodiscard]] const shared::AuditLink& last() const noexcept { return last_; }
  [[nodiscard]] bool dirty() const noexcept { return dirty_; }

 private:
  struct Rotated {
    std::filesystem::path path;
    std::uint64_t number = 0;
    bool is_log = false;  // it begins with a line; else it may be what a power failure has left
  };

  void close() noexcept;
  void lock_or_throw() const;
  [[nodiscard]] bool is_as_it_was() noexcept;
  [[nodiscard]] std::size_t recover();
  void go_on_from(const std::string& line, const std::string& path);
  void go_on_from_rotated();
  void rotate();
  [[nodiscard]] std::vector<Rotated> rotated() const;  // oldest first
  [[nodiscard]] bool cut_doubtful(const FileEnd& end);
  void remove_oldest() const;
  void sync_folder() const;
  void write_or_cut(std::string_view text);

  const Options options_;
  shared::AuditLink last_;
  bool known_ = false;          // last_ is where the chain stands
  bool dirty_ = false;          // something may not be on the disk yet
  shared::AuditLink doubtful_;  // of a line that failed and may be in the file; seq 0: of none
  std::string rotated_to_;      // not told yet
  std::string sync_fault_;      // not told yet
  int fd_ = -1;
  off_t size_ = 0;
};

}  // namespace audit_log
