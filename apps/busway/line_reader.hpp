// apps/busway/line_reader.hpp -- lines from a file or a pipe, none of them larger than a bound.
//
// Model      next() says what came: a line; one that is too long, which is passed over and never
//            held; a pause, once, when a pipe has nothing more for now; the end; or that the stop
//            descriptor can be read.
// Threads    [not-concurrent]
// Ownership  Refers to both descriptors. line() is good until next() is called again.
// Errors     next() throws std::system_error when the descriptor cannot be read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace busway::app {

class LineReader {
 public:
  enum class Got : unsigned char { line, too_long, pause, end, stop };

  LineReader(int descriptor, int stop, std::size_t line_bytes_max)
      : descriptor_(descriptor), stop_(stop), line_bytes_max_(line_bytes_max) {}

  [[nodiscard]] Got next();
  [[nodiscard]] std::string_view line() const noexcept { return line_; }
  /// Of the last line: how many bytes it has, and which one it is, from 1 on.
  [[nodiscard]] std::uint64_t line_bytes() const noexcept { return line_bytes_; }
  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
  /// Of all lines so far.
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }

 private:
  [[nodiscard]] Got take(std::size_t size, std::size_t with_end);
  void make_room();

  const int descriptor_;
  const int stop_;
  const std::size_t line_bytes_max_;
  std::string buffer_;
  std::size_t begin_ = 0;          // of what was not given yet
  std::size_t looked_to_ = 0;      // no line end before it
  std::uint64_t passed_over_ = 0;  // bytes of this line that are not in the buffer any more
  bool gave_some_ = false;         // since the last pause
  bool ended_ = false;
  std::string_view line_;
  std::uint64_t line_bytes_ = 0;
  std::uint64_t number_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace busway::app
