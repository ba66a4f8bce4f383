// busway/origin.hpp -- which part of the world an event comes from.
// Layer: event
//
// Model      An enum and its words: "internal", "system", "database" and so on.
// Threads    Values. [any-thread]
// Ownership  None.
// Errors     parse_origin() gives no value for an unknown word.
// Cost       One byte.
// Example    tests/event/words_test.cpp
#pragma once

#include <optional>
#include <string_view>

namespace busway {

enum class Origin : unsigned char { internal, system, database, websocket, frontend, plugin };

[[nodiscard]] std::string_view to_string(Origin origin) noexcept;
[[nodiscard]] std::optional<Origin> parse_origin(std::string_view text) noexcept;

}  // namespace busway
