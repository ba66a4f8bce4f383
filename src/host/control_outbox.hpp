// host/control_outbox.hpp -- what is still to be written to one client of the control socket.
// Layer: host
//
// Model      Requests put lines in, the server's thread writes what the client takes. Once the
//            client is gone lines are refused, and what lies here is nothing any more.
// Threads    [any-thread]
// Ownership  Shared by the request, which may outlast its client, and by the server; borrows the
//            connection, which is not used any more once the client is gone.
// Errors     None.
// Cost       One lock and one copy a line.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include "host/control_reply.hpp"

namespace busway::host_detail {

class ControlOutbox final : public ControlReply {
 public:
  /// `wake` is called when there is something to write.
  ControlOutbox(int connection, std::function<void()> wake);

  bool send(std::string_view line) override;

  /// Writes what the client takes now: how many bytes.
  std::size_t write();
  [[nodiscard]] bool has_more() const;
  [[nodiscard]] bool is_gone() const;
  void set_gone();

  // The request has returned.
  std::atomic<bool> done{false};

 private:
  const int connection_;
  const std::function<void()> wake_;
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::string out_;
  std::size_t written_ = 0;
  bool gone_ = false;
};

}  // namespace busway::host_detail
