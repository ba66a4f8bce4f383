#include "platform/local_socket.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace busway::platform_detail {
namespace {

constexpr int kWaiting = 64;  // who may have connected and not been accepted yet

[[noreturn]] void throw_errno(int code, const char* what) {
  throw std::system_error(code, std::system_category(), what);
}

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() > kLocalPathBytesMax) throw_errno(ENAMETOOLONG, "socket path");
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Descriptor open_socket() {
  Descriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) throw_errno(errno, "socket");
  return fd;
}

const sockaddr* as_sockaddr(const sockaddr_un& address) noexcept {
  return reinterpret_cast<const sockaddr*>(&address);
}

}  // namespace

Descriptor listen_locally(const std::string& path) {
  const sockaddr_un address = address_of(path);
  Descriptor fd = open_socket();
  if (::bind(fd.get(), as_sockaddr(address), sizeof address) != 0) throw_errno(errno, "bind");
  // Before listen(), so that nobody has come in by then.
  if (::chmod(path.c_str(), S_IRUSR | S_IWUSR) != 0 || ::listen(fd.get(), kWaiting) != 0) {
    const int code = errno;
    ::unlink(path.c_str());
    throw_errno(code, "listen");
  }
  return fd;
}

Descriptor connect_locally(const std::string& path) {
  const sockaddr_un address = address_of(path);
  Descriptor fd = open_socket();
  if (::connect(fd.get(), as_sockaddr(address), sizeof address) != 0) throw_errno(errno, "connect");
  return fd;
}

Descriptor accept_locally(int listener) noexcept {
  return Descriptor(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

LocalPeer peer_of(int connection) noexcept {
  ucred who{};
  socklen_t size = sizeof who;
  if (::getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return {};
  return {who.uid, who.pid};
}

}  // namespace busway::platform_detail
