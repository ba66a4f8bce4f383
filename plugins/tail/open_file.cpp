#include "open_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

#include "shared/sha256.hpp"

namespace tail {
namespace {

constexpr std::size_t kChunk = 65'536;
/// Enough for lines that differ by their time alone to be told apart from those that take their
/// place.
constexpr std::size_t kRemembered = 1024;

[[noreturn]] void fail(const std::string& what, const std::string& path) {
  throw std::system_error(errno, std::generic_category(), what + " \"" + path + "\"");
}

FileIdentity identity_in(const struct stat& status) noexcept {
  return {.device = static_cast<std::uint64_t>(status.st_dev),
          .inode = static_cast<std::uint64_t>(status.st_ino)};
}

bool is_not_there(int error) noexcept { return error == ENOENT || error == ENOTDIR; }

}  // namespace

bool may_be(const FileIdentity& file, const Position& position) {
  return file == position.identity ||
         (file.inode == position.identity.inode && !position.last_sha256.empty());
}

std::optional<FileIdentity> identity_of(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) return identity_in(status);
  if (is_not_there(errno)) return std::nullopt;
  fail("cannot look at", path);
}

std::optional<OpenFile> OpenFile::open(const std::string& path, std::size_t line_bytes_max) {
  // Not waiting: a named pipe would hold us up until somebody writes to it.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0 && is_not_there(errno)) return std::nullopt;
  if (fd < 0) fail("cannot open", path);
  struct stat status {};
  const bool known = ::fstat(fd, &status) == 0;
  OpenFile file(fd, path, identity_in(status), line_bytes_max);
  if (!known) fail("cannot look at", path);
  if (!S_ISREG(status.st_mode)) {
    throw std::runtime_error("\"" + path + "\" is no regular file, which alone can be followed");
  }
  return file;
}

OpenFile::OpenFile(int fd, std::string path, FileIdentity identity, std::size_t line_bytes_max)
    : fd_(fd), path_(std::move(path)), identity_(identity), lines_(line_bytes_max) {}

OpenFile::OpenFile(OpenFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(std::move(other.path_)),
      identity_(other.identity_),
      offset_(other.offset_),
      line_begin_(other.line_begin_),
      before_(std::move(other.before_)),
      lines_(std::move(other.lines_)),
      refused_(std::move(other.refused_)) {}

OpenFile& OpenFile::operator=(OpenFile&& other) noexcept {
  if (this == &other) return *this;
  std::swap(fd_, other.fd_);
  path_ = std::move(other.path_);
  identity_ = other.identity_;
  offset_ = other.offset_;
  line_begin_ = other.line_begin_;
  before_ = std::move(other.before_);
  lines_ = std::move(other.lines_);
  refused_ = std::move(other.refused_);
  return *this;
}

OpenFile::~OpenFile() {
  if (fd_ >= 0) ::close(fd_);
}

std::int64_t OpenFile::size() const {
  struct stat status {};
  if (::fstat(fd_, &status) != 0) fail("cannot look at", path_);
  return static_cast<std::int64_t>(status.st_size);
}

/// Fewer bytes at the end of the file.
std::size_t OpenFile::read_at(std::int64_t offset, char* to, std::size_t size) const {
  for (;;) {
    const ssize_t got = ::pread(fd_, to, size, static_cast<off_t>(offset));
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) fail("cannot read", path_);
  }
}

void OpenFile::stand_at(std::int64_t offset) {
  offset_ = offset;
  line_begin_ = offset;
  refused_.reset();
  std::array<char, kRemembered> bytes{};
  const std::int64_t from = std::max<std::int64_t>(0, offset - std::int64_t{kRemembered});
  before_.assign(bytes.data(),
                 read_at(from, bytes.data(), static_cast<std::size_t>(offset - from)));
  if (offset == 0) {
    lines_.restart_at_beginning();
  } else {
    lines_.restart_within();
  }
}

