#include "core.hpp"

#include <algorithm>
#include <exception>

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

Words::~Words() {
  for (const auto& [level, text] : list_) core_.log(level, text);
}

/// Those that nobody has noted.
Core::Damaged Core::fresh_of(const Damaged& damaged) {
  if (!writer) return damaged;
  return asking([&] {
    Damaged fresh;
    const Borrowed borrowed = reader();
    Statement known(borrowed->database, "SELECT 1 FROM set_aside WHERE seq=?");
    for (const auto& one : damaged) {
      if (!known.start(one.first).step()) fresh.push_back(one);
      known.reset();
    }
    return fresh;
  });
}

void Core::note(Damaged fresh, Words& words, Writer::Patience patience) {
  if (writer && !fresh.empty()) {
    std::vector<std::uint64_t> noted;
    const auto write = [&](Transaction& transaction) {
      noted.clear();
      Statement add(transaction.database,
                    "INSERT INTO set_aside(seq, found, reason) VALUES(?,?,?) "
                    "ON CONFLICT(seq) DO NOTHING");
      for (const auto& [sequence, why] : fresh) {
        add.run(sequence, transaction.now, std::string_view(why));
        if (transaction.database.changes() != 0) noted.push_back(sequence);
      }
    };
    writer->call(write, patience);
    std::erase_if(fresh, [&](const auto& one) {
      return std::find(noted.begin(), noted.end(), one.first) == noted.end();
    });
  }
  corrupt += fresh.size();
  for (const auto& [sequence, why] : fresh) {
    words.add(LogLevel::error,
              "event " + std::to_string(sequence) + " is damaged and is set aside: " + why);
  }
}

void Core::set_aside(const Damaged& damaged, Words& words) {
  if (!damaged.empty()) note(fresh_of(damaged), words, Writer::Patience::whole);
}

void Core::try_set_aside(const Damaged& damaged) noexcept {
  if (damaged.empty()) return;
  try {
    Words words(*this);
    try {
      note(fresh_of(damaged), words, Writer::Patience::little);
    } catch (const std::exception& error) {
      words.add(LogLevel::error, "event " + std::to_string(damaged.front().first) +
                                     (damaged.size() > 1 ? " and others are" : " is") +
                                     " damaged, which cannot be noted now: " + error.what());
    }
  } catch (const std::exception&) {
    // No memory for words: it is found again.
  }
}

void Core::tell_damages(DurableTables& tables) {
  for (const std::string& damage : tables.take_damages()) log(LogLevel::error, damage);
}

void Core::fail(const Fault& fault) const {
  throw Error(ErrorCode::store_unavailable,
              "the store sqlite:" + escape(path) + ": " + fault.what());
}

}  // namespace busway::sqlite
