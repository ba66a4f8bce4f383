// busway/durable_spec.hpp -- a durable subscription as its store knows it: what it listens to,
// where it begins, how its instances share.
// Layer: store
//
// Model      A durable name is created at its first opening with patterns, start and order, and
//            matches events whose append begins after that, or from its start. Opening it later
//            continues after its cursor. Only remove() deletes it.
// Threads    Plain structs.
// Ownership  Own their texts.
// Errors     Store::open() checks: Error(invalid_option) for a name that is empty, longer than
//            limits::kDurableNameBytesMax, or holds anything but letters, digits, _ - . : / @;
//            Error(durable_mismatch) for other patterns or order than it was created with.
// Cost       None.
// Example    testing/include/busway/testing/store_conformance.hpp
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "busway/limits.hpp"
#include "busway/on_change.hpp"
#include "busway/pattern.hpp"
#include "busway/replay.hpp"
#include "busway/wall_time.hpp"

namespace busway {

/// relaxed: all instances work side by side; a retry is passed by later events.
/// key: one instance is active, the others stand by; a retry is passed.
/// strict: one is active, and nothing is given out before an earlier event that waits.
enum class DurableOrder : unsigned char { relaxed, key, strict };
[[nodiscard]] std::string_view to_string(DurableOrder order) noexcept;

struct DurableSpec {
  std::string name;
  std::vector<Pattern> patterns;
  Replay start{};  ///< used at creation; none: events appended from now on
  DurableOrder order = DurableOrder::relaxed;
  OnChange on_change = OnChange::refuse;
  /// How long what was fetched belongs to this opening without a renew().
  std::chrono::nanoseconds lease = limits::kLeaseDefault;
};

/// What every store checks first. Throws Error(invalid_option).
void check_durable(const DurableSpec& spec);
/// The same patterns in whatever order; one that is named twice is one.
[[nodiscard]] bool are_same_patterns(const std::vector<Pattern>& some,
                                     const std::vector<Pattern>& others);
/// What opening a name does that was made with these. Throws Error(durable_mismatch) that names
/// both.
void require_same(const DurableSpec& spec, const std::vector<Pattern>& patterns,
                  DurableOrder order);

struct DurableInfo {
  std::string name;
  std::vector<Pattern> patterns;
  DurableOrder order = DurableOrder::relaxed;
  std::uint64_t cursor = 0;        ///< all up to here has been given out at least once
  std::uint64_t lag = 0;           ///< events of the log behind the cursor, matching or not
  std::uint64_t leased = 0;        ///< given out and not settled, as far as leases tell
  std::uint64_t retrying = 0;      ///< wait for their next attempt
  std::uint64_t dead_letters = 0;  ///< given up and kept
  std::size_t instances = 0;       ///< openings that hold a lease now
  WallTime created{};
  WallTime opened{};  ///< the last time
};

}  // namespace busway
