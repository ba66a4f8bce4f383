#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "busway/store_census.hpp"
#include "sqlite_store.hpp"
#include "store/store_calls.hpp"

namespace busway::sqlite {
StoreStats SqliteStore::stats() {
  return core_->asking([&] { return stats_of(*core_->reader()); });
}

StoreStats SqliteStore::stats_of(Reader& reader) const {
  StoreStats out;
  Database& database = reader.database;
  Numbers& numbers = reader.tables.numbers();
  out.events = numbers.events();
  out.first_sequence = static_cast<std::uint64_t>(database.number("SELECT min(seq) FROM events"));
  out.last_sequence = numbers.last_sequence();
  out.bytes = database.bytes();
  out.durables = static_cast<std::uint64_t>(database.number("SELECT count(*) FROM durables"));
  out.dead_letters = static_cast<std::uint64_t>(
      database.number("SELECT count(*) FROM exceptions WHERE letter > 0"));
  if (core_->writer) {
    out.last_sequence = std::max(core_->writer->last_sequence(), out.last_sequence);
    out.appended = core_->writer->appended();
    out.duplicates = core_->writer->duplicates();
    out.commits = core_->writer->commits();
  }
  out.settled = core_->settled;
  out.stale = core_->stale;
  out.corrupt = static_cast<std::uint64_t>(database.number("SELECT count(*) FROM set_aside"));
  out.opened = opened_;
  return out;
}

StoreCensus SqliteStore::census() {
  const Seen seen = seen_here();
  return core_->asking([&] {
    StoreCensus census;
    const Core::Borrowed reader = core_->reader();
    const Snapshot snapshot(reader->database);
    census.stats = stats_of(*reader);
    Statement topics(reader->database,
                     "SELECT t.name, e.many FROM (SELECT topic, count(*) AS many FROM events GROUP "
                     "BY topic) e LEFT JOIN topics t ON t.id = e.topic");
    while (topics.step()) {
      census.topics.push_back({std::string(topics.text(0)), topics.unsigned_number(1)});
    }
    store_detail::sort_topics(census.topics);
    census.durables = counts_of(*reader, durables_of(*reader, seen));
    return census;
  });
}

/// What lies behind each cursor is counted in one pass over the log, from its end: a name takes
/// what has been counted when its cursor is reached.
std::vector<DurableCount> SqliteStore::counts_of(Reader& reader, std::vector<DurableInfo> infos) {
  std::vector<DurableInfo*> by_cursor;
  by_cursor.reserve(infos.size());
  for (DurableInfo& one : infos) by_cursor.push_back(&one);
  std::stable_sort(by_cursor.begin(), by_cursor.end(),
                   [](const auto* a, const auto* b) { return a->cursor > b->cursor; });
  struct Behind {
    std::uint64_t count = 0;
    std::uint64_t first = std::numeric_limits<std::uint64_t>::max();
    void add(const Behind& other) noexcept {
      count += other.count;
      first = std::min(first, other.first);
    }
  };
  std::unordered_map<std::int64_t, Behind> topics;
  Statement between(reader.database,
                    "SELECT topic, count(*), min(seq) FROM events WHERE seq > ? AND seq <= ? GROUP "
                    "BY topic");
  std::uint64_t counted_to = std::numeric_limits<std::int64_t>::max();
  const DurableInfo* last = nullptr;
  Behind mine;
  std::vector<DurableCount> counts;
  for (DurableInfo* const info : by_cursor) {
    if (info->cursor < counted_to) {
      between.start(info->cursor, counted_to);
      while (between.step()) {
        topics[between.number(0)].add({between.unsigned_number(1), between.unsigned_number(2)});
      }
      counted_to = info->cursor;
      last = nullptr;
    }
    if (last == nullptr || last->patterns != info->patterns) {
      mine = {};
      for (const auto& [number, behind] : topics) {
        const std::string_view topic = reader.events.topics().name_of(number);
        const bool matches =
            std::any_of(info->patterns.begin(), info->patterns.end(),
                        [topic](const Pattern& one) { return one.matches(topic); });
        if (matches) mine.add(behind);
      }
    }
    last = info;
    counts.push_back(count_of(reader, *info, mine.count, mine.first));
  }
  std::sort(counts.begin(), counts.end(),
            [](const DurableCount& a, const DurableCount& b) { return a.info.name < b.info.name; });
  return counts;
}

DurableCount SqliteStore::count_of(Reader& reader, const DurableInfo& info, std::uint64_t behind,
                                   std::uint64_t first) {
  DurableCount count{.info = info, .backlog = info.leased + info.retrying + behind};
  if (const auto row = reader.tables.find(info.name)) {
    for (const LeaseRow& lease : reader.tables.leases(row->number)) {
      for (std::size_t i = 0; i < lease.size() && lease.lo + i < first; ++i) {
        if (!lease.done.test(i)) first = lease.lo + i;
      }
    }
    if (const auto lowest = reader.tables.lowest_living(row->number)) {
      first = std::min(first, *lowest);
    }
  }
  Statement time(reader.database, "SELECT time FROM events WHERE seq >= ? ORDER BY seq LIMIT 1");
  if (count.backlog != 0 && time.start(first).step()) {
    count.oldest = WallTime(std::chrono::nanoseconds(time.number(0)));
  }
  return count;
}

}  // namespace busway::sqlite
