#include "audit_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "last_line.hpp"

namespace audit_log {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(int error, const std::string& what) {
  throw std::system_error(error, std::generic_category(), what);
}

[[nodiscard]] std::string in_quotes(const std::string& path) { return '"' + path + '"'; }

/// A descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd) noexcept : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const noexcept { return fd_; }

 private:
  int fd_;
};

/// The beginning of a line, or the zeros that some file systems leave after a power failure.
bool may_be_torn(std::string_view torn) noexcept {
  constexpr std::string_view kBegin = "{\"seq\":";
  return torn.starts_with(kBegin.substr(0, torn.size())) ||
         torn.find_first_not_of('\0') == std::string_view::npos;
}

/// Where the chain stands behind a line that a file ends with.
shared::AuditLink link_of(const std::string& line, const std::string& path) {
  const shared::AuditLine read = shared::read_audit_line(line);
  if (!read.problem.empty()) {
    throw std::runtime_error("the last line of " + in_quotes(path) +
                             " is damaged: " + read.problem +
                             "; look at it with busway audit verify and move the file away, then "
                             "a new chain begins");
  }
  return {.seq = read.seq, .hash = read.hash};
}

}  // namespace

AuditFile::AuditFile(Options options) : options_(std::move(options)) {}

AuditFile::~AuditFile() { close(); }

