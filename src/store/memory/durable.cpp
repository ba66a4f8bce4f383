#include "store/memory/durable.hpp"

#include <algorithm>
#include <utility>

#include "busway/limits.hpp"

namespace busway::store_detail {
namespace {

using std::chrono::nanoseconds;

/// Clocks that are read side by side differ by less than this.
constexpr nanoseconds kStepBack = std::chrono::seconds(1);

std::string failure_text(ErrorCode code, const std::string& reason) {
  const std::string name(to_string(code));
  return reason.empty() ? name : name + ": " + reason;
}

}  // namespace

MemoryDurable::MemoryDurable(const DurableSpec& spec, std::uint64_t cursor, WallTime now)
    : name_(spec.name),
      patterns_(spec.patterns),
      order_(spec.order),
      cursor_(cursor),
      start_(cursor),
      created_(now),
      opened_(now),
      used_(now),
      last_now_(now) {}

void MemoryDurable::enter(Token token, nanoseconds lease, WallTime now) {
  openings_[token].lease = lease;
  opened_ = now;
}

void MemoryDurable::leave(Token token, WallTime now) {
  observe(now);
  const auto known = openings_.find(token);
  if (known == openings_.end()) return;
  while (!known->second.leases.empty()) {
    const std::uint64_t sequence = known->second.leases.begin()->second;
    Delivery& one = deliveries_.at(sequence);
    end_lease(known->second, sequence, one);
    --one.attempts;
    wait(sequence, one, {}, now);
  }
  openings_.erase(known);
  used_ = now;
  if (active_ && active_->token == token) active_.reset();
}

void MemoryDurable::leave_all(WallTime now) {
  while (!openings_.empty()) leave(openings_.begin()->first, now);
}

// -- Moving a delivery between its states ---------------------------------------------------------

void MemoryDurable::wait(std::uint64_t sequence, Delivery& one, nanoseconds after, WallTime now) {
  one.wait = std::clamp(after, nanoseconds::zero(), limits::kRetryDelayMax);
  one.when = now + one.wait;
  queue_of(one).emplace(one.when, sequence);
}

void MemoryDurable::lease_to(Token token, Opening& opening, std::uint64_t sequence, Delivery& one,
                             WallTime now) {
  one.owner = token;
  one.wait = opening.lease;
  one.when = now + one.wait;
  ++one.attempts;
  opening.leases.emplace(one.when, sequence);
  if (!one.suspect) return;
  ++opening.suspects;
  if (one.attempts > 2) ++opening.repeaters;
}

void MemoryDurable::end_lease(Opening& opening, std::uint64_t sequence, Delivery& one) {
  opening.leases.erase({one.when, sequence});
  one.owner.reset();
  if (!one.suspect) return;
  --opening.suspects;
  if (one.attempts > 2) --opening.repeaters;
}

MemoryDurable::Delivery* MemoryDurable::leased(Token token, std::uint64_t sequence) {
  const auto known = deliveries_.find(sequence);
  return known != deliveries_.end() && known->second.owner == token ? &known->second : nullptr;
}

void MemoryDurable::observe(WallTime now) {
  if (now + kStepBack < last_now_) step_back(now);
  last_now_ = now;
  for (auto& [token, opening] : openings_) {
    while (!opening.leases.empty() && opening.leases.begin()->first <= now) {
      const std::uint64_t sequence = opening.leases.begin()->second;
      Delivery& one = deliveries_.at(sequence);
      end_lease(opening, sequence, one);
      one.suspect = true;
      wait(sequence, one, {}, now);
      opening.lapsed = true;
    }
  }
}

void MemoryDurable::step_back(WallTime now) {
  waiting_.clear();
  suspects_.clear();
  for (auto& [token, opening] : openings_) opening.leases.clear();
  for (auto& [sequence, one] : deliveries_) {
    one.when = std::min(one.when, now + one.wait);
    auto& times = one.owner ? openings_.at(*one.owner).leases : queue_of(one);
    times.emplace(one.when, sequence);
  }
  if (active_) active_->until = std::min(active_->until, now + active_->lease);
}

// -- Settling -------------------------------------------------------------------------------------

SettleResult MemoryDurable::settle(Token token, std::span<const Settlement> settlements,
                                   MemoryLetters& letters, WallTime now) {
  observe(now);
  SettleResult result;
  Opening& opening = openings_.at(token);
  for (const Settlement& settlement : settlements) {
    const std::uint64_t sequence = settlement.sequence;
    Delivery* const one = leased(token, sequence);
    if (one == nullptr) {
      ++result.stale;
      continue;
    }
    ++result.accepted;
    end_lease(opening, sequence, *one);
    switch (settlement.kind) {
      case Settlement::Kind::done:
        if (one->redriven) letters.forget(name_, sequence);
        deliveries_.erase(sequence);
        break;
      case Settlement::Kind::retry:
        one->suspect = false;  // it has come back alive
        one->failure = Failure{now, failure_text(settlement.code, settlement.reason)};
        wait(sequence, *one, settlement.after, now);
        break;
      case Settlement::Kind::release:
        --one->attempts;
        wait(sequence, *one, settlement.after, now);
        break;
      case Settlement::Kind::dead_letter:
        letters.bury(name_, sequence,
                     {.time = now,
                      .code = settlement.code,
                      .reason = settlement.reason,
                      .attempts = one->attempts});
        deliveries_.erase(sequence);
        break;
    }
  }
  return result;
}

bool MemoryDurable::renew(Token token, WallTime now) {
  observe(now);
  Opening& opening = openings_.at(token);
  std::set<Moment> renewed;
  for (const auto& [when, sequence] : opening.leases) {
    Delivery& one = deliveries_.at(sequence);
    one.wait = opening.lease;
    one.when = now + one.wait;
    renewed.emplace_hint(renewed.end(), one.when, sequence);
  }
  opening.leases = std::move(renewed);
  if (active_ && active_->token == token && active_->until > now) {
    active_->until = now + opening.lease;
  }
  return !std::exchange(opening.lapsed, false);
}

// -- The name -------------------------------------------------------------------------------------

void MemoryDurable::replace(const DurableSpec& spec) {
  patterns_ = spec.patterns;
  order_ = spec.order;
  start_ = cursor_;
}

void MemoryDurable::redrive(std::uint64_t sequence, WallTime now) {
  Delivery& one = deliveries_[sequence];
  one.redriven = true;
  wait(sequence, one, {}, now);
}

void MemoryDurable::replay(std::uint64_t sequence, WallTime now) {
  wait(sequence, deliveries_[sequence], {}, now);
}

bool MemoryDurable::matches(std::string_view topic) const {
  return std::any_of(patterns_.begin(), patterns_.end(),
                     [&](const Pattern& one) { return one.matches(topic); });
}

DurableInfo MemoryDurable::info(const MemoryLog& log, const MemoryLetters& letters) const {
  DurableInfo info;
  info.name = name_;
  info.patterns = patterns_;
  info.order = order_;
  info.cursor = cursor_;
  info.lag = log.size() - log.first_from(cursor_ + 1);
  for (const auto& [token, opening] : openings_) {
    info.leased += opening.leases.size();
    const bool active = active_ && active_->token == token && active_->until > last_now_;
    if (!opening.leases.empty() || active) ++info.instances;
  }
  info.retrying = waiting_.size() + suspects_.size();
  info.dead_letters = letters.count_of(name_);
  info.created = created_;
  info.opened = opened_;
  return info;
}

DurableCount MemoryDurable::count(const MemoryLog& log, const MemoryLetters& letters) const {
  DurableCount count{.info = info(log, letters), .backlog = deliveries_.size()};
  if (!deliveries_.empty()) {
    count.oldest = log.find(deliveries_.begin()->first)->event.time();
  }
  for (std::size_t at = log.first_from(cursor_ + 1); at < log.size(); ++at) {
    if (!matches(log.at(at).event.topic())) continue;
    ++count.backlog;
    if (!count.oldest) count.oldest = log.at(at).event.time();
  }
  return count;
}

std::optional<StoredDelivery> MemoryDurable::delivery(const MemoryLog::Entry& entry,
                                                      const MemoryLetters& letters) const {
  using State = StoredDelivery::State;
  StoredDelivery delivery;
  delivery.durable = name_;
  const MemoryLetters::Letter* const letter = letters.find(name_, entry.sequence);
  if (letter != nullptr) {
    const StoredLetter::Death& last = letter->history.back();
    delivery.state = State::dead_lettered;
    delivery.attempts = last.attempts;
    delivery.changed = last.time;
    delivery.error = failure_text(last.code, last.reason);
  }
  if (const auto known = deliveries_.find(entry.sequence); known != deliveries_.end()) {
    const Delivery& one = known->second;
    delivery.attempts = one.attempts;
    if (one.failure) {
      delivery.changed = one.failure->time;
      delivery.error = one.failure->text;
    }
    if (one.owner) {
      delivery.state = State::processing;
      delivery.lease_until = one.when;
    } else if (one.attempts == 0) {
      delivery.state = State::pending;
    } else {
      delivery.state = State::retrying;
      delivery.due = one.when;
    }
    return delivery;
  }
  if (letter != nullptr) return delivery;
  if (entry.sequence <= start_ || !matches(entry.event.topic())) return std::nullopt;
  delivery.state = entry.sequence > cursor_ ? State::pending : State::completed;
  return delivery;
}

void MemoryDurable::add_unsettled(std::vector<std::uint64_t>& held) const {
  for (const auto& [sequence, one] : deliveries_) held.push_back(sequence);
}

}  // namespace busway::store_detail
