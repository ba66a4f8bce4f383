// What a fetch gives out, and in which order.
#include <algorithm>

#include "busway/limits.hpp"
#include "store/memory/durable.hpp"

namespace busway::store_detail {

struct MemoryDurable::Fetch {
  Token token;
  Opening& opening;
  std::size_t max;
  const MemoryLog& log;
  WallTime now;
  FetchResult result{};
  bool more = false;  // there is more now than was taken

  [[nodiscard]] bool full() const noexcept { return result.deliveries.size() >= max; }
};

/// Nothing: this opening is the active one now. Else how long another one is.
std::optional<WallTime> MemoryDurable::activate(Token token, Opening& opening, WallTime now) {
  if (active_ && active_->token != token) {
    if (active_->until > now) return active_->until;
    if (const auto old = openings_.find(active_->token); old != openings_.end()) {
      old->second.lapsed = true;
    }
  }
  // They have leases where the name was relaxed when they fetched.
  for (const auto& [other, others] : openings_) {
    if (other != token && !others.leases.empty()) return others.leases.rbegin()->first;
  }
  active_ = Activity{token, now + opening.lease, opening.lease};
  return std::nullopt;
}

FetchResult MemoryDurable::fetch(Token token, std::size_t max, const MemoryLog& log, WallTime now) {
  observe(now);
  Opening& opening = openings_.at(token);
  if (order_ != DurableOrder::relaxed) {
    if (const auto until = activate(token, opening, now)) {
      FetchResult standing_by;
      standing_by.due = until;
      standing_by.active = false;
      return standing_by;
    }
  }
  Fetch fetch{token, opening, std::min(max, limits::kFetchMax), log, now};
  if (order_ == DurableOrder::strict) {
    if (give_in_order(fetch)) give_new(fetch);
  } else {
    give_suspects(fetch);
    if (fetch.result.deliveries.empty()) {
      give_waiting(fetch);
      give_new(fetch);
    } else {
      fetch.more = true;  // what is no suspect comes by itself
    }
  }
  auto& given = fetch.result.deliveries;
  std::sort(given.begin(), given.end(),
            [](const Leased& a, const Leased& b) { return a.sequence < b.sequence; });
  if (!fetch.result.due) fetch.result.due = fetch.more ? now : next_due(token);
  return std::move(fetch.result);
}

bool MemoryDurable::admits(const Opening& opening, const Delivery& one) noexcept {
  const bool repeats = one.attempts >= 2;
  return repeats ? opening.suspects == 0
                 : opening.repeaters == 0 && opening.suspects < kSuspectsAtOnce;
}

void MemoryDurable::give(Fetch& fetch, std::uint64_t sequence, Delivery& one) {
  queue_of(one).erase({one.when, sequence});
  lease_to(fetch.token, fetch.opening, sequence, one, fetch.now);
  fetch.result.deliveries.push_back({.event = fetch.log.find(sequence)->event,
                                     .sequence = sequence,
                                     .attempt = one.attempts,
                                     .redriven = one.redriven});
}

void MemoryDurable::give_suspects(Fetch& fetch) {
  while (!suspects_.empty() && suspects_.begin()->first <= fetch.now) {
    const std::uint64_t sequence = suspects_.begin()->second;
    Delivery& one = deliveries_.at(sequence);
    if (!admits(fetch.opening, one)) return;
    if (fetch.full()) {
      fetch.more = true;
      return;
    }
    give(fetch, sequence, one);
  }
}

void MemoryDurable::give_waiting(Fetch& fetch) {
  while (!waiting_.empty() && waiting_.begin()->first <= fetch.now) {
    if (fetch.full()) {
      fetch.more = true;
      return;
    }
    const std::uint64_t sequence = waiting_.begin()->second;
    give(fetch, sequence, deliveries_.at(sequence));
  }
}

/// False: what waits holds back all that comes after it.
bool MemoryDurable::give_in_order(Fetch& fetch) {
  if (waiting_.empty() && suspects_.empty()) return true;
  bool suspects_only = false;
  for (auto& [sequence, one] : deliveries_) {
    if (one.owner) continue;
    if (one.when > fetch.now) {
      fetch.result.due = one.when;
      return false;
    }
    const bool first = fetch.result.deliveries.empty();
    const bool fits = first || one.suspect == suspects_only;
    if (!fits || fetch.full()) {
      fetch.more = true;
      return false;
    }
    if (one.suspect && !admits(fetch.opening, one)) return false;
    suspects_only = one.suspect;
    give(fetch, sequence, one);
  }
  fetch.more = suspects_only;
  return !suspects_only;
}

void MemoryDurable::give_new(Fetch& fetch) {
  std::size_t passed = 0;
  std::size_t index = fetch.log.first_from(cursor_ + 1);
  for (; index < fetch.log.size(); ++index) {
    const MemoryLog::Entry& entry = fetch.log.at(index);
    if (!matches(entry.event.topic())) {
      if (++passed > kScanAtOnce) break;
      cursor_ = entry.sequence;
      continue;
    }
    if (fetch.full()) break;
    Delivery& one = deliveries_[entry.sequence];
    cursor_ = entry.sequence;
    lease_to(fetch.token, fetch.opening, entry.sequence, one, fetch.now);
    fetch.result.deliveries.push_back(
        {.event = entry.event, .sequence = entry.sequence, .attempt = one.attempts});
  }
  if (index < fetch.log.size()) fetch.more = true;
}

std::optional<WallTime> MemoryDurable::next_due(Token token) const {
  std::optional<WallTime> due;
  const auto add = [&](WallTime time) { due = due ? std::min(*due, time) : time; };
  // What is due and was not given is held back until what goes before it is settled: that is news.
  for (const auto* queue : {&waiting_, &suspects_}) {
    const auto later = queue->lower_bound({last_now_ + std::chrono::nanoseconds(1), 0});
    if (later != queue->end()) add(later->first);
  }
  for (const auto& [other, opening] : openings_) {
    if (other != token && !opening.leases.empty()) add(opening.leases.begin()->first);
  }
  return due;
}

}  // namespace busway::store_detail
