// display.hpp -- lines to standard output, and a prompt where somebody types.
//
// Model      One write a line. Control, directional and line-breaking characters come out as \xNN
//            or \u{NNNN}: what a stranger wrote in a chat must not move the cursor or forge a
//            second line.
// Threads    [any-thread]
// Errors     Throws std::system_error when standard output takes no more.
#pragma once

#include <mutex>
#include <string>
#include <string_view>

namespace console {

enum class Prompt { none, shown };

class Display {
 public:
  explicit Display(Prompt prompt) : prompt_(prompt) {}

  void show(std::string_view line);
  /// After what was typed has been taken.
  void ask();
  /// Takes the prompt away.
  void end();

 private:
  void write(std::string_view text);

  const Prompt prompt_;
  std::mutex mutex_;  // one line at a time
};

/// The text without characters that act on a terminal. It must be UTF-8.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace console
