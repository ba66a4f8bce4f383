#include <algorithm>
#include <exception>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/escape.hpp"
#include "busway/error.hpp"
#include "sqlite_consumer.hpp"
#include "sqlite_store.hpp"
#include "time_blocks.hpp"

namespace busway::sqlite {
namespace {

/// Looks of the house that find a name expired, before it is forgotten.
constexpr int kExpiredLooks = 3;
/// Looks of the house between two for rows of no name.
constexpr int kHousesForStrays = 30;
/// Events that one transaction deletes, and pages that one gives back.
constexpr std::size_t kTrimAtOnce = 500;
constexpr std::int64_t kVacuumAtOnce = 500;
/// Events that are looked at for it in one go.
constexpr std::uint64_t kLookAtOnce = 8'192;
/// Events of a check between two words about how far it is.
constexpr std::uint64_t kTellEvery = 256;

}  // namespace

void SqliteStore::keep_house() {
  try {
    refresh_openings();
    say_in_use();
    std::vector<std::uint64_t> gone;
    {
      const std::lock_guard lock(mutex_);
      gone = doorbell_.ring(openings_, Doorbell::Ring::news);
      for (const std::uint64_t one : gone) std::erase(openings_, one);
    }
    if (!gone.empty()) {
      core_->writer->call([&](Transaction& transaction) {
        Statement close(transaction.database, "UPDATE openings SET closed=? WHERE id=?");
        for (const std::uint64_t one : gone) close.run(transaction.now, one);
      });
    }
    if (!core_->options.retention.keeps_all()) trim_some();
    if (core_->options.durable_expiry) forget_names();
    if (++houses_ % kHousesForStrays == 0) take_back_strays();
  } catch (const std::exception& error) {
    core_->log(LogLevel::warning, std::string("keeping house: ") + error.what());
  }
}

/// One transaction for all names, and only where there is something to say.
void SqliteStore::say_in_use() {
  const std::int64_t now = core_->now();
  std::int64_t every = 0;
  {
    const std::lock_guard lock(mutex_);
    every = say_in_use_every_;
  }
  const bool due = now - said_in_use_ >= every || now < said_in_use_;
  std::vector<DurableNumber> in_use;
  std::vector<SqliteConsumer::Passed> moved;
  {
    const std::lock_guard lock(core_->consumers_mutex);
    for (const SqliteConsumer* const one : core_->consumers) {
      if (due) in_use.push_back(one->number());
      if (const auto passed = one->passed()) moved.push_back(*passed);
    }
  }
  if (in_use.empty() && moved.empty()) return;
  // Without the lock: a commit tells whoever watches. A consumer may go away meanwhile, so only
  // what was noted of it is written.
  std::vector<SqliteConsumer::Passed> written;
  core_->writer->call([&](Transaction& transaction) {
    written.clear();
    for (const DurableNumber one : in_use) SqliteConsumer::say_in_use(transaction, one);
    std::copy_if(moved.begin(), moved.end(), std::back_inserter(written),
                 [&](const auto& one) { return SqliteConsumer::write_passed(transaction, one); });
  });
  if (due) said_in_use_ = now;
  const std::lock_guard lock(core_->consumers_mutex);
  for (const SqliteConsumer::Passed& passed : written) {
    for (SqliteConsumer* const one : core_->consumers) {
      if (one->number() == passed.number) one->take(passed);
    }
  }
}

/// What nobody has opened for too long, as some looks in a row have found: whoever has it open has
/// had the time to say so in between, also where this opening is new, or the machine was asleep.
void SqliteStore::forget_names() {
  const std::int64_t before = core_->now() - core_->options.durable_expiry->count();
  std::map<DurableNumber, Expired> expired;
  std::vector<std::string> names;
  core_->asking([&] {
    const Core::Borrowed reader = core_->reader();
    for (const DurableRow& row : reader->tables.all()) {
      if (!row.sound || row.opened >= before) continue;
      const auto known = expired_.find(row.number);
      const bool again = known != expired_.end() && known->second.opened == row.opened;
      const int looks = again ? known->second.looks + 1 : 1;
      expired[row.number] = {row.opened, looks};
      if (looks >= kExpiredLooks) names.push_back(row.spec.name);
    }
    core_->tell_damages(reader->tables);
    return true;
  });
  expired_ = std::move(expired);
  for (const std::string& name : names) {
    core_->log(LogLevel::warning, "the durable subscription " + quote(name) +
                                      " was not opened for too long and is forgotten");
    (void)remove(name);
  }
}

namespace {

/// Which events the durable names still need.
class Needs {
 public:
  explicit Needs(DurableTables& tables) {
    for (DurableRow& row : tables.all()) {
      const DurableNumber number = row.number;
      names_.push_back({std::move(row), tables.sure_cursor(number), tables.leases(number)});
    }
  }
  /// An event of an unknown topic may be anybody's, and a name that is damaged may want anything:
  /// it goes when all have come upon it.
  [[nodiscard]] bool has(std::uint64_t sequence, std::string_view topic) const {
    return std::any_of(names_.begin(), names_.end(), [&](const Name& name) {
      const bool is_out =
          std::any_of(name.leases.begin(), name.leases.end(), [&](const LeaseRow& lease) {
            return sequence >= lease.lo && sequence <= lease.hi &&
                   !lease.done.test(static_cast<std::size_t>(sequence - lease.lo));
          });
      if (is_out || sequence <= name.cursor) return is_out;
      return topic.empty() || !name.row.sound ||
             std::any_of(name.row.spec.patterns.begin(), name.row.spec.patterns.end(),
                         [topic](const Pattern& one) { return one.matches(topic); });
    });
  }

