// command.hpp -- gives text to a program's standard input and waits, not for long, for its end.
//
// Model      The program is started without a shell, found by PATH, in a process group of its own,
//            with the text as its standard input, nothing on its standard output, the host's
//            standard error, and no other file of the host. When the deadline passes, or `stop` is
//            set, the group is killed.
// Threads    [any-thread] that blocks SIGPIPE, as block_sigpipe() does: a program need not read.
// Ownership  Leaves no process and no open file behind.
// Errors     As words: the program cannot be started, has failed, was killed. A program that ends
//            well without having read all has done well.
// Cost       Waits; no thread.
#pragma once

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace notifier {

/// For the calling thread. What it starts has the usual signals again.
void block_sigpipe();

/// What went wrong; nothing when all is well. `program` is the program and its arguments.
[[nodiscard]] std::optional<std::string> run_command(const std::vector<std::string>& program,
                                                     std::string_view input,
                                                     std::chrono::milliseconds timeout,
                                                     const std::stop_token& stop);

}  // namespace notifier
