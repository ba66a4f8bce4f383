#include "platform/membarrier.hpp"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace busway::platform_detail {
namespace {

long membarrier(int command) noexcept { return ::syscall(SYS_membarrier, command, 0U, 0); }

bool register_with_kernel() noexcept {
  if constexpr (kThreadSanitizer) return false;
  const char* wish = std::getenv("BUSWAY_MEMBARRIER");
  if (wish != nullptr && std::strcmp(wish, "off") == 0) return false;
  const long offered = membarrier(MEMBARRIER_CMD_QUERY);
  if (offered < 0 || (offered & MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0) return false;
  return membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0;
}

/// The kernel's answer, asked for once. Readers turn to plain stores only after it, and a writer
/// asks before its first barrier, so no writer skips the barrier of a reader that relies on it.
std::atomic<bool>& kernel_agrees() noexcept {
  static std::atomic<bool> agrees{[] {
    const bool answer = register_with_kernel();
    light_slots.store(answer, std::memory_order_seq_cst);
    return answer;
  }()};
  return agrees;
}

// Asked while the program starts, so that readers need not.
[[maybe_unused]] const bool asked_at_start = heavy_barrier_available();

}  // namespace

constinit std::atomic<bool> light_slots{false};

bool heavy_barrier_available() noexcept { return kernel_agrees().load(std::memory_order_relaxed); }

void heavy_barrier() noexcept {
  if (!heavy_barrier_available()) return;
  if (membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0) return;
  // A child made by clone() without the registration: register again.
  if (errno == EPERM && membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0 &&
      membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0) {
    return;
  }
  std::fprintf(stderr,
               "busway: membarrier() was granted at start and is refused now (errno %d); allow it "
               "in the sandbox or start with BUSWAY_MEMBARRIER=off\n",
               errno);
  std::abort();
}

void refuse_membarrier() noexcept {
  kernel_agrees().store(false, std::memory_order_seq_cst);
  light_slots.store(false, std::memory_order_seq_cst);
}

}  // namespace busway::platform_detail
