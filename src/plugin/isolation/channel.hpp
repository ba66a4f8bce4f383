// plugin/isolation/channel.hpp -- frames over a socket, one end of it.
// Layer: plugin
//
// Model      What is to be sent is gathered in out() and goes with flush(), so that a run of events
//            is one system call. While the other end does not read, flush() takes in what that
//            sends: so two that both have much to say do not wait for each other.
// Threads    [not-concurrent], but for shut().
// Ownership  Owns the socket. A frame is a view that is good until the next receive() or flush().
// Errors     Values: the other end is gone. A frame of an impossible length counts as that.
// Cost       A system call for what was gathered, and one for what has arrived.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "platform/descriptor.hpp"
#include "plugin/isolation/wire.hpp"

namespace busway::plugin_host_detail {

class Channel {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// `process`: a descriptor that becomes readable when the other end is gone for good, though
  /// something else may hold its socket; -1: there is none. A longer frame than `bytes_max` is
  /// never read.
  explicit Channel(platform_detail::Descriptor socket, std::size_t bytes_max = wire::kFrameBytesMax,
                   int process = -1)
      : socket_(std::move(socket)), bytes_max_(bytes_max), process_(process) {}

  [[nodiscard]] std::string& out() noexcept { return out_; }
  /// False: the other end is gone, or did not read until the deadline.
  [[nodiscard]] bool flush(Time deadline = Time::max());

  enum class Got : unsigned char { frame, timed_out, ended };
  [[nodiscard]] Got receive(std::string_view& frame, Time deadline = Time::max());

  /// [any-thread] Both ends are told that nothing more comes.
  void shut() const noexcept;

 private:
  [[nodiscard]] std::optional<std::string_view> next_frame();
  [[nodiscard]] bool take_in();

  enum class Ready : unsigned char { socket, deadline, gone };
  [[nodiscard]] Ready wait_for(short events, Time deadline, short& ready) const;

  platform_detail::Descriptor socket_;
  const std::size_t bytes_max_;
  const int process_;
  std::string out_;
  std::vector<char> in_;
  std::size_t read_ = 0;  // of in_
  std::size_t end_ = 0;   // what has arrived
  bool ended_ = false;
};

}  // namespace busway::plugin_host_detail
