// The processes that this one has started.
#pragma once

#include <sys/wait.h>

#include <cerrno>

namespace busway {

/// Also of those that have ended and that nobody has waited for.
inline bool has_children() {
  siginfo_t info{};
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

}  // namespace busway
