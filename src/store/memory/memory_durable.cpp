#include "store/memory/memory_durable.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "busway/error.hpp"
#include "busway/limits.hpp"

namespace busway::store_detail {
namespace {

/// Of those whose last holder died or hung, so many are given out at once: if one of them is what
/// it died of, few others are counted an attempt with it.
constexpr std::size_t kSuspectsAtOnce = 4;

std::uint64_t start_of(const DurableSpec& spec, const MemoryLog& log) {
  switch (spec.start.from) {
    case Replay::From::none: return log.last();
    case Replay::From::beginning: return 0;
    case Replay::From::sequence: return spec.start.position == 0 ? 0 : spec.start.position - 1;
    case Replay::From::since:
    case Replay::From::last: break;
  }
  std::size_t found = 0;
  std::uint64_t sequence = log.last();
  for (; log.first() != 0 && sequence >= log.first(); --sequence) {
    const MemoryLog::Entry* const entry = log.find(sequence);
    if (entry == nullptr) continue;
    if (spec.start.from == Replay::From::since) {
      if (entry->event.time() < spec.start.time) return sequence;
      continue;
    }
    const std::string_view topic = entry->event.topic();
    const bool matches =
        std::any_of(spec.patterns.begin(), spec.patterns.end(),
                    [topic](const Pattern& pattern) { return pattern.matches(topic); });
    if (matches && ++found > spec.start.count) return sequence;
  }
  return sequence;
}

}  // namespace

MemoryDurable::MemoryDurable(const DurableSpec& spec, const MemoryLog& log, WallTime now)
    : log_(log), start_(start_of(spec, log)) {
  info_.name = spec.name;
  info_.patterns = spec.patterns;
  info_.order = spec.order;
  info_.cursor = start_;
  info_.created = now;
  info_.opened = now;
}

void MemoryDurable::reopen(const DurableSpec& spec, WallTime now) {
  if (spec.on_change == OnChange::replace) {
    info_.patterns = spec.patterns;
    info_.order = spec.order;
  } else {
    require_same(spec, info_.patterns, info_.order);
  }
  info_.opened = now;
}

bool MemoryDurable::matches(std::string_view topic) const {
  return std::any_of(info_.patterns.begin(), info_.patterns.end(),
                     [topic](const Pattern& pattern) { return pattern.matches(topic); });
}

/// Of a name with an order: whether this opening is the active one, or becomes it.
bool MemoryDurable::take_lead(Token token, std::chrono::nanoseconds lease, WallTime now) {
  if (leader_ != token && leader_ != 0 && leader_until_ > now && leader_until_ - now <= lease) {
    return false;
  }
  leader_ = token;
  leader_until_ = now + lease;
  return true;
}

/// Takes back what lapsed; of a name with an order, all that others hold.
void MemoryDurable::reclaim(Token token, WallTime now) {
  for (auto& [sequence, item] : items_) {
    if (item.state == State::dead) continue;
    // A clock that was set back would make a wait longer than it was asked for.
    if (item.until - now > item.span) item.until = now + item.span;
    if (item.state != State::leased) continue;
    const bool overtaken = info_.order != DurableOrder::relaxed && item.token != token;
    if (item.until > now && !overtaken) continue;
    item.suspect = true;
    wait(item, std::chrono::nanoseconds::zero(), now);
  }
}

void MemoryDurable::wait(Item& item, std::chrono::nanoseconds after, WallTime now) {
  item.state = State::waiting;
  item.token = 0;
  item.span = std::max(after, std::chrono::nanoseconds::zero());
  item.until = now + item.span;
}

void MemoryDurable::give_out(std::uint64_t sequence, Item& item, Token token,
                             std::chrono::nanoseconds lease, WallTime now, FetchResult& result) {
  item.state = State::leased;
  item.token = token;
  item.span = lease;
  item.until = now + lease;
  ++item.attempts;
  result.deliveries.push_back({.event = log_.find(sequence)->event,
                               .sequence = sequence,
                               .attempt = item.attempts,
                               .redriven = item.letter != 0});
}

FetchResult MemoryDurable::fetch(Token token, std::chrono::nanoseconds lease, std::size_t max,
                                 WallTime now) {
  FetchResult result;
  max = std::min(max, limits::kFetchMax);
  if (info_.order != DurableOrder::relaxed && !take_lead(token, lease, now)) {
    result.active = false;
    result.due = leader_until_;
    return result;
  }
  reclaim(token, now);
  const auto due = [&](WallTime when) {
    result.due = result.due ? std::min(*result.due, when) : when;
  };
  std::size_t suspects = 0;
  bool held = false;  // strict: an earlier one waits
  for (auto& [sequence, item] : items_) {
    if (item.state == State::dead) continue;
    if (item.state == State::leased) {
      if (item.token != token) due(item.until);
      suspects += item.suspect ? 1 : 0;
      continue;
    }
    const bool ready = item.until <= now && !(item.suspect && suspects >= kSuspectsAtOnce);
    if (!ready || held || result.deliveries.size() >= max) {
      if (item.until > now) due(item.until);
      held = held || info_.order == DurableOrder::strict;
      continue;
    }
    suspects += item.suspect ? 1 : 0;
    give_out(sequence, item, token, lease, now, result);
  }
  while (!held && result.deliveries.size() < max && info_.cursor < log_.last()) {
    const std::uint64_t sequence = ++info_.cursor;
    const MemoryLog::Entry* const entry = log_.find(sequence);
    if (entry == nullptr || !matches(entry->event.topic())) continue;
    give_out(sequence, items_[sequence], token, lease, now, result);
  }
  return result;
}

SettleResult MemoryDurable::settle(Token token, std::span<const Settlement> settlements,
                                   WallTime now, std::uint64_t& next_letter) {
  SettleResult result;
  for (const Settlement& one : settlements) {
    const auto place = items_.find(one.sequence);
    if (place == items_.end() || place->second.state != State::leased ||
        place->second.token != token || place->second.until <= now) {
      ++result.stale;
      continue;
    }
    ++result.accepted;
    Item& item = place->second;
    switch (one.kind) {
      case Settlement::Kind::done: items_.erase(place); continue;
      case Settlement::Kind::release:
        --item.attempts;
        wait(item, one.after, now);
        continue;
      case Settlement::Kind::retry: wait(item, one.after, now); break;
      case Settlement::Kind::dead_letter:
        item.state = State::dead;
        item.token = 0;
        if (item.letter == 0) item.letter = next_letter++;
        if (item.history.size() == limits::kDeathsMax) item.history.erase(item.history.begin());
        item.history.push_back({now, one.code, one.reason, item.attempts});
        break;
    }
    item.suspect = false;
    item.changed = now;
    item.error = one.reason;
  }
  return result;
}

bool MemoryDurable::renew(Token token, std::chrono::nanoseconds lease, WallTime now) {
  bool all = true;
  for (auto& [sequence, item] : items_) {
    if (item.state != State::leased || item.token != token) continue;
    if (item.until <= now) {
      all = false;
      continue;
    }
    item.span = lease;
    item.until = now + lease;
  }
  if (leader_ == token) leader_until_ = now + lease;
  return all;
}

void MemoryDurable::give_back(Token token, WallTime now) {
  for (auto& [sequence, item] : items_) {
    if (item.state != State::leased || item.token != token) continue;
    --item.attempts;
    wait(item, std::chrono::nanoseconds::zero(), now);
  }
  if (leader_ == token) leader_ = 0;
}

bool MemoryDurable::needs(std::uint64_t sequence, std::string_view topic) const {
  return items_.contains(sequence) || (sequence > info_.cursor && matches(topic));
}

std::optional<StoredDelivery> MemoryDurable::delivery_of(std::uint64_t sequence,
                                                         std::string_view topic) const {
  const auto place = items_.find(sequence);
  if (place == items_.end() && (sequence <= start_ || !matches(topic))) return std::nullopt;
  StoredDelivery out{.durable = info_.name};
  if (place == items_.end()) {
    out.state =
        sequence > info_.cursor ? StoredDelivery::State::pending : StoredDelivery::State::completed;
    return out;
  }
  const Item& item = place->second;
  out.attempts = item.attempts;
  out.error = item.error;
  if (!item.error.empty() || item.changed != WallTime{}) out.changed = item.changed;
  switch (item.state) {
    case State::leased: out.state = StoredDelivery::State::processing; break;
    case State::dead: out.state = StoredDelivery::State::dead_lettered; break;
    case State::waiting:
      out.state =
          item.attempts == 0 ? StoredDelivery::State::pending : StoredDelivery::State::retrying;
      out.due = item.until;
      break;
  }
  return out;
}

DurableInfo MemoryDurable::info(WallTime now) const {
  DurableInfo out = info_;
  out.lag = log_.last() - std::min(log_.last(), info_.cursor);
  std::set<Token> holders;
  for (const auto& [sequence, item] : items_) {
    switch (item.state) {
      case State::leased:
        ++out.leased;
        if (item.until > now) holders.insert(item.token);
        break;
      case State::waiting: ++out.retrying; break;
      case State::dead: break;
    }
    out.dead_letters += item.letter != 0 ? 1 : 0;
  }
  if (leader_ != 0 && leader_until_ > now) holders.insert(leader_);
  out.instances = holders.size();
  return out;
}

std::size_t MemoryDurable::dead_letters() const {
  return static_cast<std::size_t>(std::count_if(
      items_.begin(), items_.end(), [](const auto& one) { return one.second.letter != 0; }));
}

void MemoryDurable::redrive(std::uint64_t sequence, WallTime now) {
  Item& item = items_.at(sequence);
  item.attempts = 0;
  item.suspect = false;
  wait(item, std::chrono::nanoseconds::zero(), now);
}

}  // namespace busway::store_detail
