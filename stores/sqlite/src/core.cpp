#include "core.hpp"

#include "base/escape.hpp"
#include "busway/error.hpp"

namespace busway::sqlite {
namespace {

constexpr std::size_t kFreeReadersMax = 8;

}  // namespace

Reader::Reader(const std::string& path, Database::Access access)
    : database(path, access),
      events(database),
      tables(database),
      times(database),
      by_id(database, select_events("id=?")),
      by_sequence(database, select_events("seq=?")),
      after(database, select_events(kAfter)),
      before(database, select_events("seq < ? AND seq >= ? ORDER BY seq DESC")),
      first(database, "SELECT min(seq) FROM events"),
      last(database, "SELECT max(seq) FROM events") {
  database.run("PRAGMA query_only=1");
  database.run("PRAGMA wal_autocheckpoint=0");
}

Core::Borrowed Core::reader() {
  require_open();
  {
    const std::lock_guard lock(readers_mutex_);
    if (!free_.empty()) {
      std::unique_ptr<Reader> reader = std::move(free_.back());
      free_.pop_back();
      return {*this, std::move(reader)};
    }
  }
  return {*this, std::make_unique<Reader>(path, access)};
}

void Core::give_back(std::unique_ptr<Reader> reader) noexcept {
  // A statement that stands in the middle of its rows keeps its snapshot open.
  for (Statement* const one :
       {&reader->by_id, &reader->by_sequence, &reader->after, &reader->before}) {
    one->reset();
  }
  const std::lock_guard lock(readers_mutex_);
  if (closed || free_.size() >= kFreeReadersMax) return;
  free_.push_back(std::move(reader));
}

void Core::require_open() const {
  if (closed) {
    throw Error(ErrorCode::stopped, "the store sqlite:" + escape(path) + " is closed");
  }
}

void Core::require_writable() const {
  require_open();
  if (!writer) {
    throw Error(ErrorCode::not_offered,
                "the store sqlite:" + escape(path) + " is open for reading only");
  }
}

void Core::log(LogLevel level, const std::string& message) const noexcept {
  try {
    options.log(level, "the store sqlite:" + escape(path) + ": " + message, {});
  } catch (...) {
    // A sink that fails must not take the store with it.
  }
}

void Core::set_aside(const std::vector<std::pair<std::uint64_t, std::string>>& damaged) {
  if (damaged.empty()) return;
  std::vector<std::size_t> fresh;
  if (writer) {
    writer->call([&](Transaction& transaction) {
      fresh.clear();
      Statement add(transaction.database,
                    "INSERT INTO set_aside(seq, found, reason) VALUES(?,?,?) "
                    "ON CONFLICT(seq) DO NOTHING");
      for (std::size_t i = 0; i < damaged.size(); ++i) {
        add.run(damaged[i].first, transaction.now, std::string_view(damaged[i].second));
        if (transaction.database.changes() != 0) fresh.push_back(i);
      }
    });
  } else {
    for (std::size_t i = 0; i < damaged.size(); ++i) fresh.push_back(i);
  }
  corrupt += fresh.size();
  for (const std::size_t i : fresh) {
    log(LogLevel::error, "event " + std::to_string(damaged[i].first) +
                             " is damaged and is set aside: " + damaged[i].second);
  }
}

void Core::tell_damages(DurableTables& tables) {
  for (const std::string& damage : tables.damages()) log(LogLevel::error, damage);
  tables.forget_damages();
}

void Core::fail(const Fault& fault) const {
  throw Error(ErrorCode::store_unavailable,
              "the store sqlite:" + escape(path) + ": " + fault.what());
}

}  // namespace busway::sqlite
