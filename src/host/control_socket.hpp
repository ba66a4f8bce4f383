// host/control_socket.hpp -- the place where an operator meets a running host, for this user alone.
// Layer: host
//
// Model      A Unix stream socket in a folder where nobody else can put another in its place
//            (host/control_folder.hpp). The socket of a host that has died is replaced, that of one
//            that lives is not: whoever opens a socket holds a lock of the folder meanwhile, so
//            that of two that come at once neither takes the other's for dead. One with a name of
//            the default form, PID.sock, takes such of dead hosts beside it away.
// Threads    [not-concurrent]
// Ownership  Removes its file at its end, unless another one lies there by then.
// Errors     open() throws Error: invalid_option for a path or folder that must not be used,
//            already_exists when a program listens there or a file that is no socket is in the way,
//            timed_out when another program keeps the folder locked, io_error when the system
//            refuses.
// Cost       A few system calls.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "host/control_folder.hpp"
#include "platform/descriptor.hpp"

namespace busway::host_detail {

class ControlSocket {
 public:
  [[nodiscard]] static ControlSocket open(
      const std::string& path, std::chrono::milliseconds lock_patience = kControlLockPatience);
  ControlSocket(ControlSocket&& other) noexcept = default;
  ControlSocket& operator=(ControlSocket&&) = delete;
  ~ControlSocket() { close(); }

  [[nodiscard]] int descriptor() const noexcept { return fd_.get(); }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  /// Before its end: nobody can connect any more.
  void close() noexcept;

 private:
  ControlSocket(std::string path, platform_detail::Descriptor fd);

  std::string path_;
  platform_detail::Descriptor fd_;
  dev_t device_ = 0;
  ino_t node_ = 0;
};

/// Where `busway run` opens one unless told otherwise: PID.sock in the folder that
/// BUSWAY_CONTROL_DIR names, else in the folder busway of XDG_RUNTIME_DIR if that is a folder of
/// this user, else in /tmp/busway-UID.
[[nodiscard]] std::string default_control_path();

/// A host that answers at a default path.
struct ControlHost {
  int process_id = 0;
  std::string path{};
};
/// Those of this user, by process id: their sockets have names of the default form, and this user,
/// or root, has made and serves them. Without BUSWAY_CONTROL_DIR all other places are looked at,
/// for a host may have been started from where XDG_RUNTIME_DIR is something else.
[[nodiscard]] std::vector<ControlHost> running_hosts();

}  // namespace busway::host_detail
