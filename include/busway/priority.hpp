// busway/priority.hpp -- the lane an event takes through a mailbox.
// Layer: event
//
// Model      high before normal before low, with a share kept for the lower lanes. Not to be
//            confused with the priority of a subscription, an int that orders handlers.
// Threads    Values. [any-thread]
// Ownership  None.
// Errors     parse_priority() gives no value for an unknown word.
// Cost       One byte.
// Example    examples/02_patterns_and_priorities
#pragma once

#include <optional>
#include <string_view>

namespace busway {

enum class Priority : unsigned char { low, normal, high };

[[nodiscard]] std::string_view to_string(Priority priority) noexcept;
[[nodiscard]] std::optional<Priority> parse_priority(std::string_view text) noexcept;

}  // namespace busway
