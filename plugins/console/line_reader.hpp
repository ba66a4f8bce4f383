// line_reader.hpp -- lines from a file descriptor, in bounded memory.
//
// Model      A line ends with "\n" or "\r\n", the last one also with the end of the input. A byte
//            order mark before the first line is left out. A line longer than bytes_max is cut
//            there, between two characters, and the rest is read and counted, so that it can have
//            any length.
// Threads    One thread reads; stop comes from any.
// Ownership  Borrows the descriptor.
// Errors     next() throws std::system_error when reading fails.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <stop_token>
#include <string>

namespace console {

struct Line {
  std::string text{};
  std::size_t cut_bytes = 0;  // left out at the end
};

class LineReader {
 public:
  /// Ends early when a stop is requested, also while it waits for input.
  LineReader(int fd, std::size_t bytes_max, std::stop_token stop);
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;
  ~LineReader();

  /// Nothing at the end of the input, or when a stop was requested.
  [[nodiscard]] std::optional<Line> next();

 private:
  [[nodiscard]] bool fill();
  [[nodiscard]] bool wait_for_input() const;
  void append(const char* from, std::size_t size);
  [[nodiscard]] Line take();

  const int fd_;
  const std::size_t bytes_max_;
  const std::stop_token stop_;
  const int wake_;  // an eventfd that a requested stop makes readable
  std::array<char, 65'536> buffer_{};
  std::size_t begin_ = 0;  // of what is in the buffer and not yet taken
  std::size_t end_ = 0;
  std::size_t lines_ = 0;
  bool open_line_ = false;  // line_ has begun and its end has not come
  char last_ = '\n';        // of the line so far
  Line line_;
};

}  // namespace console
