// line_reader.hpp -- lines from a file descriptor, in bounded memory.
//
// Model      As shared/line_assembler.hpp puts them together; the last line also ends with the end
//            of the input.
// Threads    One thread reads; stop comes from any.
// Ownership  Borrows the descriptor.
// Errors     next() throws std::system_error when reading fails.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <stop_token>
#include <string_view>

#include "shared/line_assembler.hpp"

namespace console {

class LineReader {
 public:
  /// Ends early when a stop is requested, also while it waits for input.
  LineReader(int fd, std::size_t bytes_max, std::stop_token stop);
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;
  ~LineReader();

  /// Nothing at the end of the input, or when a stop was requested.
  [[nodiscard]] std::optional<shared::Line> next();

 private:
  [[nodiscard]] bool fill();
  [[nodiscard]] bool wait_for_input() const;

  const int fd_;
  const std::stop_token stop_;
  const int wake_;  // an eventfd that a requested stop makes readable
  std::array<char, 65'536> buffer_{};
  std::string_view unread_;  // of the buffer
  shared::LineAssembler lines_;
};

}  // namespace console
