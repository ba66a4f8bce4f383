// busway/store_info.hpp -- what a store says of itself: what it can do, what it promises, what it
// holds.
// Layer: store
//
// Model      Read from the server's real settings when the store is opened, not from what was
//            asked.
// Threads    Values.
// Ownership  Own their texts; an address never shows a password.
// Errors     None.
// Cost       None.
// Example    testing/include/busway/testing/store_conformance.hpp
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "busway/wall_time.hpp"

namespace busway {

/// What an acknowledged event survives; each includes those before it.
enum class Durability : unsigned char {
  memory,         ///< nothing: it ends with the process
  process_crash,  ///< the death of any process, the server's included
  power_loss      ///< the death of the machine
};
[[nodiscard]] std::string_view to_string(Durability durability) noexcept;

/// What a store's server can do. A field that is false is skipped by the conformance suite, which
/// prints that it did; all else every store does.
struct StoreFeatures {
  bool persistent = false;     ///< what is stored is there when it is opened again
  bool shared = false;         ///< several processes may open it at the same time
  bool atomic_batch = false;   ///< of one append() all events are stored or none is
  bool dedupe_always = false;  ///< an id is known as long as its event is kept; else for a window
  bool ordered_log = false;    ///< sequences are gapless in the order of commits
  bool query = false;          ///< read() looks at fields, not only at sequence and topic
  bool trim = false;           ///< trim(), retention
  bool backup = false;         ///< backup()
  bool check = false;          ///< check(): checksums
  bool vacuum = false;         ///< vacuum()
  bool presence = false;       ///< what a dead process had out comes again before its lease lapses
};

struct StoreInfo {
  std::string provider;  ///< memory, sqlite, ...
  std::string address;   ///< without its password
  std::string engine;    ///< the server or library with its version
  std::string format;    ///< of what is stored, with its version
  Durability durability = Durability::memory;
  /// Settings and cautions an operator should know of, a sentence each.
  std::vector<std::string> notes;
};

struct StoreStats {
  std::uint64_t events = 0;          ///< kept
  std::uint64_t bytes = 0;           ///< on disk, or in memory, as near as the server tells
  std::uint64_t first_sequence = 0;  ///< of those kept; 0: none
  std::uint64_t last_sequence = 0;   ///< ever given; 0: none
  std::uint64_t appended = 0;        ///< by this opening
  std::uint64_t duplicates = 0;      ///< appends of an id that was there
  std::uint64_t commits = 0;         ///< of this opening
  std::uint64_t settled = 0;         ///< accepted settlements of this opening
  std::uint64_t stale = 0;           ///< settlements refused because their lease had lapsed
  std::uint64_t corrupt = 0;         ///< events set aside
  std::uint64_t dead_letters = 0;
  std::uint64_t durables = 0;
  WallTime opened{};
};

}  // namespace busway
