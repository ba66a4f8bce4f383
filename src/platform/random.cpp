#include "platform/random.hpp"

#include <pthread.h>
#include <sys/random.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace busway::platform_detail {

namespace fork_detail {
constinit std::atomic<std::uint32_t> generation{1};
}  // namespace fork_detail

namespace {

void count_fork() noexcept {
  // 0 stands for "never seeded" with those who compare.
  if (fork_detail::generation.fetch_add(1, std::memory_order_relaxed) == UINT32_MAX) {
    fork_detail::generation.store(1, std::memory_order_relaxed);
  }
}

[[maybe_unused]] const int watch_forks = pthread_atfork(nullptr, nullptr, count_fork);

}  // namespace

std::uint64_t system_random() noexcept {
  std::uint64_t value = 0;
  ssize_t got = 0;
  do {
    got = ::getrandom(&value, sizeof value, 0);  // eight bytes come whole or not at all
  } while (got < 0 && errno == EINTR);
  if (got != sizeof value) {
    std::fprintf(stderr, "busway: getrandom() gives nothing (errno %d); ids need it\n", errno);
    std::abort();
  }
  return value;
}

}  // namespace busway::platform_detail
