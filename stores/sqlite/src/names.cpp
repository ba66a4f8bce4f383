#include <algorithm>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/escape.hpp"
#include "busway/error.hpp"
#include "sqlite_consumer.hpp"
#include "sqlite_store.hpp"
#include "store/event_query.hpp"
#include "store/store_calls.hpp"

namespace busway::sqlite {
namespace {

/// Letters of one transaction.
constexpr std::size_t kLettersAtOnce = 1'000;

/// At once, as a first attempt.
void give_again(Transaction& transaction, DurableNumber number, ExceptionRow& row) {
  row.state = ExceptionState::waiting;
  row.attempts = 0;
  row.suspect = false;
  row.span = 0;
  row.until = transaction.now;
  transaction.durables.put(number, row);
}

}  // namespace

/// Events up to the answer are none of the name's.
std::uint64_t SqliteStore::start_of(const DurableSpec& spec, std::uint64_t last) {
  switch (spec.start.from) {
    case Replay::From::none: return last;
    case Replay::From::beginning: return 0;
    case Replay::From::sequence: return spec.start.position == 0 ? 0 : spec.start.position - 1;
    case Replay::From::last: {
      StoreQuery query{.direction = StoreQuery::Direction::newest_first,
                       .patterns = spec.patterns,
                       .limit = spec.start.count};
      if (spec.start.count == 0) return last;
      for (;;) {
        const StorePage page = read(query);
        if (page.events.size() == query.limit) return page.events.back().sequence - 1;
        if (!page.more) return 0;
        query.limit -= page.events.size();
        query.after = page.next;
      }
    }
    case Replay::From::since: {
      StoreQuery query{.since = spec.start.time, .limit = 1};
      const StorePage page = read(query);
      return page.events.empty() ? last : page.events.front().sequence - 1;
    }
  }
  return last;
}

std::unique_ptr<StoreConsumer> SqliteStore::open(const DurableSpec& spec) {
  check_durable(spec);
  core_->require_writable();
  // Looked for before, since it reads; events appended meanwhile lie behind it either way.
  std::optional<std::uint64_t> start;
  const bool reads = (spec.start.from == Replay::From::last && spec.start.count != 0) ||
                     spec.start.from == Replay::From::since;
  if (reads) start = start_of(spec, stats().last_sequence);
  DurableRow row;
  std::vector<std::string> damages;
  core_->writer->call([&](Transaction& transaction) {
    DurableTables& tables = transaction.durables;
    const std::optional<DurableRow> known = tables.find(spec.name);
    if (!known) {
      row = {.spec = spec};
      row.start = start ? *start : start_of(spec, transaction.last_sequence());
      row.number = tables.add(spec, row.start, transaction.now);
      damages = tables.take_damages();
      return;
    }
    row = *known;
    if (row.renamed) tables.rename(row);
    if (!row.sound) row.start = std::min(row.start, tables.cursor(row.number).cursor);
    row.opened = transaction.now;
    if (spec.on_change == OnChange::replace) {
      row.spec.patterns = spec.patterns;
      row.spec.order = spec.order;
    } else {
      require_same(spec, row.spec.patterns, row.spec.order);
    }
    tables.update(row);
    // A time that is damaged may lie so far ahead that nobody would come upon it.
    (void)tables.leases(row.number);
    (void)tables.living(row.number);
    (void)tables.repair(row.number);
    damages = tables.take_damages();
    // The clock may have been set back while nobody was here.
    tables.shorten_waits(row.number, transaction.now);
    for (const Token one : tables.holders(row.number, transaction.now)) {
      if (!core_->presence->is_there(one)) tables.lapse(one, transaction.now);
    }
  });
  for (const std::string& one : damages) core_->log(LogLevel::error, one);
  return std::make_unique<SqliteConsumer>(core_, row, core_->presence->new_token(), spec.lease);
}

bool SqliteStore::remove(std::string_view durable) {
  core_->require_writable();
  bool found = false;
  core_->writer->call([&](Transaction& transaction) {
    const auto row = transaction.durables.find(durable);
    found = row.has_value();
    if (row) transaction.durables.remove(row->number);
  });
  return found;
}

SqliteStore::Seen SqliteStore::seen_here() const {
  Seen seen;
  const std::lock_guard lock(core_->consumers_mutex);
  for (const SqliteConsumer* const one : core_->consumers) {
    std::uint64_t& most = seen[one->number()];
    most = std::max(most, one->seen_to());
  }
  return seen;
}

std::vector<DurableInfo> SqliteStore::durables() {
  core_->require_open();
  const Seen seen = seen_here();
  return core_->asking([&] { return durables_of(*core_->reader(), seen); });
}

std::vector<DurableInfo> SqliteStore::durables_of(Reader& reader, const Seen& seen) const {
  std::vector<DurableInfo> out;
  const std::int64_t now = core_->now();
  reader.last.reset();
  const std::uint64_t last = reader.last.step() ? reader.last.unsigned_number(0) : 0;
  reader.last.reset();
  for (const DurableRow& row : reader.tables.all()) {
    DurableInfo info;
    info.name = row.spec.name;
    info.patterns = row.spec.patterns;
    info.order = row.spec.order;
    info.created = WallTime(std::chrono::nanoseconds(row.created));
    info.opened = WallTime(std::chrono::nanoseconds(row.opened));
    const CursorRow cursor = reader.tables.cursor(row.number);
    info.cursor = cursor.cursor;
    const auto here = seen.find(row.number);
    if (here != seen.end()) info.cursor = std::max(info.cursor, here->second);
    info.lag = last - std::min(last, info.cursor);
    std::vector<Token> holders;
    if (cursor.leader != 0 && cursor.leader_until > now) holders.push_back(cursor.leader);
    for (const LeaseRow& lease : reader.tables.leases(row.number)) {
      for (std::size_t i = 0; i < lease.size(); ++i) {
        if (!lease.done.test(i)) ++info.leased;
      }
      if (lease.until > now) holders.push_back(lease.token);
    }
    for (const ExceptionRow& one : reader.tables.living(row.number)) {
      if (one.state == ExceptionState::leased) {
        ++info.leased;
        if (one.until > now) holders.push_back(one.token);
      } else {
        ++info.retrying;
      }
    }
    info.dead_letters = reader.tables.count_letters(row.number);
    std::sort(holders.begin(), holders.end());
    info.instances =
        static_cast<std::size_t>(std::unique(holders.begin(), holders.end()) - holders.begin());
    out.push_back(std::move(info));
  }
  core_->tell_damages(reader.tables);
  return out;
}

std::size_t SqliteStore::replay(std::string_view durable,
                                std::span<const std::uint64_t> sequences) {
  store_detail::check_replay(sequences);
  core_->require_writable();
  std::size_t given = 0;
  bool found = false;
  std::vector<std::string> damages;
  core_->writer->call([&](Transaction& transaction) {
    given = 0;
    DurableTables& tables = transaction.durables;
    const std::optional<DurableRow> row = tables.find(durable);
    found = row.has_value();
    if (!found) return;
    const DurableNumber number = row->number;
    const std::uint64_t cursor = tables.cursor(number).cursor;
    const std::vector<LeaseRow> leases = tables.leases(number);
    Statement kept(transaction.database, "SELECT 1 FROM events WHERE seq=?");
    for (const std::uint64_t sequence : sequences) {
      const bool is_out = sequence > cursor ||
                          std::any_of(leases.begin(), leases.end(), [&](const LeaseRow& lease) {
                            return sequence >= lease.lo && sequence <= lease.hi &&
                                   !lease.done.test(static_cast<std::size_t>(sequence - lease.lo));
                          });
      if (is_out || !kept.start(sequence).step()) continue;
      std::optional<ExceptionRow> one = tables.exception(number, sequence);
      if (one && one->state != ExceptionState::dead) continue;
      if (!one) one.emplace().sequence = sequence;
      give_again(transaction, number, *one);
      ++given;
    }
    (void)tables.repair(number);
    damages = tables.take_damages();
  });
  for (const std::string& one : damages) core_->log(LogLevel::error, one);
  if (!found) store_detail::no_such_durable(durable);
  return given;
}

void SqliteStore::each_letter(const StoredLetterQuery& query, const UseLetter& use) {
  bool met_strays = false;
  core_->asking([&] {
    met_strays = !each_letter_of(*core_->reader(), query, use);
    return true;
  });
  if (met_strays) take_back_strays();
}

bool SqliteStore::each_letter_of(Reader& reader, const StoredLetterQuery& query,
                                 const UseLetter& use) const {
  std::unordered_map<DurableNumber, std::string> names;
  DurableNumber only = 0;
  for (DurableRow& row : reader.tables.all()) {
    if (!query.durable.empty() && query.durable != row.spec.name) continue;
    only = row.number;
    names.emplace(row.number, std::move(row.spec.name));
  }
  if (query.durable.empty()) only = 0;
  std::uint64_t after = query.after;
  if (query.id) after = std::max(after, *query.id - std::min<std::uint64_t>(*query.id, 1));
  std::size_t left = query.limit;
  bool knows_all = true;
  const auto one = [&](DurableNumber number, ExceptionRow* found) {
    const auto name = names.find(number);
    if (name == names.end()) knows_all = knows_all && only != 0;
    if (found == nullptr) return true;
    ExceptionRow& row = *found;
    if (query.id && row.letter != *query.id) return false;  // all others have higher numbers
    if (name == names.end() || row.deaths.empty()) return true;
    const StoredLetter::Death& last = row.deaths.back();
    // What costs nothing first: the event may be large.
    if ((query.since && last.time < *query.since) || (query.until && last.time >= *query.until) ||
        (query.code && last.code != *query.code)) {
      return true;
    }
    EventRow event;
    if (reader.by_sequence.start(row.sequence).step()) {
      event = reader.events.row_at(reader.by_sequence);
    }
    reader.by_sequence.reset();
    if (!event.event) return true;  // set aside where it is read
    StoredLetter letter;
    letter.id = row.letter;
    letter.durable = name->second;
    letter.sequence = row.sequence;
    letter.event = std::move(*event.event);
    letter.history = std::move(row.deaths);
    letter.redriving = row.state != ExceptionState::dead;
    if (!store_detail::fits(query, letter)) return true;
    use(number, letter);
    return !query.id && (query.limit == 0 || --left != 0);
  };
  if (!names.empty()) reader.tables.each_letter(after, only, one);
  core_->tell_damages(reader.tables);
  return knows_all;
}

std::vector<StoredLetter> SqliteStore::dead_letters(const StoredLetterQuery& query) {
  std::vector<StoredLetter> out;
  each_letter(query, [&](DurableNumber, StoredLetter& one) { out.push_back(std::move(one)); });
  return out;
}

std::size_t SqliteStore::for_each_at_rest(
    const StoredLetterQuery& query,
    const std::function<void(Transaction&, DurableNumber, ExceptionRow&)>& use) {
  core_->require_writable();
  struct Place {
    DurableNumber durable = 0;
    std::uint64_t sequence = 0;
    std::uint64_t letter = 0;
  };
  std::vector<Place> places;
  each_letter(query, [&](DurableNumber number, const StoredLetter& one) {
    places.push_back({number, one.sequence, one.id});
  });
  std::size_t count = 0;
  std::span<const Place> left(places);
  while (!left.empty()) {
    const std::span<const Place> some = left.first(std::min(left.size(), kLettersAtOnce));
    left = left.subspan(some.size());
    std::size_t used = 0;
    core_->writer->call([&](Transaction& transaction) {
      used = 0;
      for (const Place& one : some) {
        auto row = transaction.durables.exception(one.durable, one.sequence);
        if (!row || row->letter != one.letter || row->state != ExceptionState::dead) continue;
        use(transaction, one.durable, *row);
        ++used;
      }
    });
    count += used;
  }
  return count;
}

std::size_t SqliteStore::redrive(const StoredLetterQuery& query) {
  return for_each_at_rest(query, &give_again);
}

std::size_t SqliteStore::purge(const StoredLetterQuery& query) {
  return for_each_at_rest(query,
                          [](Transaction& transaction, DurableNumber number, ExceptionRow& row) {
                            transaction.durables.remove_exception(number, row.sequence);
                          });
}

}  // namespace busway::sqlite
