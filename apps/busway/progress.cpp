#include "progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace busway::app {
namespace {

constexpr auto kShowEvery = std::chrono::milliseconds(100);
constexpr std::uint64_t kBarWidth = 30;

}  // namespace

Progress::Progress(std::string unit)
    : unit_(std::move(unit)), shown_(::isatty(STDERR_FILENO) == 1) {}

void Progress::show(std::uint64_t count, std::uint64_t part, std::uint64_t whole, When when) {
  if (!shown_) return;
  const Moment now = std::chrono::steady_clock::now();
  if (now < next_ && when != When::now) return;
  next_ = now + kShowEvery;
  std::string line = "\r\x1b[K";
  if (whole != 0) {
    const double share = std::min(1.0, static_cast<double>(part) / static_cast<double>(whole));
    const auto full = static_cast<std::uint64_t>(share * kBarWidth);
    line += '[' + std::string(full, '#') + std::string(kBarWidth - full, '.') + "] " +
            std::to_string(static_cast<int>(share * 100)) + " %  ";
  }
  line += std::to_string(count) + ' ' + unit_;
  if (whole == 0) {
    const double seconds = std::chrono::duration<double>(now - begun_).count();
    if (seconds > 0.1) {
      line += ", " +
              std::to_string(static_cast<std::uint64_t>(static_cast<double>(count) / seconds)) +
              " a second";
    }
  }
  std::fwrite(line.data(), 1, line.size(), stderr);
  on_line_ = true;
}

void Progress::clear() {
  if (std::exchange(on_line_, false)) std::fputs("\r\x1b[K", stderr);
}

}  // namespace busway::app
