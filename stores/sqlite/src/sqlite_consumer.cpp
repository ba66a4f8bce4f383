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

/// Of those whose last holder died or hung, so many are out at once, and nothing else with them: if
/// one of them is what it died of, few others are counted an attempt with it. One that has lapsed
/// more than once is out alone.
constexpr std::size_t kSuspectsAtOnce = 4;
constexpr unsigned kAloneFrom = 2;
/// Rows that one fetch looks at, and the widest range of a lease.
constexpr std::uint64_t kScanAtOnce = 65'536;
/// The cursor in the file follows over events of others when it is so far behind.
constexpr std::uint64_t kCursorBehindMax = 8'192;
/// Moves of the cursor between two safe ones.
constexpr std::size_t kSafeEvery = 256;
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

void wait(ExceptionRow& row, std::int64_t after, std::int64_t now) {
  row.state = ExceptionState::waiting;
  row.token = 0;
  row.span = std::clamp<std::int64_t>(after, 0, limits::kRetryDelayMax.count());
  row.until = now + row.span;
}

/// How a delivery that was out under a range's lease goes on by itself.
ExceptionRow row_of(std::uint64_t sequence) {
  ExceptionRow row;
  row.sequence = sequence;
  row.attempts = 1;
  return row;
}

void apply(Transaction& transaction, const Settlement& one, ExceptionRow& row) {
  switch (one.kind) {
    case Settlement::Kind::done: return;
    case Settlement::Kind::release:
      if (row.attempts > 0) --row.attempts;
      return wait(row, one.after.count(), transaction.now);
    case Settlement::Kind::retry: wait(row, one.after.count(), transaction.now); break;
    case Settlement::Kind::dead_letter:
      row.state = ExceptionState::dead;
      row.token = 0;
      if (row.letter == 0) row.letter = transaction.durables.new_letter();
      if (row.deaths.size() == limits::kDeathsMax) row.deaths.erase(row.deaths.begin());
      row.deaths.push_back({WallTime(std::chrono::nanoseconds(transaction.now)), one.code,
                            one.reason, row.attempts});
      break;
  }
  row.suspect = false;
  row.changed = transaction.now;
  row.error = one.reason;
}

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
  max = std::min(max, limits::kFetchMax);
  FetchResult result;
  settled = {};
  int scans = 0;
  bool blindly = max != 0 && last_count_ != 0 && last_count_ <= kFewAtOnce;
  for (int tries = 0;;) {
    Candidates candidates;
    Plan plan;
    const bool writes = blindly || core_->asking([&] {
      if (max == 0) return true;
      const Core::Borrowed reader = core_->reader();
      candidates = read_candidates({reader->after, reader->events, reader->tables},
                                   {max, kScanAtOnce, limits::kStoreBytesAtOnce});
      return !candidates.events.empty() || has_work(*reader, plan);
    });
    core_->set_aside(candidates.damaged, words);
    result.set_aside += candidates.damaged.size();
    const bool behind = candidates.scanned_to > cursor_ + kCursorBehindMax;
    if (!writes && settlements.empty() && !behind) {
      scan_from_ = std::max(scan_from_.load(), candidates.scanned_to);
      result.active = plan.active;
      if (plan.due) result.due = WallTime(std::chrono::nanoseconds(*plan.due));
      // Nothing among so many rows: there may be something behind them.
      result.more = candidates.more && plan.active;
      if (!result.more || ++scans == kScans) return result;
      continue;
    }
    core_->writer->call([&](Transaction& transaction) {
      plan = {.held = held_};
      if (blindly) candidates = read_few(transaction.scan, max);
      transact(transaction, settlements, max, candidates, plan);
      plan.damages = transaction.durables.take_damages();
    });
    blindly = false;
    words.add_damages(std::move(plan.damages));
    take(plan);
    settled.accepted += plan.settled.accepted;
    settled.stale += plan.settled.stale;
    core_->settled += plan.settled.accepted;
    core_->stale += plan.settled.stale;
    settlements = {};
    if (max == 0) return result;
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
    if (!result.more || !result.deliveries.empty()) return result;
    if (plan.stale ? ++tries == kTries : ++scans == kScans) return result;
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
    const bool other = cursor.leader != 0 && cursor.leader != token_;
    if (other && cursor.leader_until > now) {
      if (cursor.leader_until - now > cursor.leader_span + kSetBack) return true;  // set back
      plan.active = false;
      due_at(plan, cursor.leader_until);
      return false;
    }
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

void SqliteConsumer::transact(Transaction& transaction, std::span<const Settlement> settlements,
                              std::size_t max, const Candidates& candidates, Plan& plan) {
  // Parsing what has not changed would be most of the work.
  plan.version = transaction.durables.version(number_);
  if (plan.version == 0 || plan.version != version_) {
    const DurableRow row = require_row(transaction);
    // Of one that is damaged counts what it was opened with.
    plan.patterns = row.sound ? row.spec.patterns : patterns_;
    plan.order = row.sound ? row.spec.order : order_;
  } else {
    plan.patterns = patterns_;
    plan.order = order_;
  }
  settle_all(transaction, settlements, max != 0, plan);
  if (plan.misses) {
    // Its name's number may be what is damaged; then it is nobody's.
    transaction.durables.take_back_strays();
  }
  plan.cursor = cursor_;
  // What is done, or given out here, is to be had by nobody: nobody need look.
  bool is_news =
      plan.misses || std::any_of(settlements.begin(), settlements.end(), [](const Settlement& one) {
        return one.kind != Settlement::Kind::done;
      });
  if (max == 0) {
    if (!is_news) ++transaction.quiet_calls;
    return;
  }
  plan.has_living = transaction.durables.has_living(number_);
  if (plan.has_living && transaction.durables.waits_too_long(number_, transaction.now)) {
    transaction.durables.shorten_waits(number_, transaction.now);
    is_news = true;
  }
  CursorRow cursor = transaction.durables.cursor(number_);
  plan.cursor = cursor.cursor;
  if (plan.order != DurableOrder::relaxed && !lead(transaction, cursor, plan)) {
    if (plan.settled_row) transaction.durables.remove_lease(*plan.settled_row);
    return;
  }
  is_news = reclaim(transaction, plan) || is_news;
  if (transaction.durables.repair(number_)) {
    cursor = transaction.durables.cursor(number_);
    plan.cursor = cursor.cursor;
    plan.has_living = true;
    is_news = true;
  }
  if (plan.patterns != patterns_ || cursor.cursor != cursor_) plan.stale = true;
  claim(transaction, max, candidates, cursor, plan);
  if (plan.settled_row) transaction.durables.remove_lease(*plan.settled_row);
  if (!is_news) ++transaction.quiet_calls;
}

void SqliteConsumer::settle_all(Transaction& transaction, std::span<const Settlement> settlements,
                                bool keeps_row, Plan& plan) {
  struct Checked {
    bool mine = false;
    bool changed = false;
  };
  std::map<std::int64_t, Checked> checked;
  for (const Settlement& one : settlements) {
    auto lease = std::find_if(plan.held.leases.begin(), plan.held.leases.end(), [&](const auto& l) {
      return one.sequence >= l.second.lo && one.sequence <= l.second.hi &&
             !l.second.done.test(static_cast<std::size_t>(one.sequence - l.second.lo));
    });
    if (lease == plan.held.leases.end()) {
      settle_exception(transaction, one, plan);
      continue;
    }
    const auto [known, first] = checked.try_emplace(lease->first);
    if (first) {
      const auto row = transaction.durables.lease(number_, lease->first);
      known->second.mine = row && row->token == token_ && row->until > transaction.now;
      if (!row && lease->second.until > transaction.now) plan.misses = true;
      if (known->second.mine) lease->second.until = row->until;
    }
    if (!known->second.mine) {
      ++plan.settled.stale;
      continue;
    }
    known->second.changed = true;
    lease->second.done.set(static_cast<std::size_t>(one.sequence - lease->second.lo));
    ++plan.settled.accepted;
    if (one.kind == Settlement::Kind::done) continue;
    ExceptionRow row = row_of(one.sequence);
    apply(transaction, one, row);
    transaction.durables.put(number_, row);
  }
  for (const auto& [id, check] : checked) {
    const auto lease = plan.held.leases.find(id);
    if (!check.mine) {
      plan.held.leases.erase(lease);
    } else if (lease->second.done.all(lease->second.size())) {
      if (keeps_row && !plan.settled_row) {
        plan.settled_row = id;
      } else {
        transaction.durables.remove_lease(id);
      }
      plan.held.leases.erase(lease);
    } else if (check.changed) {
      transaction.durables.update_lease(number_, lease->second);
    }
  }
}

void SqliteConsumer::settle_exception(Transaction& transaction, const Settlement& one, Plan& plan) {
  const auto held = plan.held.exceptions.find(one.sequence);
  if (held == plan.held.exceptions.end()) {
    ++plan.settled.stale;
    return;
  }
  const bool lapsed = held->second.until <= transaction.now;
  plan.held.exceptions.erase(held);
  std::optional<ExceptionRow> row = transaction.durables.exception(number_, one.sequence);
  if (!row && !lapsed) plan.misses = true;
  if (!row || row->state != ExceptionState::leased || row->token != token_ ||
      row->until <= transaction.now) {
    ++plan.settled.stale;
    return;
  }
  ++plan.settled.accepted;
  if (one.kind == Settlement::Kind::done) {
    transaction.durables.remove_exception(number_, one.sequence);
    return;
  }
  apply(transaction, one, *row);
  transaction.durables.put(number_, *row);
}

/// Of a name with an order: whether this opening is the active one, or becomes it.
bool SqliteConsumer::lead(Transaction& transaction, CursorRow& cursor, Plan& plan) {
  const std::int64_t now = transaction.now;
  if (cursor.leader != 0 && cursor.leader != token_ && cursor.leader_until > now) {
    if (cursor.leader_until - now > cursor.leader_span + kSetBack) {
      // The clock was set back: it leads for as long as it was to, and not for longer.
      cursor.leader_until = now + cursor.leader_span;
      transaction.durables.put_cursor(number_, cursor);
    }
    plan.active = false;
    due_at(plan, cursor.leader_until);
    return false;
  }
  cursor.leader = token_;
  cursor.leader_until = now + lease_;
  cursor.leader_span = lease_;
  transaction.durables.put_cursor(number_, cursor);
  return true;
}

/// Takes back what lapsed; of a name with an order, all that others hold.
bool SqliteConsumer::reclaim(Transaction& transaction, Plan& plan) {
  bool any = false;
  DurableTables& tables = transaction.durables;
  const std::int64_t now = transaction.now;
  const bool alone = plan.order != DurableOrder::relaxed;
  for (const LeaseRow& lease : tables.leases(number_)) {
    if (lease.until > now && !(alone && lease.token != token_)) {
      if (lease.token != token_) due_at(plan, lease.until);
      continue;
    }
    for (std::size_t i = 0; i < lease.size(); ++i) {
      if (lease.done.test(i)) continue;
      ExceptionRow row = row_of(lease.lo + i);
      row.suspect = true;
      wait(row, 0, now);
      tables.put(number_, row);
    }
    tables.remove_lease(lease.id);
    plan.held.leases.erase(lease.id);
    any = true;
  }
  if (any) plan.has_living = true;
  if (!plan.has_living) return any;
  std::vector<ExceptionRow> out =
      alone ? tables.living(number_)
            : tables.due(number_, ExceptionState::leased, now, limits::kFetchMax);
  for (ExceptionRow& row : out) {
    if (row.state != ExceptionState::leased) continue;
    if (row.until > now && !(alone && row.token != token_)) continue;
    row.suspect = true;
    wait(row, 0, now);
    plan.held.exceptions.erase(row.sequence);
    tables.put(number_, row);
    any = true;
  }
  return any;
}

void SqliteConsumer::claim(Transaction& transaction, std::size_t max, const Candidates& candidates,
                           CursorRow& cursor, Plan& plan) {
  DurableTables& tables = transaction.durables;
  const std::int64_t now = transaction.now;
  const bool strict = plan.order == DurableOrder::strict;
  std::optional<std::uint64_t> held_back;  // strict: nothing beyond it
  std::vector<ExceptionRow> ready;
  if (plan.has_living) {
    if (strict) held_back = tables.lowest_waiting(number_, now);
    ready = tables.due(number_, ExceptionState::waiting, now, limits::kFetchMax);
  }
  if (!strict) {
    // Those that have lapsed seldom first: what kills its holder must not hold up the others.
    std::stable_sort(ready.begin(), ready.end(), [](const auto& a, const auto& b) {
      return (a.suspect ? a.attempts : 0) < (b.suspect ? b.attempts : 0);
    });
  }
  std::size_t suspects = 0;
  bool alone = false;
  std::size_t bytes = 0;
  bool full = false;
  for (const auto& [sequence, row] : plan.held.exceptions) {
    suspects += row.suspect ? 1 : 0;
    alone = alone || (row.suspect && row.attempts > kAloneFrom);
  }
  for (ExceptionRow& row : ready) {
    const bool by_itself = row.suspect && row.attempts >= kAloneFrom;
    const bool room = !row.suspect || (!alone && suspects < (by_itself ? 1 : kSuspectsAtOnce));
    // Nothing else goes with a suspect.
    const bool company = row.suspect ? plan.given.size() > plan.given_suspects : suspects != 0;
    bool waits = !room || company || (held_back && row.sequence > *held_back);
    if (!waits) {
      full = full || plan.given.size() == max;
      const std::size_t size = full ? 0 : tables.bytes_of(row.sequence);
      full = full || (!plan.given.empty() && bytes + size > limits::kStoreBytesAtOnce);
      bytes += size;
      waits = full;
    }
    if (waits) {
      if (strict) held_back = std::min(held_back.value_or(row.sequence), row.sequence);
      continue;
    }
    suspects += row.suspect ? 1 : 0;
    plan.given_suspects += row.suspect ? 1 : 0;
    alone = alone || by_itself;
    row.state = ExceptionState::leased;
    row.token = token_;
    row.span = lease_;
    row.until = now + lease_;
    ++row.attempts;
    tables.put(number_, row);
    plan.held.exceptions.emplace(row.sequence, row);
    plan.given.push_back(std::move(row));
  }
  if (plan.has_living) {
    if (const auto due = tables.next_due(number_, now)) due_at(plan, *due);
  }
  plan.more = plan.stale || full;
  if (plan.more || held_back || suspects != 0) return;

  plan.taken = std::min(candidates.events.size(), max - plan.given.size());
  if (bytes != 0 && bytes + candidates.bytes > limits::kStoreBytesAtOnce) plan.taken = 0;
  const bool all = plan.taken == candidates.events.size();
  plan.more = candidates.more || !all;
  const std::uint64_t cursor_to =
      all ? candidates.scanned_to
          : (plan.taken == 0 ? cursor.cursor : candidates.events[plan.taken - 1].sequence);
  if (plan.taken != 0) {
    LeaseRow lease;
    lease.lo = candidates.events.front().sequence;
    lease.hi = candidates.events[plan.taken - 1].sequence;
    lease.token = token_;
    lease.until = now + lease_;
    lease.span = lease_;
    lease.done = RangeBits(lease.size());
    std::size_t next = 0;
    for (std::uint64_t sequence = lease.lo; sequence <= lease.hi; ++sequence) {
      if (candidates.events[next].sequence == sequence) {
        ++next;
      } else {
        lease.done.set(static_cast<std::size_t>(sequence - lease.lo));
      }
    }
    const auto row = std::exchange(plan.settled_row, std::nullopt);
    lease.id = row ? tables.add_lease_at(*row, number_, lease) : tables.add_lease(number_, lease);
    plan.held.leases.emplace(lease.id, std::move(lease));
  }
  if (cursor_to > cursor.cursor) {
    cursor.cursor = cursor_to;
    tables.put_cursor(number_, cursor);
    plan.moves = true;
    if (moves_ % kSafeEvery == 0) tables.put_safe_cursor(number_);
  }
  plan.cursor = cursor.cursor;
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
      if (!row || row->token != token_ || row->until <= transaction.now) {
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

void SqliteConsumer::give_back(Transaction& transaction, const Rest& rest) {
  DurableTables& tables = transaction.durables;
  const DurableNumber number = rest.number;
  std::optional<DurableRow> name = tables.find(number);
  if (!name) return;
  const bool knows = !name->sound || name->spec.patterns == rest.patterns;
  name->opened = transaction.now;
  keep_row(transaction, *name, rest);
  for (const std::int64_t id : rest.leases) {
    // What has lapsed is not its own any more, and counts.
    const auto row = tables.lease(number, id);
    if (!row || row->token != rest.token || row->until <= transaction.now) continue;
    for (std::size_t i = 0; i < row->size(); ++i) {
      if (row->done.test(i)) continue;
      ExceptionRow one = row_of(row->lo + i);
      one.attempts = 0;
      wait(one, 0, transaction.now);
      tables.put(number, one);
    }
    tables.remove_lease(id);
  }
  for (ExceptionRow& row : tables.with_token(number, rest.token)) {
    if (row.until <= transaction.now) continue;
    if (row.attempts > 0) --row.attempts;
    wait(row, 0, transaction.now);
    tables.put(number, row);
  }
  CursorRow cursor = tables.cursor(number);
  if (knows && cursor.cursor == rest.cursor) cursor.cursor = rest.seen_to;
  if (cursor.leader == rest.token) cursor.leader = 0;
  tables.put_cursor(number, cursor);
  tables.put_safe_cursor(number);
}

}  // namespace busway::sqlite
