#include "display.hpp"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <system_error>

namespace console {
namespace {

constexpr std::string_view kPrompt = "> ";
constexpr std::string_view kEraseLine = "\r\x1b[K";

unsigned byte(std::string_view text, std::size_t i) noexcept {
  return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
}

struct Character {
  unsigned code = 0;
  std::size_t size = 1;
  bool acts = false;  // on a terminal
};

/// What stands at i, as far as it takes to tell whether it acts on a terminal: controls of one
/// byte, C1 controls of two, the Arabic letter mark, and the separators and marks of U+2000 to
/// U+206F.
Character look_at(std::string_view text, std::size_t i) noexcept {
  const unsigned first = byte(text, i);
  const unsigned second = byte(text, i + 1);
  if (first < 0x20U || first == 0x7FU) return {first, 1, true};
  if (first == 0xC2U && second < 0xA0U) return {second, 2, true};
  if (first == 0xD8U && second == 0x9CU) return {0x061CU, 2, true};
  if (first == 0xE2U && (second == 0x80U || second == 0x81U)) {
    const unsigned code = 0x2000U + ((second & 1U) << 6U) + (byte(text, i + 2) & 0x3FU);
    const bool acts = (code >= 0x200EU && code <= 0x200FU) ||
                      (code >= 0x2028U && code <= 0x202EU) || (code >= 0x2066U && code <= 0x2069U);
    return {code, 3, acts};
  }
  return {first, 1, false};
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const Character here = look_at(text, i);
    if (here.acts) {
      std::array<char, 16> escaped{};
      const char* form = here.code < 0x80U ? "\\x%02X" : "\\u{%04X}";
      std::snprintf(escaped.data(), escaped.size(), form, here.code);
      out += escaped.data();
    } else {
      out.append(text.substr(i, here.size));
    }
    i += here.size;
  }
  return out;
}

void Display::show(std::string_view line) {
  std::string text = printable(line) + "\n";
  if (prompt_ == Prompt::shown) text.insert(0, kEraseLine).append(kPrompt);
  const std::lock_guard lock(mutex_);
  write(text);
}

void Display::ask() {
  if (prompt_ == Prompt::none) return;
  const std::lock_guard lock(mutex_);
  write(std::string(kEraseLine).append(kPrompt));
}

void Display::end() {
  if (prompt_ == Prompt::none) return;
  const std::lock_guard lock(mutex_);
  write(kEraseLine);
}

void Display::write(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      pollfd output{STDOUT_FILENO, POLLOUT, 0};
      (void)::poll(&output, 1, -1);
    } else if (errno != EINTR) {
      throw std::system_error(errno, std::generic_category(), "cannot write to standard output");
    }
  }
}

}  // namespace console
