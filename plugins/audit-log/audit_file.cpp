#include "audit_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>

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

/// Where the chain stands behind a line that a file ends with.
shared::AuditLink link_of(const std::string& line, const std::string& path) {
  if (line.empty()) {
    throw std::runtime_error(in_quotes(path) +
                             " has no line, though the chain goes on behind it; " +
                             "if it is none of this log's files, move it away");
  }
  const shared::AuditLine read = shared::read_audit_line(line);
  if (!read.problem.empty()) {
    throw std::runtime_error("the last line of " + in_quotes(path) +
                             " is damaged: " + read.problem +
                             "; look at it with busway audit verify and move the file away, then "
                             "a new chain begins");
  }
  return {.seq = read.seq, .hash = read.hash};
}

/// What the name of a rotated file ends with.
std::string ending_of(std::uint64_t number) {
  char ending[32];
  std::snprintf(ending, sizeof ending, ".%06llu", static_cast<unsigned long long>(number));
  return ending;
}

/// The number of a rotated file of the log; 0: `file` is no name of one.
std::uint64_t number_of(const std::string& file, const std::string& log) {
  std::uint64_t number = 0;
  if (file.size() <= log.size() + 1 || !file.starts_with(log)) return 0;
  (void)std::from_chars(file.data() + log.size() + 1, file.data() + file.size(), number);
  return file.compare(log.size(), std::string::npos, ending_of(number)) == 0 ? number : 0;
}

/// The first bytes of a regular file, as many as a line begins with. What cannot be read has none:
/// whoever reads on says why.
std::optional<std::string> beginning_of(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
  std::string bytes(shared::kAuditLineBegin.size(), '\0');
  ssize_t size = 0;
  do {
    size = file.get() < 0 ? 0 : ::pread(file.get(), bytes.data(), bytes.size(), 0);
  } while (size < 0 && errno == EINTR);
  bytes.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  return bytes;
}

}  // namespace

AuditFile::AuditFile(Options options) : options_(std::move(options)) {}

AuditFile::~AuditFile() { close(); }

/// What is let go of is brought to the disk before: later nobody can.
void AuditFile::close() noexcept {
  if (fd_ < 0) return;
  if (dirty_ && options_.fsync == Fsync::interval) {
    try {
      sync();
    } catch (const std::exception& error) {
      sync_fault_ = error.what();
    }
  }
  ::close(std::exchange(fd_, -1));
}

std::string AuditFile::take_sync_fault() { return std::exchange(sync_fault_, std::string()); }

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

/// Cuts off what is no whole line, and finds out where the chain stands unless that is known. Its
/// end is looked at first: nothing is written to or cut off a file that is no audit log, also when
/// it was put in the place of one.
std::size_t AuditFile::recover() {
  FileEnd end = read_end(fd_, options_.path);
  if (!known_ && !end.line.empty()) go_on_from(end.line, options_.path);
  const bool has_line = end.torn_at > 0;
  if ((has_line && !end.line.starts_with(shared::kAuditLineBegin)) ||
      !shared::may_be_torn_audit_line(end.torn)) {
    throw std::runtime_error(in_quotes(options_.path) + " ends with what no audit log writes; " +
                             "move the file away or name another path");
  }
  if (!known_ && !has_line) go_on_from_rotated();
  if (!end.torn.empty() && ::ftruncate(fd_, end.torn_at) != 0) {
    fail(errno, "cannot cut an unfinished line off " + in_quotes(options_.path));
  }
  size_ = cut_doubtful(end) ? end.line_at : end.torn_at;
  known_ = true;
  return end.torn.size();
}

void AuditFile::go_on_from_rotated() {
  const std::vector<Rotated> files = rotated();
  if (files.empty()) return;
  const std::string path = files.back().path.string();
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) fail(errno, "cannot read " + in_quotes(path) + ", where the chain goes on");
  go_on_from(read_end(file.get(), path).line, path);
}

void AuditFile::go_on_from(const std::string& line, const std::string& path) {
  last_ = link_of(line, path);
}

/// The line that failed is written again. Where it cannot be cut off, as of a file that may only
/// grow, it is one of the chain and its event is there twice: what follows must follow it.
bool AuditFile::cut_doubtful(const FileEnd& end) {
  const shared::AuditLink doubtful = std::exchange(doubtful_, {});
  if (doubtful.seq == 0) return false;
  const shared::AuditLine read = shared::read_audit_line(end.line);
  if (!read.problem.empty() || read.hash != doubtful.hash) return false;
  if (::ftruncate(fd_, end.line_at) == 0) return true;
  last_ = doubtful;
  return false;
}

