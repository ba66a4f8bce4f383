#include "doorbell.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

namespace busway::sqlite {
namespace {

constexpr int kRingsAtOnce = 16;

}  // namespace

Doorbell::Doorbell(std::string file, std::uint64_t opening)
    : file_(std::move(file)),
      opening_(opening),
      socket_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
  if (socket_.get() < 0) return;
  sockaddr_un address{};
  const socklen_t size = address_of(opening_, address);
  // Taken: then nobody rings here, and looking now and then remains.
  (void)bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), size);
}

socklen_t Doorbell::address_of(std::uint64_t opening, sockaddr_un& address) const noexcept {
  address.sun_family = AF_UNIX;
  const std::string name = "busway-sqlite-" + file_ + '-' + std::to_string(opening);
  const std::size_t size = std::min(name.size(), sizeof address.sun_path - 1);
  std::memcpy(address.sun_path + 1, name.data(), size);
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + size);
}

std::vector<std::uint64_t> Doorbell::ring(const std::vector<std::uint64_t>& openings,
                                          Ring what) noexcept {
  std::vector<std::uint64_t> gone;
  if (socket_.get() < 0) return gone;
  const char byte = static_cast<char>(what);
  for (const std::uint64_t opening : openings) {
    if (opening == opening_) continue;
    sockaddr_un address{};
    const socklen_t size = address_of(opening, address);
    if (sendto(socket_.get(), &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL,
               reinterpret_cast<const sockaddr*>(&address), size) < 0 &&
        errno == ECONNREFUSED) {
      gone.push_back(opening);
    }
  }
  return gone;
}

void Doorbell::wake() noexcept {
  if (socket_.get() < 0) return;
  sockaddr_un address{};
  const socklen_t size = address_of(opening_, address);
  const char byte = static_cast<char>(Ring::news);
  (void)sendto(socket_.get(), &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL,
               reinterpret_cast<const sockaddr*>(&address), size);
}

Doorbell::Heard Doorbell::wait(std::chrono::milliseconds timeout) noexcept {
  pollfd wanted{.fd = socket_.get(), .events = POLLIN, .revents = 0};
  if (poll(&wanted, socket_.get() >= 0 ? 1 : 0, static_cast<int>(timeout.count())) <= 0) {
    return Heard::nothing;
  }
  // All of them in one go, as a rule: whoever rang has somebody waiting.
  std::array<char, kRingsAtOnce> bytes{};
  std::array<iovec, kRingsAtOnce> parts{};
  std::array<mmsghdr, kRingsAtOnce> rings{};
  for (std::size_t i = 0; i < rings.size(); ++i) {
    parts[i] = {.iov_base = &bytes[i], .iov_len = 1};
    rings[i].msg_hdr.msg_iov = &parts[i];
    rings[i].msg_hdr.msg_iovlen = 1;
  }
  Heard heard = Heard::nothing;
  for (int count = kRingsAtOnce; count == kRingsAtOnce;) {
    count = recvmmsg(socket_.get(), rings.data(), kRingsAtOnce, MSG_DONTWAIT, nullptr);
    for (int i = 0; i < count; ++i) {
      const bool is_opening =
          bytes[static_cast<std::size_t>(i)] == static_cast<char>(Ring::openings);
      if (is_opening) heard = Heard::openings;
      if (heard == Heard::nothing) heard = Heard::news;
    }
  }
  return heard;
}

}  // namespace busway::sqlite
