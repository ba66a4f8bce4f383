#include "sqlite_consumer.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "base/escape.hpp"
#include "busway/error.hpp"
#include "busway/limits.hpp"

namespace busway::sqlite {
namespace {

/// Rows that one fetch looks at, and the widest range of a lease.
constexpr std::uint64_t kScanAtOnce = 65'536;
/// The cursor in the file follows over events of others when it is so far behind.
constexpr std::uint64_t kCursorBehindMax = 8'192;
/// A fetch that finds nothing looks at so many times as many rows.
constexpr int kScans = 4;
/// Of those that are missing so many are told one by one.
constexpr std::uint64_t kHiddenMax = 1'000;
/// A fetch that found something last time, and not more than this, claims what is there without
/// looking first: one look at the file less. Those rows are read while others wait for their turn,
/// so they are few, and small.
constexpr std::size_t kFewAtOnce = 8;
constexpr ScanBounds kFew{.events = 2 * kFewAtOnce, .rows = 64, .bytes = 64 * 1024};
/// A cursor that moves under a fetch is read again so often.
constexpr int kTries = 16;

/// Sequences have no gaps but for those that retention has left: what is damaged of a page can hide
/// others on it.
void hidden_between(std::uint64_t from, std::uint64_t to,
                    std::vector<std::pair<std::uint64_t, std::string>>& damaged) {
  for (std::uint64_t one = from; one < std::min(to, from + kHiddenMax); ++one) {
    damaged.emplace_back(one, "it is not there, and nobody has removed it; up to " +
                                  std::to_string(to - 1) + " none is");
  }
}

}  // namespace

SqliteConsumer::SqliteConsumer(std::shared_ptr<Core> core, const DurableRow& row, Token token,
                               std::chrono::nanoseconds lease)
    : core_(std::move(core)),
      number_(row.number),
      name_(row.spec.name),
      token_(token),
      lease_(lease.count()),
      patterns_(row.spec.patterns),
      order_(row.spec.order) {
  const std::lock_guard lock(core_->consumers_mutex);
  core_->consumers.push_back(this);
}

void SqliteConsumer::require_open() const {
  if (closed_) throw Error(ErrorCode::stopped, "the opening of " + quote(name_) + " is closed");
  core_->require_open();
}

void SqliteConsumer::no_such_name() const {
  throw Error(ErrorCode::not_found, "the durable subscription " + quote(name_) + " was removed");
}

DurableRow SqliteConsumer::require_row(Transaction& transaction) const {
  std::optional<DurableRow> row = transaction.durables.find(number_);
  if (!row) no_such_name();
  return std::move(*row);
}

/// Writes it; what is damaged of it becomes what is known here.
void SqliteConsumer::keep_row(Transaction& transaction, DurableRow& row, const Rest& known) {
  if (!row.sound) {
    row.spec.name = known.name;
    row.spec.patterns = known.patterns;
    row.spec.order = known.order;
    row.start = std::min(row.start, transaction.durables.cursor(known.number).cursor);
    transaction.durables.rename(row);
  }
  transaction.durables.update(row);
}

FetchResult SqliteConsumer::fetch(std::size_t max) {
  SettleResult none;
  return exchange({}, max, none);
}

SettleResult SqliteConsumer::settle(std::span<const Settlement> settlements) {
  SettleResult settled;
  (void)exchange(settlements, 0, settled);
  return settled;
}

FetchResult SqliteConsumer::settle_and_fetch(std::span<const Settlement> settlements,
                                             std::size_t max, SettleResult& settled) {
  return exchange(settlements, max, settled);
}

FetchResult SqliteConsumer::exchange(std::span<const Settlement> settlements, std::size_t max,
                                     SettleResult& settled) {
  Words words(*core_);
  const std::lock_guard lock(mutex_);
  require_open();
  settled = {};
  Exchange exchange{settlements, std::min(max, limits::kFetchMax), settled, words};
  try {
    go_through(exchange);
  } catch (const Error&) {
    // What was settled stands: an error would have it settled once more, in vain.
    if (!exchange.has_settled) throw;
    exchange.result.more = true;
  }
  return std::move(exchange.result);
}

void SqliteConsumer::go_through(Exchange& exchange) {
  const std::size_t max = exchange.max;
  SettleResult& settled = exchange.settled;
  FetchResult& result = exchange.result;
  Words& words = exchange.words;
  int scans = 0;
  bool blindly = max != 0 && last_count_ != 0 && last_count_ <= kFewAtOnce;
  for (int tries = 0;;) {
    Candidates candidates;
    Plan plan;
    const bool writes = blindly || core_->asking([&] {
      if (max == 0) return true;
      const Core::Borrowed reader = core_->reader();
      // One that stands by would read in vain, and take the gate from the one that is active.
      if (order_ != DurableOrder::relaxed && exchange.settlements.empty() &&
          reader->tables.version(number_) == version_ &&
          stands_by(reader->tables.cursor(number_), plan)) {
        return false;
      }
      candidates = read_candidates({reader->after, reader->events, reader->tables},
                                   {max, kScanAtOnce, limits::kStoreBytesAtOnce});
      return !candidates.events.empty() || has_work(*reader, plan);
    });
    core_->set_aside(candidates.damaged, words);
    result.set_aside += candidates.damaged.size();
    const bool behind = candidates.scanned_to > cursor_ + kCursorBehindMax;
    if (!writes && exchange.settlements.empty() && !behind) {
      scan_from_ = std::max(scan_from_.load(), candidates.scanned_to);
      result.active = plan.active;
      if (plan.due) result.due = WallTime(std::chrono::nanoseconds(*plan.due));
      // Nothing among so many rows: there may be something behind them.
      result.more = candidates.more && plan.active;
      if (!result.more || ++scans == kScans) return;
      continue;
    }
    core_->writer->call([&](Transaction& transaction) {
      plan = {.held = held_};
      if (blindly) candidates = read_few(transaction.scan, max);
      transact(transaction, exchange.settlements, max, candidates, plan);
      plan.damages = transaction.durables.take_damages();
    });
    blindly = false;
    words.add_damages(std::move(plan.damages));
    take(plan);
    settled.accepted += plan.settled.accepted;
    settled.stale += plan.settled.stale;
    core_->settled += plan.settled.accepted;
    core_->stale += plan.settled.stale;
    exchange.has_settled = exchange.has_settled || !exchange.settlements.empty();
    exchange.settlements = {};
    if (max == 0) return;
    if (plan.due) result.due = WallTime(std::chrono::nanoseconds(*plan.due));
    result.active = plan.active;
    if (!plan.given.empty()) {
      try {
        read_given(plan.given, result, words);
      } catch (const Error& error) {
        // They are out and nobody has them: their leases lapse, for they are not renewed.
        words.add(LogLevel::error, std::string("events that were given out: ") + error.what());
        for (const ExceptionRow& one : plan.given) held_.exceptions.erase(one.sequence);
      }
    }
    const auto end = candidates.events.begin() + static_cast<std::ptrdiff_t>(plan.taken);
    if (result.deliveries.empty()) {
      candidates.events.erase(end, candidates.events.end());
      result.deliveries.swap(candidates.events);
    } else {
      std::move(candidates.events.begin(), end, std::back_inserter(result.deliveries));
    }
    result.more = plan.more;
    if (!result.more || !result.deliveries.empty()) return;
    if (plan.stale ? ++tries == kTries : ++scans == kScans) return;
  }
}

bool SqliteConsumer::matches(EventReader& events, const RowHead& head) {
  // One that is damaged is nobody's to pass by: it is found so when it is read.
  if (!head.is_sound) return true;
  const std::int64_t topic = head.topic;
  const auto known = matches_.find(topic);
  if (known != matches_.end()) return known->second;
  const std::string_view name = events.topics().name_of(topic);
  const bool fits =
      name.empty() || std::any_of(patterns_.begin(), patterns_.end(),
                                  [name](const Pattern& pattern) { return pattern.matches(name); });
  if (matches_.size() >= limits::kCachedRoutesMax) matches_.clear();
  matches_.emplace(topic, fits);
  return fits;
}

SqliteConsumer::Candidates SqliteConsumer::read_few(const EventScan& scan, std::size_t max) {
  Candidates out = read_candidates(scan, {std::min(max, kFew.events), kFew.rows, kFew.bytes});
  if (out.damaged.empty()) return out;
  // What is damaged is set aside by a look without the gate.
  return {.scanned_to = std::max(cursor_, scan_from_), .more = true};
}

SqliteConsumer::Candidates SqliteConsumer::read_candidates(const EventScan& scan,
                                                           const ScanBounds& bounds) {
  Candidates out;
  const std::uint64_t from = seen_to();
  out.scanned_to = from;
  Statement& rows = scan.after;
  rows.start(from, std::numeric_limits<std::int64_t>::max());
  std::uint64_t looked = 0;
  std::uint64_t expected = from + 1;
  std::optional<std::uint64_t> removed_to;
  // A consumer that asks again and again gets about as many each time.
  out.events.reserve(std::min(bounds.events, last_count_));
  while (rows.step()) {
    const RowHead head = EventReader::head_at(rows);
    const std::uint64_t sequence = head.sequence;
    const bool wide = !out.events.empty() && sequence - out.events.front().sequence >= kScanAtOnce;
    if (out.events.size() == bounds.events || looked++ == bounds.rows || wide) {
      out.more = true;
      break;
    }
    if (head.is_sound && sequence > expected) {
      if (!removed_to) removed_to = scan.tables.numbers().removed_to();
      hidden_between(std::max(expected, *removed_to + 1), sequence, out.damaged);
    }
    if (head.is_sound || sequence == expected) expected = sequence + 1;
    if (!matches(scan.events, head)) {
      out.scanned_to = sequence;
      continue;
    }
    const std::size_t bytes = EventReader::bytes_of(rows);
    // A large one comes by itself, but not where there are to be few and small ones.
    const bool too_large = out.bytes + bytes > bounds.bytes;
    if (too_large && (!out.events.empty() || bounds.bytes < limits::kStoreBytesAtOnce)) {
      out.more = true;
      break;
    }
    out.scanned_to = sequence;
    EventRow row = scan.events.row_at(rows, head);
    if (row.event) {
      out.bytes += bytes;
      out.events.push_back({.event = std::move(*row.event), .sequence = sequence});
    } else {
      out.damaged.emplace_back(sequence, std::move(row.damage));
    }
  }
  rows.reset();
  last_count_ = out.events.size();
  return out;
}

bool SqliteConsumer::stands_by(const CursorRow& cursor, Plan& plan) const {
  if (cursor.leader == 0 || cursor.leader == token_) return false;
  const std::int64_t left = cursor.leader_until - core_->now();
  if (left <= 0 || left > cursor.leader_span + kSetBack) return false;  // over, or set back
  plan.active = false;
  due_at(plan, cursor.leader_until);
  return true;
}

bool SqliteConsumer::has_work(Reader& reader, Plan& plan) {
  const std::int64_t now = core_->now();
  if (now + kSetBack < core_->writer->last_now()) return true;  // the clock was set back
  DurableTables& tables = reader.tables;
  // It was removed, or has other patterns: the transaction says so.
  const std::int64_t version = tables.version(number_);
  if (version == 0) return true;
  if (version != version_) {
    const std::optional<DurableRow> row = tables.find(number_);
    const bool same =
        row && row->sound && row->spec.patterns == patterns_ && row->spec.order == order_;
    if (!same) return true;
    version_ = version;
  }
  const CursorRow cursor = tables.cursor(number_);
  if (cursor.cursor < cursor_) return true;  // another has found damage, and gone back
  if (order_ != DurableOrder::relaxed) {
    if (stands_by(cursor, plan)) return false;
    if (cursor.leader != token_ || cursor.leader_until - now < lease_ / 2) return true;
  }
  for (const LeaseRow& lease : tables.leases(number_)) {
    if (lease.until <= now || lease.until - now > lease.span + kSetBack) return true;
    if (lease.token != token_) due_at(plan, lease.until);
  }
  if (tables.has_living(number_)) {
    for (const auto state : {ExceptionState::waiting, ExceptionState::leased}) {
      if (!tables.due(number_, state, now, 1).empty()) return true;
    }
    if (tables.waits_too_long(number_, now)) return true;  // the clock was set back
    if (const auto due = tables.next_due(number_, now)) due_at(plan, *due);
  }
  if (!tables.damages().empty()) {
    tables.forget_damages();  // told when they are mended
    return true;
  }
  return false;
}

/// What a transaction that was committed has made of it.
void SqliteConsumer::take(const Plan& plan) {
  held_ = plan.held;
  if (plan.patterns != patterns_) {
    patterns_ = plan.patterns;
    matches_.clear();
    scan_from_ = 0;
  }
  order_ = plan.order;
  version_ = plan.version;
  if (plan.cursor < cursor_) scan_from_ = 0;  // it went back
  cursor_ = plan.cursor;
  moves_ += plan.moves ? 1 : 0;
  if (!plan.active) last_count_ = 0;
}

/// The events of rows that were given out.
void SqliteConsumer::read_given(const std::vector<ExceptionRow>& given, FetchResult& result,
                                Words& words) {
  std::vector<std::pair<std::uint64_t, std::string>> damaged;
  core_->asking([&] {
    const Core::Borrowed reader = core_->reader();
    for (const ExceptionRow& one : given) {
      EventRow row;
      if (reader->by_sequence.start(one.sequence).step()) {
        row = reader->events.row_at(reader->by_sequence);
      } else {
        row.damage = "it is not there";
      }
      reader->by_sequence.reset();
      if (!row.event) {
        damaged.emplace_back(one.sequence, std::move(row.damage));
        continue;
      }
      result.deliveries.push_back({.event = std::move(*row.event),
                                   .sequence = one.sequence,
                                   .attempt = one.attempts,
                                   .redriven = one.letter != 0});
    }
    return true;
  });
  if (damaged.empty()) return;
  core_->set_aside(damaged, words);
  result.set_aside += damaged.size();
  core_->writer->call([&](Transaction& transaction) {
    for (const auto& [sequence, why] : damaged) {
      transaction.durables.remove_exception(number_, sequence);
    }
  });
  for (const auto& [sequence, why] : damaged) held_.exceptions.erase(sequence);
}

bool SqliteConsumer::renew() {
  Words words(*core_);
  const std::lock_guard lock(mutex_);
  require_open();
  Held held;
  std::vector<std::string> damages;
  bool all = true;
  core_->writer->call([&](Transaction& transaction) {
    held = held_;
    all = true;
    bool misses = false;
    DurableTables& tables = transaction.durables;
    (void)require_row(transaction);
    for (auto at = held.leases.begin(); at != held.leases.end();) {
      const auto row = tables.lease(number_, at->first);
      if (!row || !is_mine(*row, at->second, transaction.now)) {
        all = false;
        misses = misses || (!row && at->second.until > transaction.now);
        at = held.leases.erase(at);
        continue;
      }
      at->second.until = transaction.now + lease_;
      at->second.span = lease_;
      tables.update_lease(number_, at->second);
      ++at;
    }
    for (auto at = held.exceptions.begin(); at != held.exceptions.end();) {
      auto row = tables.exception(number_, at->first);
      if (!row || row->token != token_ || row->until <= transaction.now) {
        all = false;
        misses = misses || (!row && at->second.until > transaction.now);
        at = held.exceptions.erase(at);
        continue;
      }
      row->until = transaction.now + lease_;
      row->span = lease_;
      tables.put(number_, *row);
      at->second = std::move(*row);
      ++at;
    }
    if (misses) tables.take_back_strays();
    CursorRow cursor = tables.cursor(number_);
    if (cursor.leader == token_) {
      cursor.leader_until = transaction.now + lease_;
      cursor.leader_span = lease_;
      tables.put_cursor(number_, cursor);
    }
    damages = tables.take_damages();
  });
  words.add_damages(std::move(damages));
  held_ = std::move(held);
  return all;
}

std::optional<SqliteConsumer::Passed> SqliteConsumer::passed() const {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock || closed_ || scan_from_ <= cursor_) return std::nullopt;
  return Passed{number_, cursor_, scan_from_, version_};
}

