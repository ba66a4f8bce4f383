#include "plugin/isolation/channel.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>

namespace busway::plugin_host_detail {
namespace {

constexpr std::size_t kChunk = std::size_t{64} << 10U;
constexpr std::size_t kKeptBytesMax = std::size_t{1} << 20U;  // of a buffer that is empty

[[nodiscard]] int milliseconds_until(Channel::Time deadline) {
  using std::chrono::milliseconds;
  constexpr milliseconds kLongest = std::chrono::hours(1);
  const auto now = std::chrono::steady_clock::now();
  if (deadline <= now) return 0;
  if (deadline - now >= kLongest) return static_cast<int>(kLongest.count());
  return static_cast<int>(std::chrono::ceil<milliseconds>(deadline - now).count());
}

}  // namespace

Channel::Ready Channel::wait_for(short events, Time deadline, short& ready) const {
  for (;;) {
    std::array<pollfd, 2> both{pollfd{socket_.get(), events, 0}, pollfd{process_, POLLIN, 0}};
    const int count = ::poll(both.data(), both.size(), milliseconds_until(deadline));
    ready = both[0].revents;
    if (ready != 0) return Ready::socket;
    if (count > 0) return Ready::gone;
    if (count == 0 && std::chrono::steady_clock::now() >= deadline) return Ready::deadline;
    if (count < 0 && errno != EINTR && errno != EAGAIN) return Ready::gone;
  }
}

void Channel::shut() const noexcept { (void)::shutdown(socket_.get(), SHUT_RDWR); }

/// What has arrived, without waiting. False: nothing more will, or more than is ever read.
bool Channel::take_in() {
  if (read_ == end_) {
    read_ = 0;
    end_ = 0;
    if (in_.size() > kKeptBytesMax) std::vector<char>().swap(in_);
  } else if (read_ >= kChunk) {
    std::memmove(in_.data(), in_.data() + read_, end_ - read_);
    end_ -= read_;
    read_ = 0;
  }
  if (in_.size() - end_ < kChunk) in_.resize(end_ + std::max(kChunk, end_));
  const ssize_t got = ::recv(socket_.get(), in_.data() + end_, in_.size() - end_, MSG_DONTWAIT);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  end_ += static_cast<std::size_t>(got);
  return got > 0 && end_ - read_ <= bytes_max_ + kKeptBytesMax;
}

std::optional<std::string_view> Channel::next_frame() {
  std::uint32_t length = 0;
  const std::size_t there = end_ - read_;
  if (there < sizeof length) return std::nullopt;
  std::memcpy(&length, in_.data() + read_, sizeof length);
  if (length == 0 || length > bytes_max_) {
    ended_ = true;
    return std::nullopt;
  }
  if (there - sizeof length < length) return std::nullopt;
  const std::string_view frame(in_.data() + read_ + sizeof length, length);
  read_ += sizeof length + length;
  return frame;
}

Channel::Got Channel::receive(std::string_view& frame, Time deadline) {
  for (bool first = true;; first = false) {
    if (const auto next = next_frame()) {
      frame = *next;
      return Got::frame;
    }
    if (ended_) return Got::ended;
    // There may be something to read all the time, and a frame never whole.
    if (!first && std::chrono::steady_clock::now() >= deadline) return Got::timed_out;
    short ready = 0;
    const Ready what = wait_for(POLLIN, deadline, ready);
    if (what == Ready::deadline) return Got::timed_out;
    if (what == Ready::gone || !take_in()) ended_ = true;
  }
}

bool Channel::flush(Time deadline) {
  std::size_t done = 0;
  while (done < out_.size()) {
    const ssize_t put =
        ::send(socket_.get(), out_.data() + done, out_.size() - done, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put >= 0) {
      done += static_cast<std::size_t>(put);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN || std::chrono::steady_clock::now() >= deadline) break;
    short ready = 0;
    const short wanted = ended_ ? POLLOUT : POLLIN | POLLOUT;
    if (wait_for(wanted, deadline, ready) != Ready::socket) break;
    if ((ready & POLLIN) != 0 && !ended_ && !take_in()) ended_ = true;
  }
  const bool all = done == out_.size();
  out_.clear();
  if (out_.capacity() > kKeptBytesMax) out_.shrink_to_fit();
  return all;
}

}  // namespace busway::plugin_host_detail
