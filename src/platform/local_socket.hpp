// platform/local_socket.hpp -- streams between the programs of one machine, met at a path.
//
// Model      One program listens at a path, others connect to it, and each can ask the kernel who
//            the other is. All descriptors are non-blocking and closed by exec.
// Threads    [any-thread]
// Ownership  Descriptors close themselves; the file at the path stays until it is removed.
// Errors     std::system_error with the code of the system call.
// Cost       A few system calls.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>

#include "platform/descriptor.hpp"

namespace busway::platform_detail {

/// The longest path that the kernel takes.
inline constexpr std::size_t kLocalPathBytesMax = 107;

/// The file is for this user alone. EADDRINUSE: there is a file already, of a program that listens
/// or of one that is gone.
[[nodiscard]] Descriptor listen_locally(const std::string& path);

/// ECONNREFUSED: nobody listens there any more.
[[nodiscard]] Descriptor connect_locally(const std::string& path);

/// The next one who has connected; not valid when nobody waits, or when it cannot be had (errno).
[[nodiscard]] Descriptor accept_locally(int listener) noexcept;

struct LocalPeer {
  uid_t user = static_cast<uid_t>(-1);  // -1: the kernel does not say
  pid_t process = 0;
};
/// As it was when it connected, or began to listen.
[[nodiscard]] LocalPeer peer_of(int connection) noexcept;

}  // namespace busway::platform_detail