bool SqliteConsumer::write_passed(Transaction& transaction, const Passed& passed) {
  DurableTables& tables = transaction.durables;
  CursorRow cursor = tables.cursor(passed.number);
  // What it passed by was nothing of the patterns that it knows.
  if (cursor.cursor != passed.cursor || tables.version(passed.number) != passed.version) {
    return false;
  }
  cursor.cursor = passed.to;
  tables.put_cursor(passed.number, cursor);
  return true;
}

void SqliteConsumer::take(const Passed& passed) {
  // One that is at work, or has moved on meanwhile, looks at the file again.
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (lock && cursor_ == passed.cursor) cursor_ = std::max(cursor_.load(), passed.to);
}

void SqliteConsumer::say_in_use(Transaction& transaction, DurableNumber number) {
  std::optional<DurableRow> row = transaction.durables.find(number);
  // One that is damaged is mended where it is at work.
  if (!row || !row->sound) return;
  row->opened = transaction.now;
  transaction.durables.update(*row);
}

void SqliteConsumer::keep_note(std::string_view note) {
  if (note.size() > limits::kDurableNoteBytesMax) {
    throw Error(ErrorCode::invalid_argument, "the note of " + quote(name_) + " has " +
                                                 std::to_string(note.size()) + " bytes; at most " +
                                                 std::to_string(limits::kDurableNoteBytesMax) +
                                                 " are possible");
  }
  Words words(*core_);
  const std::lock_guard lock(mutex_);
  require_open();
  const Rest known = rest();
  std::vector<std::string> damages;
  core_->writer->call([&](Transaction& transaction) {
    DurableRow row = require_row(transaction);
    row.note = std::string(note);
    keep_row(transaction, row, known);
    damages = transaction.durables.take_damages();
  });
  words.add_damages(std::move(damages));
}

