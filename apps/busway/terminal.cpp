#include "terminal.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace busway::app {
namespace {

bool shows_colours(Stream stream) {
  const char* const refused = std::getenv("NO_COLOR");
  if (refused != nullptr && *refused != '\0') return false;
  const char* const kind = std::getenv("TERM");
  if (kind != nullptr && std::string_view(kind) == "dumb") return false;
  return ::isatty(stream == Stream::out ? STDOUT_FILENO : STDERR_FILENO) == 1;
}

std::string_view code_of(Colour colour) noexcept {
  switch (colour) {
    case Colour::red: return "\x1b[31m";
    case Colour::yellow: return "\x1b[33m";
    case Colour::green: return "\x1b[32m";
    case Colour::dim: return "\x1b[2m";
  }
  return {};
}

/// One write a line, so that lines of several threads stay whole.
void write_line(std::string line) {
  line += '\n';
  std::fwrite(line.data(), 1, line.size(), stderr);
}

std::string level_word(LogLevel level) {
  switch (level) {
    case LogLevel::error: return coloured(Stream::err, Colour::red, "error");
    case LogLevel::warning: return coloured(Stream::err, Colour::yellow, "warning");
    case LogLevel::info:
    case LogLevel::debug: break;
  }
  return coloured(Stream::err, Colour::dim, to_string(level));
}

}  // namespace

std::string coloured(Stream stream, Colour colour, std::string_view text) {
  if (!shows_colours(stream)) return std::string(text);
  return std::string(code_of(colour)).append(text).append("\x1b[0m");
}

void print_error(std::string_view message) {
  write_line("busway: " + level_word(LogLevel::error) + ": " + std::string(message));
}

void print_note(std::string_view message) { write_line("busway: " + std::string(message)); }

LogSink log_to_terminal(LogLevel least) {
  return [least](LogLevel level, std::string_view message, std::span<const LogField> fields) {
    if (level < least) return;
    std::string line = "busway: " + level_word(level) + ": ";
    line += message;
    for (const LogField& field : fields)
      line.append(" ").append(field.name).append("=").append(field.value);
    write_line(std::move(line));
  };
}

}  // namespace busway::app
