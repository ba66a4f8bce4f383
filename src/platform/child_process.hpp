// platform/child_process.hpp -- another program, run as a child of this one.
//
// Model      Started with posix_spawn and never a bare fork: a copy of a process with threads may
//            stand on locks that nobody will give back. The child gets standard input, output and
//            error, the descriptors it is handed and no others. It is known by its pidfd, so that
//            a signal never meets another process of the same number. It is the first of a process
//            group of its own: what is typed at the terminal to end the host does not reach it, and
//            what it starts goes with it, unless that leaves the group.
// Threads    kill() and descriptor() are [any-thread]; wait() is one thread's at a time.
// Ownership  The destructor kills a child that still runs, and waits until it is gone. However it
//            ends, the rest of its group is killed, at the latest when that is waited for.
// Errors     start() throws std::system_error: there is no such program, or no more processes.
// Cost       start(): half a millisecond.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "platform/descriptor.hpp"

namespace busway::platform_detail {

/// How a process has ended.
struct ProcessEnd {
  int signal = 0;  // 0: by itself
  int code = 0;    // then what it returned
};
/// "was killed by SIGSEGV", "ended with code 3".
[[nodiscard]] std::string to_words(const ProcessEnd& end);

class ChildProcess {
 public:
  struct Handed {
    int descriptor;
    int as;  // its number there, 3 or more
  };

  [[nodiscard]] static ChildProcess start(const std::string& program,
                                          const std::vector<std::string>& arguments,
                                          const std::vector<Handed>& handed);
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) = delete;
  ~ChildProcess();

  [[nodiscard]] pid_t id() const noexcept { return pid_; }
  /// Becomes readable when the process has ended.
  [[nodiscard]] int descriptor() const noexcept { return pidfd_.get(); }

  /// SIGKILL to its group. One that has ended is not signalled, the rest of its group is, until
  /// wait() has told of its end.
  void kill() const noexcept;
  /// No value at the deadline. Where the host's program collects all children itself how it ended
  /// is not known: then as one that returned 0, and the rest of its group may be left.
  [[nodiscard]] std::optional<ProcessEnd> wait(std::chrono::steady_clock::time_point deadline);

 private:
  ChildProcess(pid_t pid, Descriptor pidfd) noexcept : pid_(pid), pidfd_(std::move(pidfd)) {}

  void kill_group() const noexcept;

  pid_t pid_;
  Descriptor pidfd_;
  std::optional<ProcessEnd> end_;
  mutable std::mutex collecting_;
  bool collected_ = false;  // guarded by collecting_: its number may be another's
};

}  // namespace busway::platform_detail
