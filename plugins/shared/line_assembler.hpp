// shared/line_assembler.hpp -- lines from pieces of text, in bounded memory.
//
// Model      A line ends with "\n" or "\r\n", the last one also with finish(). A byte order mark
//            before the first line is left out. A line longer than bytes_max is cut there, between
//            two characters, and the rest is counted, so that it can have any length.
// Threads    [not-concurrent]
// Ownership  Owns the line that has begun.
// Errors     None.
// Cost       At most bytes_max and two bytes in memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace shared {

struct Line {
  std::string text{};
  std::size_t cut_bytes = 0;  // left out at the end
};

class LineAssembler {
 public:
  explicit LineAssembler(std::size_t bytes_max) noexcept : bytes_max_(bytes_max) {}

  /// Takes bytes off the front, up to the end of a line; the line, if one has ended.
  [[nodiscard]] std::optional<Line> take(std::string_view& bytes) {
    if (bytes.empty()) return std::nullopt;
    const std::size_t newline = bytes.find('\n');
    append(bytes.substr(0, newline));
    if (newline == std::string_view::npos) {
      bytes = {};
      return std::nullopt;
    }
    bytes.remove_prefix(newline + 1);
    return end_line();
  }

  /// The line that has begun is at its end.
  [[nodiscard]] std::optional<Line> finish() {
    if (!open_) return std::nullopt;
    return end_line();
  }

  /// Whether a line has begun and its end has not come.
  [[nodiscard]] bool is_open() const noexcept { return open_; }

  /// Forgets it. What comes next is the beginning of a text, or its middle.
  void restart_at_beginning() { *this = LineAssembler(bytes_max_); }
  void restart_within() {
    restart_at_beginning();
    is_first_ = false;
  }

 private:
  [[nodiscard]] static bool is_continuation(char c) noexcept {
    return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
  }

  void append(std::string_view bytes) {
    // Two bytes beyond the bound are kept until the line is whole: the "\r" of its end is no part
    // of it, and a character that crosses the bound is left out as one.
    open_ = true;
    if (!bytes.empty()) last_ = bytes.back();
    const std::size_t room = bytes_max_ + 2 - std::min(bytes_max_ + 2, line_.text.size());
    const std::size_t taken = std::min(room, bytes.size());
    line_.text.append(bytes.substr(0, taken));
    line_.cut_bytes += bytes.size() - taken;
  }

  [[nodiscard]] Line end_line() {
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    Line line = std::exchange(line_, {});
    open_ = false;
    if (std::exchange(last_, '\n') == '\r') {
      if (line.cut_bytes == 0) {
        line.text.pop_back();
      } else {
        --line.cut_bytes;
      }
    }
    if (std::exchange(is_first_, false) && line.text.starts_with(kByteOrderMark)) {
      line.text.erase(0, kByteOrderMark.size());
    }
    if (line.text.size() > bytes_max_) {
      std::size_t end = bytes_max_;
      // A character has at most three bytes after its first; longer runs are no UTF-8 and cut
      // anywhere.
      for (int i = 0; i < 3 && end > 0 && is_continuation(line.text[end]); ++i) --end;
      line.cut_bytes += line.text.size() - end;
      line.text.resize(end);
    }
    return line;
  }

  std::size_t bytes_max_;
  bool open_ = false;
  bool is_first_ = true;
  char last_ = '\n';  // of the line so far
  Line line_;
};

}  // namespace shared