/// Whether the path still names the file that is open, and nothing was cut off that; where its end
/// is now. One that was cut may end within a line, and is to be looked at as when it is opened.
bool AuditFile::is_as_it_was() noexcept {
  struct stat open {};
  struct stat named {};
  if (::fstat(fd_, &open) != 0 || ::stat(options_.path.c_str(), &named) != 0 ||
      open.st_dev != named.st_dev || open.st_ino != named.st_ino || open.st_size < size_) {
    return false;
  }
  size_ = open.st_size;  // a line that cannot be written whole is cut off again, and nothing else
  return true;
}

std::string AuditFile::append(std::string_view fields) {
  if (fd_ < 0 || !is_as_it_was()) (void)open();
  std::string hash;
  std::string text = shared::make_audit_line(last_, fields, hash);
  text += '\n';
  if (text.size() > shared::kAuditLineBytesMax) {
    throw std::length_error("a line of " + std::to_string(text.size()) +
                            " bytes is too long for an audit log; at most " +
                            std::to_string(shared::kAuditLineBytesMax) + " are written");
  }
  if (size_ > 0 && size_ + static_cast<off_t>(text.size()) > options_.rotate_size) rotate();
  doubtful_ = {.seq = last_.seq + 1, .hash = hash};
  write_or_cut(text);
  doubtful_ = {};
  size_ += static_cast<off_t>(text.size());
  last_ = {.seq = last_.seq + 1, .hash = std::move(hash)};
  dirty_ = options_.fsync != Fsync::always;
  return std::exchange(rotated_to_, std::string());
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
  // After a failed fdatasync nobody knows what is on the disk, and after a failed ftruncate what is
  // in the file: it is read again, and a whole line in it that was not to be there is found.
  if (::ftruncate(fd_, size_) != 0 || written) close();
  fail(error, "cannot write to the audit log " + in_quotes(options_.path));
}

void AuditFile::sync() {
  if (!dirty_) return;
  if (fd_ < 0) (void)open();
  if (::fdatasync(fd_) != 0) {
    fail(errno, "cannot bring the audit log " + in_quotes(options_.path) + " to the disk");
  }
  dirty_ = false;
}

void AuditFile::rotate() {
  if (options_.fsync != Fsync::never) sync();
  const std::vector<Rotated> files = rotated();
  std::uint64_t number = files.empty() ? 1 : files.back().number + 1;
  std::string target = options_.path + ending_of(number);
  // Somebody else's file of that name is not replaced.
  while (fs::exists(fs::symlink_status(target))) target = options_.path + ending_of(++number);
  if (::rename(options_.path.c_str(), target.c_str()) != 0) {
    fail(errno,
         "cannot rename the audit log " + in_quotes(options_.path) + " to " + in_quotes(target));
  }
  rotated_to_ = std::move(target);
  (void)open();
  remove_oldest();
}

KeptEvents AuditFile::kept_events() const {
  KeptEvents kept;
  LinesMax left{.count = kKeptLinesMax, .bytes = shared::kAuditLineBytesMax};
  const auto add = [&](int fd, const std::string& path) {
    for (const std::string& line : read_last_lines(fd, path, left)) {
      kept.add(line);
      --left.count;
      left.bytes -= line.size() + 1;
    }
  };
  add(fd_, options_.path);
  const std::vector<Rotated> files = rotated();
  for (auto one = files.rbegin(); one != files.rend() && left.count > 0; ++one) {
    const std::string path = one->path.string();
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (file.get() < 0) break;
    add(file.get(), path);
  }
  return kept;
}

std::vector<AuditFile::Rotated> AuditFile::rotated() const {
  const fs::path path(options_.path);
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const std::string name = path.filename().string();
  std::vector<Rotated> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::uint64_t number = number_of(entry.path().filename().string(), name);
    if (number == 0) continue;
    const std::optional<std::string> beginning = beginning_of(entry.path().string());
    if (!beginning || !shared::may_be_torn_audit_line(*beginning)) continue;
    found.push_back({entry.path(), number, *beginning == shared::kAuditLineBegin});
  }
  std::sort(found.begin(), found.end(),
            [](const Rotated& a, const Rotated& b) { return a.number < b.number; });
  return found;
}

void AuditFile::remove_oldest() const {
  if (options_.keep == 0) return;
  std::vector<Rotated> files = rotated();
  std::erase_if(files, [](const Rotated& file) { return !file.is_log; });
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