 private:
  struct Name {
    DurableRow row;
    std::uint64_t cursor = 0;
    std::vector<LeaseRow> leases;
  };
  std::vector<Name> names_;
};

}  // namespace

/// The last event that is beyond the limits; 0: none is.
std::uint64_t SqliteStore::beyond(Reader& reader, const Retention& retention) const {
  Numbers& numbers = reader.tables.numbers();
  const std::uint64_t last = numbers.last_sequence();
  std::uint64_t up_to = 0;
  // The newest have no gaps between them: what is removed is always older than what is kept, but
  // for what somebody needs.
  const auto keep_newest = [&](std::uint64_t count) {
    if (last > count) up_to = std::max(up_to, last - count);
  };
  if (retention.max_events) keep_newest(*retention.max_events);
  if (retention.max_bytes) {
    const std::uint64_t bytes = reader.database.bytes();
    const std::uint64_t events = numbers.events();
    if (bytes > *retention.max_bytes && events != 0) {
      keep_newest(*retention.max_bytes / (bytes / events + 1));
    }
  }
  if (retention.max_age) {
    const std::uint64_t first_kept =
        first_appended(reader, core_->now() - retention.max_age->count());
    if (first_kept > 1) up_to = std::max(up_to, first_kept - 1);
  }
  return up_to;
}

/// Looks at events beyond `from` for some that nobody needs, and deletes them. What it looks at and
/// leaves costs no transaction.
SqliteStore::Trimmed SqliteStore::trim_once(std::uint64_t from, std::uint64_t up_to) {
  Trimmed out{.to = from};
  std::vector<std::pair<std::uint64_t, std::string>> found;
  bool met_strays = false;
  core_->asking([&] {
    const Core::Borrowed reader = core_->reader();
    const Needs needs(reader->tables);
    Statement list(reader->database,
                   "SELECT seq, 0, topic, 0, appended, writer, 0, head, "
                   "(SELECT max(1 + (x.durable NOT IN (SELECT id FROM durables))) "
                   "FROM exceptions x WHERE x.seq = events.seq) "
                   "FROM events WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?");
    list.start(from, up_to, kLookAtOnce);
    while (found.size() < kTrimAtOnce && list.step()) {
      ++out.looked;
      out.to = list.unsigned_number(0);
      // 1: rows of names; 2: of one that there is not.
      if (list.number(8) != 0) {
        met_strays = met_strays || list.number(8) == 2;
        continue;
      }
      std::string topic;
      if (const RowHead head = EventReader::head_at(list); head.is_sound) {
        topic = reader->events.topics().name_of(head.topic);
      }
      if (!needs.has(out.to, topic)) found.emplace_back(out.to, std::move(topic));
    }
    out.more = out.looked == kLookAtOnce || found.size() == kTrimAtOnce;
    core_->tell_damages(reader->tables);
    return true;
  });
  if (met_strays) take_back_strays();
  if (found.empty()) return out;
  core_->writer->call([&](Transaction& transaction) {
    const std::uint64_t last = transaction.last_sequence();
    // It may be needed by now: by a name that is new, or a letter that is sent again.
    const Needs needs(transaction.durables);
    Statement has_row(transaction.database, "SELECT 1 FROM exceptions WHERE seq=?");
    Statement remove(transaction.database, "DELETE FROM events WHERE seq=?");
    std::vector<std::uint64_t> sequences;
    for (const auto& [sequence, topic] : found) {
      if (!has_row.start(sequence).step() && !needs.has(sequence, topic)) {
        sequences.push_back(sequence);
      }
      has_row.reset();
    }
    Numbers& numbers = transaction.durables.numbers();
    std::uint64_t removed = 0;
    for (const std::uint64_t one : sequences) {
      remove.run(one);
      removed += static_cast<std::uint64_t>(transaction.database.changes());
    }
    // No sequence is ever given twice.
    if (!sequences.empty() && sequences.back() == last) {
      numbers.keep_last_sequence(last);
    }
    if (removed != 0) numbers.count_removed(removed, sequences.back());
    Statement first(transaction.database, "SELECT ifnull(min(seq), ?) FROM events");
    if (first.start(last).step()) {
      TimeBlocks(transaction.database).forget_below(first.unsigned_number(0));
    }
    out.removed = removed;
  });
  return out;
}

TrimResult SqliteStore::trim(const Retention& retention) {
  TrimResult result;
  core_->require_open();
  if (retention.keeps_all()) return result;
  core_->require_writable();
  const std::uint64_t up_to = core_->asking([&] {
    const Core::Borrowed reader = core_->reader();
    return beyond(*reader, retention);
  });
  Trimmed one{.more = up_to != 0};
  std::uint64_t looked = 0;
  while (one.more) {
    one = trim_once(one.to, up_to);
    looked += one.looked;
    core_->tell_progress(looked, looked + (up_to - std::min(up_to, one.to)));
    result.removed += one.removed;
    result.held += one.looked - one.removed;
  }
  return result;
}

std::string SqliteStore::what_is_held() const {
  return std::to_string(held_) +
         " events are beyond the limits of retention and stay, since they are not settled by each "
         "durable name, or dead letters are of them";
}

void SqliteStore::tell_held(std::uint64_t held) {
  const std::uint64_t before = held_.exchange(held);
  if (held != 0 && before == 0) {
    core_->log(LogLevel::warning, what_is_held());
  } else if (held == 0 && before != 0) {
    core_->log(LogLevel::info, "no events stay beyond the limits of retention any more");
  }
}

/// Now and then, and not much at a time: what is held is looked at again in another round.
void SqliteStore::trim_some() {
  const std::uint64_t up_to = core_->asking([&] {
    const Core::Borrowed reader = core_->reader();
    return beyond(*reader, core_->options.retention);
  });
  std::uint64_t looked = 0;
  Trimmed one{.to = trimmed_to_, .more = trimmed_to_ < up_to};
  while (one.more && (looked < kLookAtOnce || one.removed != 0)) {
    one = trim_once(one.to, up_to);
    looked += one.looked;
    holding_ += one.looked - one.removed;
  }
  trimmed_to_ = one.more ? one.to : 0;
  if (!one.more) tell_held(std::exchange(holding_, 0));
  trim_after_ = std::max(kTrimEvery, looked);
}

std::vector<std::string> SqliteStore::check() {
  std::vector<std::string> faults;
  core_->asking([&] {
    const Core::Borrowed reader = core_->reader();
    Statement integrity(reader->database, "PRAGMA integrity_check(100)");
    while (integrity.step()) {
      if (integrity.text(0) != "ok") faults.emplace_back(integrity.text(0));
    }
    const auto times = reader->times.all(faults);
    Statement rows(reader->database,
                   "SELECT " + std::string(kEventColumns) + " FROM events ORDER BY seq");
    const std::uint64_t events = reader->tables.numbers().events();
    std::uint64_t looked = 0;
    core_->tell_progress(0, events);
    while (rows.step()) {
      if (++looked % kTellEvery == 0 || looked == events) core_->tell_progress(looked, events);
      const EventRow row = reader->events.row_at(rows);
      if (!row.event) {
        faults.push_back("event " + std::to_string(row.sequence) + ": " + row.damage);
        continue;
      }
      const auto block = times.find(row.sequence / TimeBlocks::kEvents);
      const std::int64_t time = row.event->time().time_since_epoch().count();
      if (block != times.end() && (time < block->second.first || time > block->second.second)) {
        faults.push_back("event " + std::to_string(row.sequence) + " is of a time that its block " +
                         "does not have; it is not found by it");
      }
    }
    for (auto& found : {TopicNames::check(reader->database), reader->tables.numbers().check()}) {
      faults.insert(faults.end(), found.begin(), found.end());
    }
    DurableTables& tables = reader->tables;
    for (const DurableRow& row : tables.all()) {
      (void)tables.cursor(row.number);
      (void)tables.leases(row.number);
      (void)tables.living(row.number);
      tables.each_letter(0, row.number, [](DurableNumber, const ExceptionRow*) { return true; });
      for (const std::string& damage : tables.damages()) {
        faults.push_back("durable subscription " + quote(row.spec.name) + ": " + damage);
      }
      tables.forget_damages();
    }
    for (std::string& stray : tables.strays()) faults.push_back(std::move(stray));
    return true;
  });
  return faults;
}

void SqliteStore::vacuum() {
  core_->require_writable();
  // Where a file was made over by another program it may not give back what is free.
  std::int64_t whole = 0;
  for (std::int64_t before = std::numeric_limits<std::int64_t>::max();;) {
    std::int64_t left = 0;
    core_->writer->call([&](Transaction& transaction) {
      transaction.database.run("PRAGMA incremental_vacuum(" + std::to_string(kVacuumAtOnce) + ")");
      left = transaction.database.number("PRAGMA freelist_count");
    });
    if (whole == 0) whole = left + kVacuumAtOnce;
    core_->tell_progress(static_cast<std::uint64_t>(whole - left),
                         static_cast<std::uint64_t>(whole));
    if (left == 0 || left >= before) return;
    before = left;
  }
}

}  // namespace busway::sqlite
