#include "line_reader.hpp"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace busway::app {
namespace {

constexpr std::size_t kReadAtOnce = 65'536;

[[noreturn]] void fail_to_read() { throw std::system_error(errno, std::generic_category()); }

}  // namespace

LineReader::Got LineReader::take(std::size_t size, std::size_t with_end) {
  line_bytes_ = passed_over_ + size;
  line_ = std::string_view(buffer_).substr(begin_, size);
  bytes_ += passed_over_ + with_end;
  begin_ += with_end;
  looked_to_ = begin_;
  passed_over_ = 0;
  ++number_;
  gave_some_ = true;
  if (line_bytes_ <= line_bytes_max_) return Got::line;
  line_ = {};
  return Got::too_long;
}

void LineReader::make_room() {
  const std::size_t held = buffer_.size() - begin_;
  if (passed_over_ + held > line_bytes_max_) {
    passed_over_ += held;
    buffer_.clear();
  } else {
    buffer_.erase(0, begin_);
  }
  begin_ = 0;
  looked_to_ = buffer_.size();
}

LineReader::Got LineReader::next() {
  for (;;) {
    if (const std::size_t end = buffer_.find('\n', looked_to_); end != std::string::npos) {
      return take(end - begin_, end - begin_ + 1);
    }
    if (ended_) {
      const std::size_t rest = buffer_.size() - begin_;
      return rest + passed_over_ == 0 ? Got::end : take(rest, rest);
    }
    make_room();
    std::array<pollfd, 2> both{pollfd{descriptor_, POLLIN, 0}, pollfd{stop_, POLLIN, 0}};
    if (::poll(both.data(), both.size(), gave_some_ ? 0 : -1) < 0) {
      if (errno == EINTR) continue;
      fail_to_read();
    }
    if (both[1].revents != 0) return Got::stop;
    if (both[0].revents == 0) {
      gave_some_ = false;
      return Got::pause;
    }
    const std::size_t held = buffer_.size();
    buffer_.resize(held + kReadAtOnce);
    const ssize_t size = ::read(descriptor_, buffer_.data() + held, kReadAtOnce);
    const int error = errno;
    buffer_.resize(held + (size > 0 ? static_cast<std::size_t>(size) : 0));
    if (size == 0) ended_ = true;
    errno = error;
    if (size < 0 && error != EINTR && error != EAGAIN) fail_to_read();
  }
}

}  // namespace busway::app
