#include "time_blocks.hpp"

#include <algorithm>
#include <array>

#include "busway/event_record.hpp"

namespace busway::sqlite {
namespace {

std::int64_t sum_of_block(std::int64_t block, std::int64_t oldest, std::int64_t newest) {
  const std::array<std::int64_t, 3> numbers{block, oldest, newest};
  return static_cast<std::int64_t>(checksum(std::as_bytes(std::span(numbers))));
}

bool block_is_sound(const Statement& row) {
  return sum_of_block(row.number(0), row.number(1), row.number(2)) == row.number(3);
}

}  // namespace

TimeBlocks::TimeBlocks(Database& database)
    : range_(database, "SELECT min(time), max(time) FROM events WHERE seq >= ? AND seq <= ?"),
      put_(database, "REPLACE INTO times(block, oldest, newest, sum) VALUES(?,?,?,?)"),
      forget_(database, "DELETE FROM times WHERE block < ?"),
      up_(database, "SELECT block, oldest, newest, sum FROM times WHERE block >= ? ORDER BY block"),
      down_(database,
            "SELECT block, oldest, newest, sum FROM times WHERE block <= ? ORDER BY block DESC"),
      all_(database, "SELECT block, oldest, newest, sum FROM times ORDER BY block") {}

void TimeBlocks::close(std::uint64_t first, std::uint64_t last) {
  for (std::uint64_t block = first / kEvents; block * kEvents + kEvents - 1 <= last; ++block) {
    range_.start(block * kEvents, block * kEvents + kEvents - 1);
    if (range_.step() && !range_.is_null(0)) {
      const auto number = static_cast<std::int64_t>(block);
      const std::int64_t oldest = range_.number(0);
      const std::int64_t newest = range_.number(1);
      put_.run(number, oldest, newest, sum_of_block(number, oldest, newest));
    }
    range_.reset();
  }
}

void TimeBlocks::forget_below(std::uint64_t sequence) { forget_.run(sequence / kEvents); }

bool TimeBlocks::is_outside(const Statement& row, const Times& times) {
  return block_is_sound(row) && (row.number(2) < times.since || row.number(1) >= times.until);
}

TimeBlocks::Part TimeBlocks::next_up(Part part, const Times& times) {
  up_.start(part.low / kEvents);
  while (!part.empty() && up_.step()) {
    const std::uint64_t block = up_.unsigned_number(0);
    const std::uint64_t end = block * kEvents + kEvents - 1;
    if (block > part.low / kEvents) {
      part.high = std::min(part.high, block * kEvents - 1);  // of what is before nothing is noted
      break;
    }
    if (!is_outside(up_, times)) {
      part.high = std::min(part.high, end);
      break;
    }
    part.low = end + 1;
  }
  up_.reset();
  return part;
}

TimeBlocks::Part TimeBlocks::next_down(Part part, const Times& times) {
  down_.start(part.high / kEvents);
  while (!part.empty() && down_.step()) {
    const std::uint64_t block = down_.unsigned_number(0);
    const std::uint64_t begin = block * kEvents;
    if (block < part.high / kEvents) {
      part.low = std::max(part.low, begin + kEvents);
      break;
    }
    if (!is_outside(down_, times)) {
      part.low = std::max(part.low, begin);
      break;
    }
    if (begin == 0) {
      part = {};
      break;
    }
    part.high = begin - 1;
  }
  down_.reset();
  return part;
}

std::map<std::uint64_t, std::pair<std::int64_t, std::int64_t>> TimeBlocks::all(
    std::vector<std::string>& faults) {
  std::map<std::uint64_t, std::pair<std::int64_t, std::int64_t>> out;
  all_.reset();
  while (all_.step()) {
    if (block_is_sound(all_)) {
      out.emplace(all_.unsigned_number(0), std::pair(all_.number(1), all_.number(2)));
    } else {
      faults.push_back("the times of block " + std::to_string(all_.number(0)) +
                       " do not pass their checksum; it is looked at for any time");
    }
  }
  all_.reset();
  return out;
}

}  // namespace busway::sqlite