std::string SqliteConsumer::note() {
  const std::lock_guard lock(mutex_);
  require_open();
  return core_->asking([&] {
    const Core::Borrowed reader = core_->reader();
    std::optional<DurableRow> row = reader->tables.find(number_);
    if (!row) no_such_name();
    return std::move(row->note);
  });
}

void SqliteConsumer::close() noexcept {
  // The store may have ended it while it told of news that are the end of this: no lock then.
  if (closed_) return;
  Words words(*core_);
  {
    const std::lock_guard lock(core_->consumers_mutex);
    std::erase(core_->consumers, this);
  }
  // From here on the store does not know of it.
  if (closed_.exchange(true)) return;
  try {
    Rest mine;
    {
      const std::lock_guard lock(mutex_);
      mine = rest();
      held_ = {};
    }
    std::vector<std::string> damages;
    core_->writer->call(
        [&](Transaction& transaction) {
          give_back(transaction, mine);
          damages = transaction.durables.take_damages();
        },
        Writer::Patience::little);
    words.add_damages(std::move(damages));
  } catch (const std::exception& error) {
    say_lapses(words, error);
  }
}

SqliteConsumer::Rest SqliteConsumer::end_with_store() {
  Rest mine;
  {
    const std::lock_guard lock(mutex_);
    mine = rest();
    held_ = {};
  }
  closed_ = true;
  return mine;
}

SqliteConsumer::Rest SqliteConsumer::rest() const {
  Rest out{.number = number_,
           .name = name_,
           .token = token_,
           .patterns = patterns_,
           .order = order_,
           .cursor = cursor_,
           .seen_to = seen_to()};
  for (const auto& [id, lease] : held_.leases) out.leases.push_back(id);
  return out;
}

void SqliteConsumer::say_lapses(Words& words, const std::exception& error) noexcept {
  try {
    words.add(
        LogLevel::warning,
        std::string("what was given out and is not settled could not be given back, and comes "
                    "again when its lease lapses: ") +
            error.what());
  } catch (const std::exception&) {
    // No memory for words; it lapses all the same.
  }
}

}  // namespace busway::sqlite
