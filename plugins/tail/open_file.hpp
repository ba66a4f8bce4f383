// open_file.hpp -- a file that is read while another program writes it.
//
// Model      Knows where it has read to, and the last bytes before that: when the file has become
//            shorter, or those bytes are others, it was truncated or written anew, and is read
//            from its beginning. A Position takes that along to a later reader. A line without its
//            end waits for it.
// Threads    [not-concurrent]
// Ownership  Owns the descriptor.
// Errors     open() and read() throw std::system_error or std::runtime_error that name the path.
// Cost       64 KiB of buffer a read; one line in memory.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "shared/line_assembler.hpp"

namespace tail {

/// Which file it is, whatever its name.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  bool operator==(const FileIdentity&) const = default;
};

/// Where a reader stood in a file, for the one that comes after it, and by what that one finds out
/// whether it still is what was read. Without an inode: there was no file.
struct Position {
  FileIdentity identity{};
  std::int64_t offset = 0;       // where the line begins that comes next
  std::int64_t read = 0;         // the bytes that were read, a part of that line too
  std::size_t last_bytes = 0;    // so many of them, the last ones, ...
  std::string last_sha256 = {};  // ... have this sum; without it they may be any
};

/// Whether a file may be the one of which the position is: by its inode, and by its device when no
/// sum says more, as a device may have another number after the machine was started again.
[[nodiscard]] bool may_be(const FileIdentity& file, const Position& position);

/// Of the file that a path names now; nothing when there is none.
[[nodiscard]] std::optional<FileIdentity> identity_of(const std::string& path);

class OpenFile {
 public:
  /// What became of a line. refused: it is told again before anything more is read, and is the next
  /// one for a later reader.
  enum class Told : unsigned char { go_on, stop, refused };
  /// `offset` is where the line begins.
  using OnLine = std::function<Told(const shared::Line& line, std::int64_t offset)>;

  /// Nothing when there is no such file.
  [[nodiscard]] static std::optional<OpenFile> open(const std::string& path,
                                                    std::size_t line_bytes_max);
  OpenFile(OpenFile&& other) noexcept;
  OpenFile& operator=(OpenFile&& other) noexcept;
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile();

  /// To the beginning of the last line, when that is unfinished, else to the end.
  void seek_end();
  /// Where an earlier reader stood; false when this is no longer what it has read. Then the reader
  /// stands where it stood before.
  [[nodiscard]] bool go_on_from(const Position& position);
  [[nodiscard]] Position position() const;

  /// To the beginning; a line without an end is forgotten.
  void rewind() { stand_at(0); }
  /// No name leads to it any more.
  [[nodiscard]] bool is_deleted() const;

  enum class Read : unsigned char { nothing, some, stopped, truncated };
  /// Reads about as many bytes and tells of the lines that end in them. After `stopped` it stands
  /// behind the line that was told last, or before the one that was refused. truncated: the file
  /// is no longer what was read before; rewind().
  Read read(std::size_t bytes_max, const OnLine& on_line);
  /// The line without an end is a line, as nothing will come; go_on when there is none. One that
  /// was refused comes before it.
  [[nodiscard]] Told finish_line(const OnLine& on_line);

  [[nodiscard]] const FileIdentity& identity() const noexcept { return identity_; }
  [[nodiscard]] std::int64_t offset() const noexcept { return offset_; }
  /// Where the line begins that is read next.
  [[nodiscard]] std::int64_t line_begin() const noexcept { return line_begin_; }

 private:
  OpenFile(int fd, std::string path, FileIdentity identity, std::size_t line_bytes_max);
  [[nodiscard]] std::int64_t size() const;
  [[nodiscard]] std::size_t read_at(std::int64_t offset, char* to, std::size_t size) const;
  [[nodiscard]] Told tell(shared::Line line, const OnLine& on_line);
  [[nodiscard]] Told tell_refused(const OnLine& on_line);
  void stand_at(std::int64_t offset);
  void remember(std::string_view bytes);

  int fd_;
  std::string path_;
  FileIdentity identity_;
  std::int64_t offset_ = 0;
  std::int64_t line_begin_ = 0;
  std::string before_;  // the last bytes before offset_
  shared::LineAssembler lines_;
  std::optional<shared::Line> refused_;  // begins at line_begin_ and ends at offset_
};

}  // namespace tail
