#include "busway/log.hpp"

#include <cstdio>
#include <string>

namespace busway {

std::string_view to_string(LogLevel level) noexcept {
  switch (level) {
    case LogLevel::debug: return "debug";
    case LogLevel::info: return "info";
    case LogLevel::warning: return "warning";
    case LogLevel::error: return "error";
  }
  return "error";
}

void log_to_stderr(LogLevel level, std::string_view message, std::span<const LogField> fields) {
  if (level < LogLevel::warning) return;
  std::string line = "busway: ";
  line += to_string(level);
  line += ": ";
  line += message;
  for (const LogField& field : fields) {
    line += ' ';
    line += field.name;
    line += "=\"";
    line += field.value;
    line += '"';
  }
  line += '\n';
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace busway
