// A program run as a process of its own: what it writes, and how it ends.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace busway::app {

struct Ended {
  int code = -1;  // of a process ended by a signal: minus the signal
  std::string out;
  std::string err;
};

struct Streams {
  bool input = false;     // feed() and end_input() write to standard input; else it is empty
  bool terminal = false;  // standard error is one
};

/// One that hangs is killed after the guard, and the test fails by its code.
class Process {
 public:
  explicit Process(std::vector<std::string> arguments, Streams streams = {});
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  /// Reads until the text stands on standard output or standard error; false when it never comes.
  bool wait_for(std::string_view text);
  void signal(int number) const;
  /// Whole; false when the process does not take it any more.
  bool feed(std::string_view text) const;
  void end_input();
  /// It has ended; what it wrote is still to be read.
  [[nodiscard]] bool has_ended() const;
  [[nodiscard]] Ended wait();

 private:
  bool read_some();
  void reap();

  pid_t pid_ = -1;
  int in_ = -1;
  int out_ = -1;
  int err_ = -1;
  Ended ended_;
  std::chrono::steady_clock::time_point deadline_;
};

/// Runs busway with these arguments to its end.
[[nodiscard]] Ended busway(std::vector<std::string> arguments);
[[nodiscard]] inline bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}
/// The arguments with the tool's path before them.
[[nodiscard]] std::vector<std::string> tool(std::vector<std::string> arguments);

}  // namespace busway::app
