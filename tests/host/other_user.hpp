// A socket that another user serves, for tests that run as root.
#pragma once

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <string>
#include <system_error>
#include <thread>

#include "platform/local_socket.hpp"

namespace busway {

class OtherUser {
 public:
  explicit OtherUser(uid_t user) : user_(user) {}

  /// The kernel keeps whose thread began to listen, and the system call, unlike the function of the
  /// C library, changes the user of this one thread.
  [[nodiscard]] platform_detail::Descriptor listen(const std::string& path) const {
    platform_detail::Descriptor listener;
    std::thread([&] {
      ASSERT_EQ(::syscall(SYS_setresuid, -1, user_, -1), 0);
      try {
        listener = platform_detail::listen_locally(path);
      } catch (const std::system_error& error) {
        ADD_FAILURE() << path << ": " << error.what();
      }
    }).join();
    return listener;
  }

 private:
  const uid_t user_;
};

}  // namespace busway
