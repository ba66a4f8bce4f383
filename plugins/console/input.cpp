#include "input.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace console {
namespace {

Input::Kind kind_of(int fd) noexcept {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return Input::Kind::closed;
  if (::isatty(fd) == 1) return Input::Kind::terminal;
  return S_ISREG(status.st_mode) ? Input::Kind::file : Input::Kind::stream;
}

/// Not waiting: a named pipe would hold up the start until somebody writes to it.
int open_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    throw std::system_error(errno, std::generic_category(),
                            "cannot open the input \"" + path + "\"");
  }
  struct stat status {};
  if (::fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
    ::close(fd);
    throw std::system_error(EISDIR, std::generic_category(),
                            "cannot read the input \"" + path + "\"");
  }
  return fd;
}

}  // namespace

Input::Input(const std::string& path)
    : fd_(path == "-" ? STDIN_FILENO : open_file(path)), own_(path != "-"), kind_(kind_of(fd_)) {}

Input::~Input() {
  if (own_) ::close(fd_);
}

}  // namespace console
