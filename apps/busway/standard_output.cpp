#include "standard_output.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <iostream>
#include <system_error>

namespace busway::app {
namespace {

[[noreturn]] void fail() {
  throw std::system_error(errno, std::system_category(), "standard output cannot be written to");
}

}  // namespace

StandardOutput::StandardOutput(Plugins plugins) : fd_(STDOUT_FILENO) {
  if (plugins == Plugins::share_it) return;
  fd_ = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  if (fd_ < 0) fail();
  if (::dup2(STDERR_FILENO, STDOUT_FILENO) < 0) fail();
}

StandardOutput::~StandardOutput() {
  if (fd_ == STDOUT_FILENO) return;
  std::fflush(stdout);
  std::cout.flush();
  ::dup2(fd_, STDOUT_FILENO);
  ::close(fd_);
}

void StandardOutput::write(std::string_view text) const {
  // What others printed before comes first.
  std::fflush(stdout);
  std::cout.flush();
  while (!text.empty()) {
    const ssize_t written = ::write(fd_, text.data(), text.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      fail();
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace busway::app
