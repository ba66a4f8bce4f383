#include "sqlite_store.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <string>
#include <utility>

#include "base/escape.hpp"
#include "busway/error.hpp"
#include "schema.hpp"
#include "sqlite_consumer.hpp"

namespace busway::sqlite {
namespace {

/// How long news of another process can take where its ring is lost.
constexpr auto kLookEvery = std::chrono::milliseconds(100);
constexpr auto kHouseEvery = std::chrono::seconds(2);
constexpr auto kLookForTheDeadEvery = std::chrono::seconds(1);
constexpr std::ptrdiff_t kBuriedAtOnce = 100;
/// It is written that a name is in use so many times in the shortest expiry that one of the
/// openings has.
constexpr std::int64_t kSayInUseInExpiry = 4;

std::string words(FileIdentity identity) {
  return std::to_string(identity.device) + '-' + std::to_string(identity.inode);
}

}  // namespace

SqliteStore::SqliteStore(const std::string& path, const StoreOptions& options,
                         std::uint64_t opening, Durability durability)
    : core_(std::make_shared<Core>(Writer::Settings{.path = path,
                                                    .opening = opening,
                                                    .options = options,
                                                    .durability = durability,
                                                    .identity = FileIdentity::of(path),
                                                    .committed = [this] { committed(); }})),
      opening_(opening),
      opened_(options.clock->wall()),
      doorbell_(words(FileIdentity::of(path)), opening) {
  said_in_use_ = opened_.time_since_epoch().count();
  look_for_hidden();
  take_back_strays();
  refresh_openings();
  {
    const std::lock_guard lock(mutex_);
    (void)doorbell_.ring(openings_, Doorbell::Ring::openings);
  }
  listener_ = std::thread([this] { listen(); });
}

SqliteStore::SqliteStore(const std::string& path, const StoreOptions& options,
                         Database::Access access)
    : core_(std::make_shared<Core>(path, options, access)),
      opening_(0),
      opened_(options.clock->wall()),
      doorbell_(words(FileIdentity::of(path)), opening_) {}

/// A damaged number of a name hides a row from all of them.
void SqliteStore::take_back_strays() {
  if (!core_->writer) return;  // whoever may write does it
  const auto has_strays = [&] {
    const Core::Borrowed reader = core_->reader();
    return !reader->tables.strays().empty();
  };
  if (!core_->asking(has_strays)) return;
  core_->log(LogLevel::error,
             "rows of durable names do not say of which; all names go back to where nothing is "
             "missed");
  core_->writer->call([](Transaction& transaction) { transaction.durables.take_back_all(); });
}

/// A page that is damaged can hide the last events, which nobody would miss. Their ids stand in a
/// tree of their own, which is small.
void SqliteStore::look_for_hidden() {
  constexpr std::uint64_t kAtMost = 200'000;  // of more it would take too long; check() counts
  std::uint64_t there = 0;
  const std::uint64_t ids = core_->asking([&] {
    const Core::Borrowed reader = core_->reader();
    const Snapshot snapshot(reader->database);
    there = reader->tables.numbers().events();
    if (there > kAtMost) return there;
    return static_cast<std::uint64_t>(reader->database.number(
        "SELECT count(*) FROM events INDEXED BY sqlite_autoindex_events_1"));
  });
  if (ids == there) return;
  core_->log(LogLevel::error, std::to_string(ids) + " ids of events are known, and " +
                                  std::to_string(there) +
                                  " events are found: the file is damaged, ask it to check itself");
}

StoreInfo SqliteStore::info() const {
  StoreInfo out{.provider = "sqlite",
                .address = "sqlite:" + core_->path,
                .engine = std::string("SQLite ") + sqlite3_libversion(),
                .format = "busway-sqlite " + std::to_string(schema_version()),
                .durability = core_->options.durability.value_or(Durability::power_loss),
                .notes = {}};
  if (core_->writer) {
    out.durability = core_->writer->durability();
    out.notes.push_back("journal_mode wal, synchronous " +
                        std::to_string(core_->writer->synchronous()) +
                        (out.durability == Durability::power_loss
                             ? ": each commit is synced before it is answered"
                             : ": commits are synced when the log is folded into the file"));
  } else {
    out.notes.emplace_back("open for reading only");
  }
  if (held_ != 0) out.notes.push_back(what_is_held());
  if (sqlite3_libversion_number() < 3'051'003) {
    out.notes.emplace_back(
        "SQLite before 3.51.3 can lose commits when a checkpoint of one connection meets a commit "
        "of another; all commits and checkpoints of busway go through PATH-gate, one at a time");
  }
  out.notes.emplace_back(
      "writers that do not hold PATH-gate, the sqlite3 shell among them, are not supported while "
      "the store is in use");
  return out;
}

// -- Listening ------------------------------------------------------------------------------------

/// On the writer's thread.
void SqliteStore::committed() {
  {
    const std::lock_guard lock(mutex_);
    for (const std::uint64_t gone : doorbell_.ring(openings_, Doorbell::Ring::news)) {
      std::erase(openings_, gone);
    }
  }
  core_->watches.tell();
  if (core_->options.retention.keeps_all()) return;
  const std::uint64_t appended = core_->writer->appended();
  if (appended - appended_at_house_ < trim_after_) return;
  appended_at_house_ = appended;
  house_wanted_ = true;
  doorbell_.wake();
}

void SqliteStore::refresh_openings() {
  try {
    const Core::Borrowed reader = core_->reader();
    Statement list(reader->database,
                   "SELECT id FROM openings WHERE closed IS NULL AND id <> ? ORDER BY id DESC "
                   "LIMIT 1000");
    std::vector<std::uint64_t> others;
    list.start(opening_);
    while (list.step()) others.push_back(list.unsigned_number(0));
    const std::int64_t expiry = reader->database.number(
        "SELECT ifnull(min(expiry), 0) FROM openings WHERE closed IS NULL AND expiry > 0");
    const std::lock_guard lock(mutex_);
    openings_ = std::move(others);
    say_in_use_every_ =
        expiry > 0 ? std::min(kSayInUseEvery, expiry / kSayInUseInExpiry) : kSayInUseEvery;
  } catch (const std::exception&) {
    // Looking now and then remains.
  }
}

void SqliteStore::listen() {
  listening_ = std::this_thread::get_id();
  std::optional<Reader> reader;
  std::int64_t version = 0;
  auto house_at = std::chrono::steady_clock::now() + kHouseEvery;
  auto look_at = std::chrono::steady_clock::now() + kLookEvery;
  auto dead_at = std::chrono::steady_clock::now() + kLookForTheDeadEvery;
  while (!ending_) {
    const Doorbell::Heard heard = doorbell_.wait(kLookEvery);
    if (ending_) return;
    if (heard == Doorbell::Heard::openings) refresh_openings();
    if (heard != Doorbell::Heard::nothing) core_->watches.tell(StoreNews::on_own_thread);
    // Others may ring all the time: what is due is done in between.
    const auto clock = std::chrono::steady_clock::now();
    const bool looks = heard == Doorbell::Heard::nothing || clock >= look_at;
    if (!looks && clock < dead_at && clock < house_at && !house_wanted_) continue;
    look_at = clock + kLookEvery;
    try {
      if (!reader) reader.emplace(core_->path, Database::Access::write);
      const std::int64_t now = reader->database.number("PRAGMA data_version");
      if (std::exchange(version, now) != now) core_->watches.tell(StoreNews::on_own_thread);
      if (clock >= dead_at) {
        bury_the_dead(reader->tables);
        dead_at = std::chrono::steady_clock::now() + kLookForTheDeadEvery;
      }
    } catch (const Fault&) {
      reader.reset();
    }
    if (house_wanted_.exchange(false) || std::chrono::steady_clock::now() >= house_at) {
      keep_house();
      house_at = std::chrono::steady_clock::now() + kHouseEvery;
    }
  }
}

/// What is out at an opening that died is to come again at once. One that was stopped lives.
void SqliteStore::bury_the_dead(DurableTables& tables) {
  {
    const std::lock_guard lock(core_->consumers_mutex);
    if (core_->consumers.empty()) return;  // nobody here would get it
  }
  std::vector<Token> dead = tables.holders(core_->now());
  std::erase_if(dead, [&](Token one) { return core_->presence->is_there(one); });
  if (dead.empty()) return;
  try {
    // Not so many at once that others would wait for it.
    for (auto from = dead.begin(); from != dead.end();) {
      const auto to = from + std::min<std::ptrdiff_t>(kBuriedAtOnce, dead.end() - from);
      std::vector<std::string> damages;
      core_->writer->call([&](Transaction& transaction) {
        for (auto one = from; one != to; ++one) transaction.durables.lapse(*one, transaction.now);
        damages = transaction.durables.take_damages();
      });
      for (const std::string& one : damages) core_->log(LogLevel::error, one);
      from = to;
    }
    core_->watches.tell();
  } catch (const std::exception&) {
    // It is looked for again, and what they hold lapses by itself.
  }
}

void SqliteStore::close() noexcept {
  if (listening_ == std::this_thread::get_id()) {
    // It cannot wait for itself: whoever closes or destroys the store elsewhere does the rest.
    core_->closed = true;
    ending_ = true;
    return;
  }
  Words words(*core_);
  const std::lock_guard one_at_a_time(close_mutex_);
  if (std::exchange(over_, true)) return;
  core_->closed = true;  // whoever begins a call from now on is refused
  ending_ = true;
  doorbell_.wake();
  if (listener_.joinable()) listener_.join();
  if (!core_->writer) return;
  try {
    give_all_back();
  } catch (const std::exception& error) {
    SqliteConsumer::say_lapses(words, error);
  }
  try {
    core_->writer->call(
        [&](Transaction& transaction) {
          Statement close(transaction.database, "UPDATE openings SET closed=? WHERE id=?");
          close.run(transaction.now, opening_);
        },
        Writer::Patience::little);
  } catch (const std::exception&) {
    // Whoever rings finds that nobody listens.
  }
  core_->writer->close();
  core_->watches.tell();
}

/// In one transaction, so that one gate that does not open is waited for once.
void SqliteStore::give_all_back() {
  std::vector<SqliteConsumer::Rest> all;
  {
    // Not held over the transaction, whose news may be the end of a consumer.
    const std::lock_guard lock(core_->consumers_mutex);
    all.reserve(core_->consumers.size());
    for (SqliteConsumer* const one : core_->consumers) all.push_back(one->end_with_store());
    core_->consumers.clear();
  }
  if (all.empty()) return;
  core_->writer->call(
      [&](Transaction& transaction) {
        for (const SqliteConsumer::Rest& one : all) SqliteConsumer::give_back(transaction, one);
        transaction.durables.forget_damages();  // they are found again
      },
      Writer::Patience::little);
}

}  // namespace busway::sqlite
