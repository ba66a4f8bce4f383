// busway/retention.hpp -- how long a store keeps what nobody needs any more.
// Layer: store
//
// Model      An event beyond any of the limits goes, unless a durable subscription has not settled
//            it, or a dead letter is of it: those stay.
// Threads    Plain structs.
// Ownership  Own nothing.
// Errors     None.
// Cost       A trim deletes in pieces, so that no writer waits long for it.
// Example    testing/include/busway/testing/store_conformance.hpp
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace busway {

struct Retention {
  std::optional<std::chrono::nanoseconds> max_age{};  ///< since the event's append
  std::optional<std::uint64_t> max_events{};
  /// Of payloads and envelopes; some stores count what they need for them beside, too.
  std::optional<std::uint64_t> max_bytes{};

  [[nodiscard]] bool keeps_all() const noexcept { return !max_age && !max_events && !max_bytes; }
};

struct TrimResult {
  std::uint64_t removed = 0;
  std::uint64_t held = 0;  ///< beyond the limits, and kept because they are not settled
};

}  // namespace busway
