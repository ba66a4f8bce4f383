#include "line_reader.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>
#include <utility>

namespace console {
namespace {

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

LineReader::LineReader(int fd, std::size_t bytes_max, std::stop_token stop)
    : fd_(fd), stop_(std::move(stop)), wake_(::eventfd(0, EFD_CLOEXEC)), lines_(bytes_max) {
  if (wake_ < 0) fail("eventfd");
}

LineReader::~LineReader() { ::close(wake_); }

std::optional<shared::Line> LineReader::next() {
  while (!stop_.stop_requested()) {
    if (unread_.empty() && !fill()) break;
    if (std::optional<shared::Line> line = lines_.take(unread_)) return line;
  }
  if (!stop_.stop_requested()) return lines_.finish();
  return std::nullopt;
}

/// False at the end of the input and when a stop is requested.
bool LineReader::fill() {
  const std::stop_callback wake(stop_, [this] {
    const std::uint64_t one = 1;
    (void)!::write(wake_, &one, sizeof one);
  });
  while (wait_for_input()) {
    const ssize_t got = ::read(fd_, buffer_.data(), buffer_.size());
    if (got >= 0) {
      unread_ = {buffer_.data(), static_cast<std::size_t>(got)};
      return got > 0;
    }
    if (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK) fail("cannot read the input");
  }
  return false;
}

/// False when a stop is requested. Files, terminals and pipes are waited for alike.
bool LineReader::wait_for_input() const {
  for (;;) {
    std::array<pollfd, 2> wanted{pollfd{fd_, POLLIN, 0}, pollfd{wake_, POLLIN, 0}};
    if (::poll(wanted.data(), wanted.size(), -1) < 0) {
      if (errno == EINTR) continue;
      fail("cannot wait for input");
    }
    if (wanted[1].revents != 0) return false;
    if (wanted[0].revents != 0) return true;
  }
}

}  // namespace console
