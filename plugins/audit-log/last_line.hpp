// last_line.hpp -- how a file of lines ends.
//
// Model      Read from its end, so that its size does not matter.
// Threads    [any-thread]
// Errors     std::system_error when reading fails; std::runtime_error when a line is longer than
//            any that is written.
// Cost       O(the last line and what is behind it); read_last_lines(): O(what it returns).
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <vector>

namespace audit_log {

struct FileEnd {
  std::string line{};  // the last whole one, without its newline; empty: there is none
  off_t line_at = 0;   // where it begins
  std::string torn{};  // what stands behind it
  off_t torn_at = 0;
};

[[nodiscard]] FileEnd read_end(int fd, const std::string& path);

struct LinesMax {
  std::size_t count = 0;
  std::size_t bytes = 0;  // with their newlines
};

/// The last whole lines without their newlines, the last one first, as far as they fit.
[[nodiscard]] std::vector<std::string> read_last_lines(int fd, const std::string& path,
                                                       LinesMax max);

}  // namespace audit_log
