#include "chat_line.hpp"

#include <cstddef>

#include "shared/ascii.hpp"

namespace console {
namespace {

constexpr std::size_t kNameBytesMax = 64;

/// "09:03" or "09:03:59".
bool is_time(std::string_view text) noexcept {
  if (text.size() != 5 && text.size() != 8) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i % 3 == 2 ? text[i] != ':' : !shared::is_digit(text[i])) return false;
  }
  return true;
}

/// One word. A command such as "!quote:" and the "===" of a log are none.
bool is_name(std::string_view text) noexcept {
  return !text.empty() && text.size() <= kNameBytesMax && text[0] != '!' && text[0] != '=' &&
         text.find_first_of(" \t:") == std::string_view::npos;
}

std::optional<ChatLine> parse_log_line(std::string_view line) noexcept {
  if (!line.starts_with('[')) return std::nullopt;
  const std::size_t bracket = line.find("] <");
  if (bracket == std::string_view::npos) return std::nullopt;
  const std::string_view time = line.substr(1, bracket - 1);
  line.remove_prefix(bracket + 3);
  const std::size_t end = line.find('>');
  if (!is_time(time) || end == std::string_view::npos || end == 0 || end > kNameBytesMax) {
    return std::nullopt;
  }
  const std::string_view name = line.substr(0, end);
  line.remove_prefix(end + 1);
  if (!line.empty() && line[0] != ' ') return std::nullopt;
  return ChatLine{.time = time, .name = name, .text = line.empty() ? line : line.substr(1)};
}

std::optional<ChatLine> parse_spoken_line(std::string_view line) noexcept {
  const std::size_t colon = line.find(": ");
  if (colon == std::string_view::npos || !is_name(line.substr(0, colon))) return std::nullopt;
  return ChatLine{.name = line.substr(0, colon), .text = line.substr(colon + 2)};
}

}  // namespace

std::optional<ChatLine> parse_chat_line(std::string_view line) noexcept {
  if (const auto logged = parse_log_line(line)) return logged;
  return parse_spoken_line(line);
}

}  // namespace console
