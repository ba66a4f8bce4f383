// busway/event_id.hpp -- the identity of an event: a UUID of version 7.
// Layer: event
//
// Model      48 bits of milliseconds since 1970, a 12-bit counter, 62 random bits. Ids made by one
//            thread are strictly increasing, also when the clock steps back; nothing is promised
//            between threads. Events from elsewhere may have a UUID of any version.
// Threads    A value. [any-thread]
// Ownership  None.
// Errors     parse() gives no value for text that is not a UUID.
// Cost       16 bytes; comparing two is two instructions.
// Example    tests/event/event_id_test.cpp
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace busway {

struct EventId {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  /// True for the id no event has: all bits zero.
  [[nodiscard]] constexpr bool is_nil() const noexcept { return (high | low) == 0; }

  /// Milliseconds since 1970-01-01 UTC at which the id was made.
  [[nodiscard]] constexpr std::uint64_t time_ms() const noexcept { return high >> 16U; }

  /// Reads the 36 characters of a UUID of any version, in either case.
  [[nodiscard]] static std::optional<EventId> parse(std::string_view text) noexcept;

  friend constexpr auto operator<=>(const EventId&, const EventId&) noexcept = default;
};

/// The 36 lower-case characters, for example "01932c07-209b-7e5a-8e2f-5b8f6d2f3a11".
[[nodiscard]] std::string to_string(const EventId& id);

}  // namespace busway

template <>
struct std::hash<busway::EventId> {
  std::size_t operator()(const busway::EventId& id) const noexcept {
    return static_cast<std::size_t>(id.low ^ (id.high * 0x9E3779B97F4A7C15ULL));
  }
};
