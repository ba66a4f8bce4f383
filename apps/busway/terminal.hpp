// apps/busway/terminal.hpp -- text for people: colours only where a terminal shows them.
//
// Threads    [any-thread]
// Errors     None.
#pragma once

#include <string>
#include <string_view>

#include "busway/log.hpp"

namespace busway::app {

enum class Stream : unsigned char { out, err };
enum class Colour : unsigned char { red, yellow, green, dim };

/// The text, in colour if the stream is a terminal and NO_COLOR is not set.
[[nodiscard]] std::string coloured(Stream stream, Colour colour, std::string_view text);

/// "busway: error: MESSAGE" on standard error.
void print_error(std::string_view message);
void print_note(std::string_view message);

/// From which level on log lines are shown.
[[nodiscard]] LogSink log_to_terminal(LogLevel least);

}  // namespace busway::app
