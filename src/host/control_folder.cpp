#include "host/control_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <thread>

#include "base/deadline.hpp"
#include "base/duration_words.hpp"
#include "base/escape.hpp"

namespace busway::host_detail {
namespace {

namespace fs = std::filesystem;
using platform_detail::Descriptor;

constexpr mode_t kWritableByOthers = S_IWGRP | S_IWOTH;
constexpr std::chrono::milliseconds kLockAgainAfter(10);

std::string system_words(int code) { return std::system_category().message(code); }

/// Above it others could rename it, and put one of their own in its place. What is not there is
/// told by whoever needs it.
void check_above(const std::string& path, const fs::path& folder) {
  for (fs::path above = folder; above != above.parent_path();) {
    above = above.parent_path();
    struct stat facts {};
    if (::stat(above.c_str(), &facts) != 0) continue;
    if ((facts.st_mode & kWritableByOthers) == 0 || (facts.st_mode & S_ISVTX) != 0) continue;
    refuse_control_socket(
        ErrorCode::invalid_option, path,
        "others may write to " + quote(above.native()) +
            " and so put another folder in the place of " + quote(folder.native()) +
            "; take that right from them (chmod go-w), make it sticky (chmod +t), or name another "
            "path");
  }
}

/// Opened, and looked at through its descriptor: it stays the one that was looked at.
Descriptor open_folder(const std::string& path, const std::string& folder) {
  Descriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid() && (errno == ENOTDIR || errno == ELOOP)) {
    refuse_control_socket(
        ErrorCode::invalid_option, path,
        quote(folder) + " is no folder, or a symbolic link; name a folder of your own");
  }
  struct stat facts {};
  if (!fd.valid() || ::fstat(fd.get(), &facts) != 0)
    refuse_control_socket(ErrorCode::io_error, path, quote(folder) + ": " + system_words(errno));
  if (facts.st_uid != ::geteuid()) {
    refuse_control_socket(ErrorCode::invalid_option, path,
                          "its folder " + quote(folder) + " belongs to user " +
                              std::to_string(facts.st_uid) + ", and this is user " +
                              std::to_string(::geteuid()) + "; name a folder of your own");
  }
  if ((facts.st_mode & kWritableByOthers) != 0) {
    refuse_control_socket(ErrorCode::invalid_option, path,
                          "others may write to its folder " + quote(folder) +
                              "; name one in a folder that only you may write to");
  }
  return fd;
}

/// Whoever may read the folder could lock it, and keep its owner from ever opening a socket.
Descriptor lock_file(const std::string& path, const std::string& folder, Descriptor fd) {
  struct stat facts {};
  if (::fstat(fd.get(), &facts) == 0 && (facts.st_mode & (S_IRGRP | S_IROTH)) == 0) return fd;
  Descriptor file(::openat(fd.get(), ".busway-control.lock",
                           O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (!file.valid()) {
    refuse_control_socket(
        ErrorCode::io_error, path,
        "no file can be made in its folder " + quote(folder) + ": " + system_words(errno));
  }
  return file;
}

/// The system has no lock that gives up by itself.
void lock_within(const std::string& path, const std::string& folder, const Descriptor& fd,
                 std::chrono::milliseconds patience) {
  const auto deadline = deadline_after(patience);
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) {
      refuse_control_socket(ErrorCode::io_error, path,
                            quote(folder) + " cannot be locked: " + system_words(errno));
    }
    if (std::chrono::steady_clock::now() >= deadline) {
      refuse_control_socket(ErrorCode::timed_out, path,
                            "another program has kept its folder " + quote(folder) +
                                " locked for " + duration_words(patience) +
                                ", which a host does only while it opens a socket; end that "
                                "program (lslocks shows it), or name another folder");
    }
    std::this_thread::sleep_for(kLockAgainAfter);
  }
}

}  // namespace

void refuse_control_socket(ErrorCode code, const std::string& path, std::string_view why) {
  throw Error(code, "the control socket " + quote(path) + " cannot be opened: " + std::string(why));
}

Descriptor lock_control_folder(const std::string& path, std::chrono::milliseconds patience) {
  const fs::path folder = fs::path(path).parent_path();
  check_above(path, folder);
  std::error_code gone;                                              // mkdir() says so too
  const fs::path above = fs::canonical(folder.parent_path(), gone);  // there may be links in it
  if (!gone && above != folder.parent_path()) check_above(path, above / folder.filename());
  if (::mkdir(folder.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
    refuse_control_socket(
        ErrorCode::io_error, path,
        "its folder " + quote(folder.native()) + " cannot be made: " + system_words(errno));
  }
  Descriptor fd = lock_file(path, folder.native(), open_folder(path, folder.native()));
  lock_within(path, folder.native(), fd, patience);
  return fd;
}

bool is_control_folder(const std::string& folder) noexcept {
  struct stat facts {};
  return ::lstat(folder.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode) &&
         facts.st_uid == ::geteuid() && (facts.st_mode & kWritableByOthers) == 0;
}

}  // namespace busway::host_detail
