// busway/testing/process.hpp -- a program that a test starts, talks to, stops and kills.
// Layer: testing
//
// Model      Runs with the test's environment and variables of its own, and with its standard input
//            and output at the test: it says by a line how far it is, and knows from the end of its
//            input that it is to end. words[0] is its path; PATH is not searched.
// Threads    All functions are [not-concurrent]. read_line(), read_all() and wait() return when the
//            process has done its part, however long that takes.
// Ownership  The destructor kills a process that still runs, and waits until it is gone. What that
//            has started itself is not killed.
// Errors     The constructor and tell() throw std::system_error; the end of a process is a value.
// Cost       A start: a few milliseconds, until its main() those of its program.
// Example    tests/testing/process_test.cpp
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace busway::testing {

class Process {
 public:
  /// `environment`: each NAME=VALUE is added, or takes the place of the test's.
  explicit Process(const std::vector<std::string>& words,
                   const std::vector<std::string>& environment = {});
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  /// SIGKILL, and waits until it is gone. Nothing where it has ended.
  void kill_now();
  /// SIGSTOP, SIGCONT or another; nothing where it was waited for.
  void signal(int number) const;

  /// A line to its input.
  void tell(const std::string& line) const;
  /// It finds the end of its input.
  void close_input();

  /// The next line of its output without its end; what there is where the output ends before.
  [[nodiscard]] std::string read_line() const;
  /// Until the end of its output.
  [[nodiscard]] std::string read_all() const;

  /// Until it ends by itself: its exit code, or 128 and the number of the signal that ended it.
  int wait();
  /// Without waiting; then wait() tells its exit code.
  [[nodiscard]] bool has_ended();

 private:
  void ended_with(int status) noexcept;

  pid_t id_ = -1;  // -1: it was waited for
  int code_ = 0;
  int input_ = -1;
  int output_ = -1;
};

}  // namespace busway::testing
