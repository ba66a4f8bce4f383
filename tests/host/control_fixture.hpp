// A client of a control socket that sends what it likes, whole requests or not.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "platform/local_socket.hpp"

namespace busway {

class RawClient {
 public:
  explicit RawClient(const std::string& path)
      : connection_(platform_detail::connect_locally(path)) {}

  /// False: the server has hung up before it had taken all.
  bool send(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t sent = ::send(connection_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno != EAGAIN) return false;
      if (sent < 0) wait(POLLOUT);
      if (sent > 0) text.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  /// Without its end; "" when the server has hung up.
  std::string line() {
    for (;;) {
      if (const std::size_t end = in_.find('\n'); end != std::string::npos) {
        std::string line = in_.substr(0, end);
        in_.erase(0, end + 1);
        return line;
      }
      if (!read_some()) return {};
    }
  }
  std::string ask(std::string_view text) {
    EXPECT_TRUE(send(std::string(text) + '\n'));
    return line();
  }
  void send_no_more() const { ::shutdown(connection_.get(), SHUT_WR); }
  void read_no_more() const { ::shutdown(connection_.get(), SHUT_RD); }
  /// Whether the server hangs up, without a look at what it has sent.
  [[nodiscard]] bool is_dropped() const { return (wait(0) & POLLHUP) != 0; }
  /// The same, of this moment, or of one within so long.
  [[nodiscard]] bool has_been_dropped(std::chrono::milliseconds within = {}) const {
    pollfd one{connection_.get(), 0, 0};
    return ::poll(&one, 1, static_cast<int>(within.count())) == 1;
  }
  [[nodiscard]] bool has_something() const {
    pollfd one{connection_.get(), POLLIN, 0};
    return ::poll(&one, 1, 0) == 1;
  }
  /// What one look brings, 64 KiB at most; "" when the server has hung up.
  std::string some() {
    if (in_.empty()) (void)read_some();
    return std::exchange(in_, {});
  }
  /// So many bytes, or fewer when the server hangs up before.
  std::string rest_until(std::size_t bytes) {
    while (in_.size() < bytes && read_some()) {
    }
    return in_;
  }
  /// What the server has sent until it hung up.
  std::string rest() {
    while (read_some()) {
    }
    return in_;
  }

 private:
  static constexpr int kGuardMs = 60'000;

  short wait(short events) const {
    pollfd one{connection_.get(), events, 0};
    EXPECT_EQ(::poll(&one, 1, kGuardMs), 1) << "the server does nothing";
    return one.revents;
  }
  bool read_some() {
    std::array<char, 65536> buffer;
    for (;;) {
      const ssize_t got = ::recv(connection_.get(), buffer.data(), buffer.size(), 0);
      if (got > 0) {
        in_.append(buffer.data(), static_cast<std::size_t>(got));
        return true;
      }
      if (got == 0 || errno != EAGAIN || wait(POLLIN) == 0) return false;
    }
  }

  platform_detail::Descriptor connection_;
  std::string in_;
};

}  // namespace busway