void AuditFile::close() noexcept {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

std::size_t AuditFile::open() {
  close();
  fd_ = ::open(options_.path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0600);
  if (fd_ < 0) fail(errno, "cannot open the audit log " + in_quotes(options_.path));
  try {
    lock_or_throw();
    const std::size_t torn = recover();
    sync_folder();
    return torn;
  } catch (...) {
    close();
    throw;
  }
}

void AuditFile::lock_or_throw() const {
  struct stat status {};
  if (::fstat(fd_, &status) != 0) fail(errno, "cannot look at " + in_quotes(options_.path));
  if (!S_ISREG(status.st_mode)) {
    throw std::runtime_error("the audit log " + in_quotes(options_.path) + " is no regular file");
  }
  if (::flock(fd_, LOCK_EX | LOCK_NB) == 0) return;
  if (errno != EWOULDBLOCK) fail(errno, "cannot lock " + in_quotes(options_.path));
  throw std::runtime_error("the audit log " + in_quotes(options_.path) +
                           " is written by another process or plugin; give each its own path");
}

/// Cuts off what is no whole line, and finds out where the chain stands unless that is known. The
/// line before is looked at first: nothing is cut off a file that is no audit log.
std::size_t AuditFile::recover() {
  const FileEnd end = read_end(fd_, options_.path);
  if (!known_ && !end.line.empty()) {
    last_ = link_of(end.line, options_.path);
  } else if (!known_) {
    if (const std::vector<Rotated> files = rotated(); !files.empty()) {
      const std::string path = files.back().path.string();
      const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
      if (file.get() < 0)
        fail(errno, "cannot read " + in_quotes(path) + ", where the chain goes on");
      last_ = link_of(read_end(file.get(), path).line, path);
    }
  }
  if (!end.torn.empty()) {
    if (!may_be_torn(end.torn)) {
      throw std::runtime_error(in_quotes(options_.path) + " ends with what no audit log writes; " +
                               "move the file away or name another path");
    }
    if (::ftruncate(fd_, end.torn_at) != 0) {
      fail(errno, "cannot cut an unfinished line off " + in_quotes(options_.path));
    }
  }
  size_ = end.torn_at;
  known_ = true;
  return end.torn.size();
}

/// Whether the path still names the file that is open.
bool AuditFile::is_ours() const noexcept {
  struct stat open {};
  struct stat named {};
  return ::fstat(fd_, &open) == 0 && ::stat(options_.path.c_str(), &named) == 0 &&
         open.st_dev == named.st_dev && open.st_ino == named.st_ino;
}

std::string AuditFile::append(std::string_view fields) {
  if (fd_ < 0 || !is_ours()) (void)open();
  std::string hash;
  std::string text = shared::make_audit_line(last_, fields, hash);
  text += '\n';
  if (text.size() > shared::kAuditLineBytesMax) {
    throw std::length_error("a line of " + std::to_string(text.size()) +
                            " bytes is too long for an audit log; at most " +
                            std::to_string(shared::kAuditLineBytesMax) + " are written");
  }
  std::string rotated_to;
  if (size_ > 0 && size_ + static_cast<off_t>(text.size()) > options_.rotate_size) {
    rotated_to = rotate();
  }
  write_or_cut(text);
  size_ += static_cast<off_t>(text.size());
  last_ = {.seq = last_.seq + 1, .hash = std::move(hash)};
  dirty_ = options_.fsync != Fsync::always;
  return rotated_to;
}

void AuditFile::write_or_cut(std::string_view text) {
  int error = 0;
  for (std::string_view left = text; !left.empty();) {
    const ssize_t n = ::write(fd_, left.data(), left.size());
    if (n > 0) {
      left.remove_prefix(static_cast<std::size_t>(n));
    } else if (n == 0 || errno != EINTR) {
      error = n == 0 ? ENOSPC : errno;
      break;
    }
  }
  const bool written = error == 0;
  if (written && (options_.fsync != Fsync::always || ::fdatasync(fd_) == 0)) return;
  if (written) error = errno;
  // After a failed fdatasync nobody knows what is on the disk: the file is read again.
  if (::ftruncate(fd_, size_) != 0 || written) close();
  fail(error, "cannot write to the audit log " + in_quotes(options_.path));
}

void AuditFile::sync() {
  if (!dirty_ || fd_ < 0) return;
  if (::fdatasync(fd_) != 0) {
    fail(errno, "cannot bring the audit log " + in_quotes(options_.path) + " to the disk");
  }
  dirty_ = false;
}

std::string AuditFile::rotate() {
  if (options_.fsync != Fsync::never) sync();
  const std::vector<Rotated> files = rotated();
  const std::uint64_t number = files.empty() ? 1 : files.back().number + 1;
  char ending[32];
  std::snprintf(ending, sizeof ending, ".%06llu", static_cast<unsigned long long>(number));
  std::string target = options_.path + ending;
  if (::rename(options_.path.c_str(), target.c_str()) != 0) {
    fail(errno,
         "cannot rename the audit log " + in_quotes(options_.path) + " to " + in_quotes(target));
  }
  (void)open();
  remove_oldest();
  return target;
}

std::vector<AuditFile::Rotated> AuditFile::rotated() const {
  const fs::path path(options_.path);
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const std::string prefix = path.filename().string() + '.';
  std::vector<Rotated> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(prefix) || name.size() < prefix.size() + 6) continue;
    std::uint64_t number = 0;
    const char* const end = name.data() + name.size();
    const auto read = std::from_chars(name.data() + prefix.size(), end, number);
    if (read.ec == std::errc() && read.ptr == end) found.push_back({entry.path(), number});
  }
  std::sort(found.begin(), found.end(),
            [](const Rotated& a, const Rotated& b) { return a.number < b.number; });
  return found;
}

void AuditFile::remove_oldest() const {
  if (options_.keep == 0) return;
  const std::vector<Rotated> files = rotated();
  const auto keep = static_cast<std::size_t>(options_.keep);
  for (std::size_t i = 0; i + keep < files.size(); ++i) {
    std::error_code ignored;  // tried again at the next rotation
    fs::remove(files[i].path, ignored);
  }
}

/// A file that was made or renamed is there after a crash only when its folder is on the disk.
void AuditFile::sync_folder() const {
  if (options_.fsync == Fsync::never) return;
  const fs::path parent = fs::path(options_.path).parent_path();
  const std::string folder = parent.empty() ? "." : parent.string();
  const Descriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0 || ::fsync(fd.get()) != 0) {
    fail(errno, "cannot bring the folder " + in_quotes(folder) + " to the disk");
  }
}

}  // namespace audit_log
