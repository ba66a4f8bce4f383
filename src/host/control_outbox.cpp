#include "host/control_outbox.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace busway::host_detail {
namespace {

/// What a client may leave unread before a request that goes on is told to end.
constexpr std::size_t kUnreadBytesMax = std::size_t{1} << 20U;

}  // namespace

ControlOutbox::ControlOutbox(int connection, std::function<void()> wake)
    : connection_(connection), wake_(std::move(wake)) {}

bool ControlOutbox::send(std::string_view line) {
  {
    const std::lock_guard lock(mutex_);
    if (gone_ || out_.size() - written_ > kUnreadBytesMax) return false;
    out_.append(line).push_back('\n');
  }
  wake_();
  return true;
}

std::size_t ControlOutbox::write() {
  const std::lock_guard lock(mutex_);
  std::size_t taken = 0;
  while (!gone_ && written_ < out_.size()) {
    const ssize_t sent = ::send(connection_, out_.data() + written_, out_.size() - written_,
                                MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      written_ += static_cast<std::size_t>(sent);
      taken += static_cast<std::size_t>(sent);
    } else if (errno == EAGAIN) {
      return taken;
    } else if (errno != EINTR) {
      gone_ = true;
    }
  }
  out_.clear();
  written_ = 0;
  return taken;
}

bool ControlOutbox::has_more() const {
  const std::lock_guard lock(mutex_);
  return !gone_ && written_ < out_.size();
}

bool ControlOutbox::is_gone() const {
  const std::lock_guard lock(mutex_);
  return gone_;
}

void ControlOutbox::set_gone() {
  const std::lock_guard lock(mutex_);
  gone_ = true;
  std::string().swap(out_);
  written_ = 0;
}

}  // namespace busway::host_detail
