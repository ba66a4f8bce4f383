// time_blocks.hpp -- which parts of the log may hold events of a range of time.
// Layer: store
//
// Model      Of each block of 1024 sequences the time of its oldest and of its newest event, noted
//            when its last one is stored. Clocks jump and events bring their own times, so neither
//            grows with the sequence, and nothing is searched by halves: blocks that lie outside a
//            range are left out, all others are looked at, also where nothing or something damaged
//            is noted of them.
// Threads    [not-concurrent]: as the connection.
// Ownership  Refers to its connection.
// Errors     Fault.
// Cost       A row a block: ten thousand for ten million events, a few milliseconds for a range
//            that leaves out all.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "database.hpp"

namespace busway::sqlite {

class TimeBlocks {
 public:
  static constexpr std::uint64_t kEvents = 1'024;

  explicit TimeBlocks(Database& database);

  /// Notes the blocks whose last event is one of these.
  void close(std::uint64_t first, std::uint64_t last);
  /// There are no events below this any more.
  void forget_below(std::uint64_t sequence);

  struct Times {
    std::int64_t since = std::numeric_limits<std::int64_t>::min();  ///< not older
    std::int64_t until = std::numeric_limits<std::int64_t>::max();  ///< older than this
  };
  struct Part {
    std::uint64_t low = 1;
    std::uint64_t high = 0;
    [[nodiscard]] bool empty() const noexcept { return low > high; }
  };
  /// The first part of this one, from its lower end, that may hold events of these times.
  [[nodiscard]] Part next_up(Part part, const Times& times);
  /// The same from its upper end.
  [[nodiscard]] Part next_down(Part part, const Times& times);

  /// What is noted, by block: oldest and newest. Adds a sentence for each that is damaged.
  [[nodiscard]] std::map<std::uint64_t, std::pair<std::int64_t, std::int64_t>> all(
      std::vector<std::string>& faults);

 private:
  [[nodiscard]] static bool is_outside(const Statement& row, const Times& times);

  Statement range_;
  Statement put_;
  Statement forget_;
  Statement up_;
  Statement down_;
  Statement all_;
};

}  // namespace busway::sqlite
