#include <algorithm>
#include <exception>
#include <limits>
#include <optional>
#include <string>
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
  out.last_sequence = std::max(core_->writer->last_sequence(), numbers.last_sequence());
  out.bytes = database.bytes();
  out.durables = static_cast<std::uint64_t>(database.number("SELECT count(*) FROM durables"));
  out.dead_letters = static_cast<std::uint64_t>(
      database.number("SELECT count(*) FROM exceptions WHERE letter > 0"));
  out.appended = core_->writer->appended();
  out.duplicates = core_->writer->duplicates();
  out.commits = core_->writer->commits();
  out.settled = core_->settled;
  out.stale = core_->stale;
  out.corrupt = static_cast<std::uint64_t>(database.number("SELECT count(*) FROM set_aside"));
  out.opened = opened_;
  return out;
}

namespace {

/// All that is read within it is of one moment.
class Snapshot {
 public:
  explicit Snapshot(Database& database) : database_(database) { database.run("BEGIN"); }
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;
  ~Snapshot() {
    try {
      database_.run("ROLLBACK");
    } catch (const std::exception&) {
      // It has ended by itself.
    }
  }

 private:
  Database& database_;
};

}  // namespace

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
    for (DurableInfo& info : durables_of(*reader, seen)) {
      census.durables.push_back(count_of(*reader, std::move(info)));
    }
    return census;
  });
}

DurableCount SqliteStore::count_of(Reader& reader, DurableInfo info) {
  DurableCount count{.backlog = info.leased + info.retrying};
  std::uint64_t first = std::numeric_limits<std::uint64_t>::max();
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
  Statement behind(reader.database,
                   "SELECT topic, count(*), min(seq) FROM events WHERE seq > ? GROUP BY topic");
  behind.start(info.cursor);
  while (behind.step()) {
    const std::string_view topic = reader.events.topics().name_of(behind.number(0));
    if (std::none_of(info.patterns.begin(), info.patterns.end(),
                     [topic](const Pattern& one) { return one.matches(topic); })) {
      continue;
    }
    count.backlog += behind.unsigned_number(1);
    first = std::min(first, behind.unsigned_number(2));
  }
  Statement time(reader.database, "SELECT time FROM events WHERE seq >= ? ORDER BY seq LIMIT 1");
  if (count.backlog != 0 && time.start(first).step()) {
    count.oldest = WallTime(std::chrono::nanoseconds(time.number(0)));
  }
  count.info = std::move(info);
  return count;
}

}  // namespace busway::sqlite
