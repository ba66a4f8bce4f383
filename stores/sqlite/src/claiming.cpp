// What a consumer does within one transaction: settles, takes back, gives out, gives back.
#include <algorithm>
#include <limits>
#include <utility>

#include "busway/error.hpp"
#include "busway/limits.hpp"
#include "sqlite_consumer.hpp"

namespace busway::sqlite {
namespace {

/// Of those whose last holder died or hung, so many are out at once, and nothing else with them: if
/// one of them is what it died of, few others are counted an attempt with it. One that has lapsed
/// more than once is out alone.
constexpr std::size_t kSuspectsAtOnce = 4;
constexpr unsigned kAloneFrom = 2;
/// Moves of the cursor between two safe ones.
constexpr std::size_t kSafeEvery = 256;

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

}  // namespace

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
    if (!is_news) ++transaction.quiet_calls;
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
      known->second.mine = row && is_mine(*row, lease->second, transaction.now);
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

/// Of the file's row with the id of a lease that is held here. Rows are used again: after a commit
/// that failed, and is found in the log all the same, it may be of another range.
bool SqliteConsumer::is_mine(const LeaseRow& row, const LeaseRow& held, std::int64_t now) const {
  return row.token == token_ && row.until > now && row.lo == held.lo && row.hi == held.hi;
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
