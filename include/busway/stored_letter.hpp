// busway/stored_letter.hpp -- a delivery that a durable subscription has given up, as its store
// keeps it.
// Layer: store
//
// Model      As a DeadLetter of a bus, but kept until it is purged. A redriven letter stays until
//            its delivery has ended well; failing again adds a line to its history.
// Threads    Plain structs.
// Ownership  Own their texts; a query refers to the caller's.
// Errors     None of their own.
// Cost       None.
// Example    testing/include/busway/testing/store_conformance.hpp
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "busway/error.hpp"
#include "busway/event.hpp"
#include "busway/pattern.hpp"

namespace busway {

struct StoredLetter {
  struct Death {
    WallTime time{};
    ErrorCode code = ErrorCode::handler_failed;
    std::string reason;
    unsigned attempts = 0;
  };
  std::uint64_t id = 0;  ///< of the letter; never used again
  std::string durable;
  std::uint64_t sequence = 0;
  Event event;
  std::vector<Death> history;  ///< oldest first, never empty; the last 16
  bool redriving = false;
};

/// Those that fit all fields given.
struct StoredLetterQuery {
  std::span<const Pattern> patterns{};  ///< of topics; none: all
  std::string_view durable{};           ///< empty: all
  std::optional<std::uint64_t> id{};
  std::optional<WallTime> since{};  ///< last given up not before
  std::optional<WallTime> until{};  ///< last given up before
  std::optional<ErrorCode> code{};  ///< of the last death
  std::uint64_t after = 0;          ///< letters with a greater id
  std::size_t limit = 0;            ///< at most so many, oldest first; 0: all
};

}  // namespace busway
