// chat_line.hpp -- what one line of a chat says.
//
// Model      Two forms are messages, and every other line is a notice:
//              [09:03] <alice> hello      a line of an IRC log, also with seconds
//              alice: hello               a name of one word, a colon and a blank
// Threads    Functions of their arguments.
// Errors     None: each line is one or the other.
#pragma once

#include <optional>
#include <string_view>

namespace console {

/// The parts of a message; views into the line.
struct ChatLine {
  std::string_view time{};  // "09:03", or empty
  std::string_view name{};
  std::string_view text{};
};

/// Nothing when the line is a notice.
[[nodiscard]] std::optional<ChatLine> parse_chat_line(std::string_view line) noexcept;

}  // namespace console
