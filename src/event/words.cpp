// The words of the small enums, both ways.

#include <algorithm>
#include <array>
#include <cstddef>

#include "busway/event_status.hpp"
#include "busway/origin.hpp"
#include "busway/priority.hpp"

namespace busway {
namespace {

constexpr std::array<std::string_view, 6> kOrigins{"internal",  "system",   "database",
                                                   "websocket", "frontend", "plugin"};
constexpr std::array<std::string_view, 3> kPriorities{"low", "normal", "high"};

template <class Enum, std::size_t N>
std::string_view word_of(const std::array<std::string_view, N>& words, Enum value) noexcept {
  const auto index = static_cast<std::size_t>(value);
  return index < N ? words[index] : std::string_view("invalid");
}

template <class Enum, std::size_t N>
std::optional<Enum> value_of(const std::array<std::string_view, N>& words,
                             std::string_view text) noexcept {
  const auto* const found = std::find(words.begin(), words.end(), text);
  if (found == words.end()) return std::nullopt;
  return static_cast<Enum>(found - words.begin());
}

}  // namespace

std::string_view to_string(Origin origin) noexcept { return word_of(kOrigins, origin); }
std::optional<Origin> parse_origin(std::string_view text) noexcept {
  return value_of<Origin>(kOrigins, text);
}

std::string_view to_string(Priority priority) noexcept { return word_of(kPriorities, priority); }
std::optional<Priority> parse_priority(std::string_view text) noexcept {
  return value_of<Priority>(kPriorities, text);
}

std::string_view to_string(EventStatus status) noexcept {
  switch (status) {
    case EventStatus::pending: return "pending";
    case EventStatus::processing: return "processing";
    case EventStatus::completed: return "completed";
    case EventStatus::failed: return "failed";
  }
  return "failed";
}

}  // namespace busway
