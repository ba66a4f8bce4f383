// host/control_client.hpp -- asks a running host through its control socket.
// Layer: host
//
// Model      One request at a time, each answered by one line.
// Threads    [not-concurrent]
// Ownership  Owns the connection.
// Errors     Throws Error, which names the path: not_found when no host listens there, denied when
//            it is another user's, timed_out, io_error also for an answer that cannot be used. An
//            error that the host answers with is no exception. Root believes every user's host of
//            its own socket: one in a folder that only the host's user, or root, may write to.
// Cost       Waits for the reply.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "busway/json.hpp"
#include "platform/descriptor.hpp"

namespace busway::host_detail {

class ControlClient {
 public:
  explicit ControlClient(std::string path);

  /// For as long as it takes: std::chrono::nanoseconds::max().
  [[nodiscard]] Json ask(const Json& request, std::chrono::nanoseconds patience);

  /// An answer whose form is not what was asked for: io_error, with the path.
  [[noreturn]] void refuse_answer(const std::string& why) const;

 private:
  using Time = std::chrono::steady_clock::time_point;

  void send(std::string_view line, Time deadline);
  [[nodiscard]] std::string read_line(Time deadline);
  void wait_for(short events, Time deadline) const;

  std::string path_;
  platform_detail::Descriptor connection_;
  std::string in_;
};

}  // namespace busway::host_detail
