#include "line_reader.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <system_error>
#include <utility>

namespace console {
namespace {

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

bool is_continuation(char c) noexcept { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

}  // namespace

LineReader::LineReader(int fd, std::size_t bytes_max, std::stop_token stop)
    : fd_(fd), bytes_max_(bytes_max), stop_(std::move(stop)), wake_(::eventfd(0, EFD_CLOEXEC)) {
  if (wake_ < 0) fail("eventfd");
}

LineReader::~LineReader() { ::close(wake_); }

std::optional<Line> LineReader::next() {
  while (!stop_.stop_requested()) {
    if (begin_ == end_ && !fill()) break;
    const char* from = buffer_.data() + begin_;
    const auto* newline = static_cast<const char*>(std::memchr(from, '\n', end_ - begin_));
    const std::size_t size =
        newline == nullptr ? end_ - begin_ : static_cast<std::size_t>(newline - from);
    append(from, size);
    begin_ += size;
    if (newline != nullptr) {
      ++begin_;
      return take();
    }
  }
  if (open_line_ && !stop_.stop_requested()) return take();
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
      begin_ = 0;
      end_ = static_cast<std::size_t>(got);
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

void LineReader::append(const char* from, std::size_t size) {
  // Two bytes beyond the bound are kept until the line is whole: the "\r" of its end is no part of
  // it, and a character that crosses the bound is left out as one.
  open_line_ = true;
  if (size > 0) last_ = from[size - 1];
  const std::size_t room = bytes_max_ + 2 - std::min(bytes_max_ + 2, line_.text.size());
  const std::size_t taken = std::min(room, size);
  line_.text.append(from, taken);
  line_.cut_bytes += size - taken;
}

Line LineReader::take() {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  Line line = std::exchange(line_, {});
  open_line_ = false;
  if (std::exchange(last_, '\n') == '\r') {
    if (line.cut_bytes == 0) {
      line.text.pop_back();
    } else {
      --line.cut_bytes;
    }
  }
  if (lines_++ == 0 && line.text.starts_with(kByteOrderMark)) {
    line.text.erase(0, kByteOrderMark.size());
  }
  if (line.text.size() > bytes_max_) {
    std::size_t end = bytes_max_;
    // A character has at most three bytes after its first; longer runs are no UTF-8 and cut
    // anywhere.
    for (int i = 0; i < 3 && end > 0 && is_continuation(line.text[end]); ++i) --end;
    line.cut_bytes += line.text.size() - end;
    line.text.resize(end);
  }
  return line;
}

}  // namespace console
