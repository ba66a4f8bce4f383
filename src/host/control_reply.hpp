// host/control_reply.hpp -- where what a request answers goes, line by line.
// Layer: host
//
// Model      A request of today answers with one line. One that goes on may send further ones, and
//            ends when send() says that nobody listens.
// Threads    [any-thread]
// Ownership  Shared by the request, which may outlast its client, and by the server.
// Errors     None.
// Cost       One lock and one copy a line.
#pragma once

#include <string>
#include <string_view>

#include "busway/error.hpp"
#include "busway/json.hpp"

namespace busway::host_detail {

class ControlReply {
 public:
  ControlReply() = default;
  ControlReply(const ControlReply&) = delete;
  ControlReply& operator=(const ControlReply&) = delete;
  virtual ~ControlReply() = default;

  /// One line, without its end. False: the client is gone, or does not read what it got.
  virtual bool send(std::string_view line) = 0;
};

/// The value as one line; bytes that are not UTF-8 are replaced.
[[nodiscard]] std::string to_line(const Json& value);

/// {"error":{"code":...,"message":...}}
[[nodiscard]] std::string error_line(ErrorCode code, std::string_view message);

}  // namespace busway::host_detail
