// doorbell.hpp -- tells other processes that something was committed, and hears it from them.
// Layer: store
//
// Model      Each opening listens at an abstract datagram socket named by the database's device and
//            inode and the opening's number. A ring is one byte: n for news, o for an opening that
//            came or went. What is lost (another network namespace, a full queue) is found by
//            whoever looks now and then.
// Threads    ring() on the writer's thread; wait() on one other.
// Ownership  Owns its sockets.
// Errors     None: without sockets nobody rings, and looking now and then remains.
// Cost       One system call a process that listens.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "own_descriptor.hpp"

namespace busway::sqlite {

class Doorbell {
 public:
  /// file: device and inode in words.
  Doorbell(std::string file, std::uint64_t opening);
  Doorbell(const Doorbell&) = delete;
  Doorbell& operator=(const Doorbell&) = delete;
  ~Doorbell() = default;

  enum class Ring : char { news = 'n', openings = 'o' };
  /// Returns those that nobody listens at any more.
  std::vector<std::uint64_t> ring(const std::vector<std::uint64_t>& openings, Ring what) noexcept;
  /// Ends wait().
  void wake() noexcept;

  enum class Heard : unsigned char { nothing, news, openings };
  [[nodiscard]] Heard wait(std::chrono::milliseconds timeout) noexcept;

 private:
  [[nodiscard]] socklen_t address_of(std::uint64_t opening, sockaddr_un& address) const noexcept;

  const std::string file_;
  const std::uint64_t opening_;
  const OwnDescriptor socket_;
};

}  // namespace busway::sqlite
