// The processes that this one has started.
#pragma once

#include <sys/types.h>
#include <sys/wait.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <string>

namespace busway {

/// Also of those that have ended and that nobody has waited for.
inline bool has_children() {
  siginfo_t info{};
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

/// Also of one that is not a child, and that its parent has not waited for.
inline bool has_ended(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  const std::string all{std::istreambuf_iterator<char>(file), {}};
  const std::size_t name_ends = all.rfind(") ");
  return name_ends == std::string::npos || all.at(name_ends + 2) == 'Z' ||
         all.at(name_ends + 2) == 'X';
}

}  // namespace busway