void OpenFile::seek_end() {
  const std::int64_t end = size();
  std::string last(static_cast<std::size_t>(std::min<std::int64_t>(end, kChunk)), '\0');
  const std::int64_t from = end - static_cast<std::int64_t>(last.size());
  last.resize(read_at(from, last.data(), last.size()));
  const std::size_t newline = last.rfind('\n');
  // A line of which the last 64 KiB hold no end is taken from here.
  const std::int64_t begin = newline != std::string::npos
                                 ? from + static_cast<std::int64_t>(newline) + 1
                                 : (from == 0 ? 0 : end);
  stand_at(begin);
}

bool OpenFile::go_on_from(const Position& position) {
  const auto last_bytes = static_cast<std::int64_t>(std::min(position.last_bytes, kRemembered));
  if (position.offset < 0 || position.read < position.offset || last_bytes > position.read ||
      position.read > size()) {
    return false;
  }
  if (!position.last_sha256.empty()) {
    std::string bytes(static_cast<std::size_t>(last_bytes), '\0');
    bytes.resize(read_at(position.read - last_bytes, bytes.data(), bytes.size()));
    if (shared::sha256(bytes) != position.last_sha256) return false;
  }
  stand_at(position.offset);
  return true;
}

Position OpenFile::position() const {
  return {.identity = identity_,
          .offset = line_begin_,
          .read = offset_,
          .last_bytes = before_.size(),
          .last_sha256 = before_.empty() ? std::string() : shared::sha256(before_)};
}

bool OpenFile::is_deleted() const {
  struct stat status {};
  return ::fstat(fd_, &status) == 0 && status.st_nlink == 0;
}

OpenFile::Read OpenFile::read(std::size_t bytes_max, const OnLine& on_line) {
  if (refused_ && tell_refused(on_line) != Told::go_on) return Read::stopped;
  std::string buffer(kRemembered + kChunk, '\0');
  std::size_t total = 0;
  while (total < bytes_max) {
    // What is new and what stands before it are read at once: between two reads the file may be
    // written anew.
    const std::int64_t from = offset_ - static_cast<std::int64_t>(before_.size());
    std::string_view unread(buffer.data(), read_at(from, buffer.data(), buffer.size()));
    if (!unread.starts_with(before_)) return Read::truncated;
    unread.remove_prefix(before_.size());
    if (unread.empty()) break;
    total += unread.size();
    while (!unread.empty()) {
      const std::string_view before = unread;
      std::optional<shared::Line> line = lines_.take(unread);
      const std::size_t taken = before.size() - unread.size();
      remember(before.substr(0, taken));
      offset_ += static_cast<std::int64_t>(taken);
      if (!line) continue;
      if (tell(std::move(*line), on_line) != Told::go_on) return Read::stopped;
    }
  }
  return total == 0 ? Read::nothing : Read::some;
}

OpenFile::Told OpenFile::finish_line(const OnLine& on_line) {
  if (refused_ && tell_refused(on_line) == Told::refused) return Told::refused;
  std::optional<shared::Line> line = lines_.finish();
  return line ? tell(std::move(*line), on_line) : Told::go_on;
}

OpenFile::Told OpenFile::tell(shared::Line line, const OnLine& on_line) {
  const std::int64_t begin = std::exchange(line_begin_, offset_);
  const Told told = on_line(line, begin);
  if (told == Told::refused) {
    line_begin_ = begin;
    refused_ = std::move(line);
  }
  return told;
}

OpenFile::Told OpenFile::tell_refused(const OnLine& on_line) {
  return tell(*std::exchange(refused_, std::nullopt), on_line);
}

void OpenFile::remember(std::string_view bytes) {
  if (bytes.size() > kRemembered) bytes.remove_prefix(bytes.size() - kRemembered);
  before_ += bytes;
  if (before_.size() > kRemembered) before_.erase(0, before_.size() - kRemembered);
}

}  // namespace tail
