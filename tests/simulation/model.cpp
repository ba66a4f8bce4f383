// Subscriptions, dead letters and the stop, as they must be.
#include "model.hpp"

#include <algorithm>

#include "serial.hpp"

namespace busway::simulation {

Delivery& Model::add(Sub& sub, EventRecord& event, Origin origin, State state) {
  Delivery& one = deliveries.emplace_back();
  one.sub = &sub;
  one.event = &event;
  one.origin = origin;
  one.state = state;
  one.pushed = ++tick_;
  ++sub.count[static_cast<std::size_t>(state)];
  if (!is_final(state)) sub.open.push_back(&one);
  if (origin == Origin::live) event.live.push_back(&one);
  return one;
}

void Model::set(Delivery& delivery, State state) {
  Sub& sub = *delivery.sub;
  --sub.count[static_cast<std::size_t>(delivery.state)];
  ++sub.count[static_cast<std::size_t>(state)];
  delivery.state = state;
  if (is_final(state)) std::erase(sub.open, &delivery);
}

Sub* Model::find(SubscriptionId id) {
  for (Sub& one : subs) {
    if (one.id == id) return &one;
  }
  return nullptr;
}

Sub& Model::subscribing(Spec spec) {
  Sub& sub = subs.emplace_back();
  sub.number = subs.size();
  sub.async = spec.options.mode == Mode::async;
  sub.retry = spec.options.retry;
  if (!sub.retry && sub.async) sub.retry = options_.retry;
  if (sub.async) sub.timeout = std::chrono::seconds(30);
  sub.timeout = spec.options.timeout.value_or(sub.timeout);
  sub.since = ++tick_;
  sub.changed = tick_;
  sub.active = false;
  sub.spec = std::move(spec);
  return sub;
}

void Model::subscribed(Sub& sub, SubscriptionId id) {
  sub.id = id;
  sub.active = true;
  if (sub.spec.options.replay.from != Replay::From::none) replay(sub);
}

/// The kept past, from the newest back as far as was asked; it is queued oldest first.
void Model::replay(Sub& sub) {
  const Replay& asked = sub.spec.options.replay;
  std::vector<EventRecord*> past;
  const std::size_t kept = std::min(options_.history, history.size());
  for (std::size_t i = 0; i < kept; ++i) {
    EventRecord& event = *event_of(history[history.size() - 1 - i]->serial);
    if (asked.from == Replay::From::last && past.size() >= asked.count) break;
    if (asked.from == Replay::From::since && event.time < asked.time) continue;
    if (!sub.matches(event.topic)) continue;
    if (verdict(sub.spec.filter, event.serial) != Verdict::pass) continue;
    if (seen_lately(sub, event)) continue;
    past.push_back(&event);
  }
  std::reverse(past.begin(), past.end());
  for (EventRecord* one : past) {
    add(sub, *one, Origin::replayed, State::queued);
    sub.replayed.push_back(one);
  }
}

void Model::ended(Sub& sub) {
  if (!sub.active) return;
  sub.active = false;
  sub.changed = ++tick_;
  for (Call* one : running) one->told = one->told || one->delivery->sub == &sub;
  for (Delivery* one : std::vector(sub.open)) {
    if (one->state == State::running || !sub.async) continue;
    if (Letter* letter = letter_of(one->letter)) letter->redriving = false;
    set(*one, State::dropped);
  }
}

void Model::paused(Sub& sub) {
  if (!sub.active || sub.paused) return;
  sub.paused = true;
  sub.changed = ++tick_;
}

void Model::resumed(Sub& sub) {
  if (!sub.active || !sub.paused) return;
  sub.paused = false;
  sub.changed = ++tick_;
}

/// Retries whose time had not come are dropped; what is queued stays.
void Model::stopped() {
  stopped_ = true;
  for (Sub& sub : subs) {
    for (Delivery* one : std::vector(sub.open)) {
      if (one->state != State::waiting || one->due <= now()) continue;
      if (Letter* letter = letter_of(one->letter)) letter->redriving = false;
      set(*one, State::dropped);
      if (sub.spec.options.once) ended(sub);
    }
  }
}

std::size_t Model::bounded(const Sub& sub) {
  return static_cast<std::size_t>(
      std::count_if(sub.open.begin(), sub.open.end(), [](const Delivery* one) {
        return one->state == State::queued && one->origin == Origin::live;
      }));
}

/// The next moment at which something may happen: of a retry or a deadline. What is due by now but
/// blocked waits for another one.
std::optional<SteadyTime> Model::next_due() const {
  std::optional<SteadyTime> next;
  const auto look_at = [&](SteadyTime due) {
    if (due > now() && due != SteadyTime::max() && (!next || due < *next)) next = due;
  };
  for (const Sub& sub : subs) {
    for (const Delivery* one : sub.open) {
      if (one->state == State::waiting) look_at(one->due);
    }
  }
  for (const Call* one : running) look_at(one->deadline);
  return next;
}

std::optional<SteadyTime> Model::end_of_doubt() const {
  for (const Sub& sub : subs) {
    for (const Delivery* one : sub.open) {
      if (one->state == State::waiting && one->due <= now() && now() < one->due_by) {
        return one->due_by;
      }
    }
  }
  return std::nullopt;
}

bool Model::is_blocked(const Sub& sub) const {
  const std::uint64_t running_now = sub.in(State::running);
  // Keys may share a place with the one that waits: which do, the model does not know.
  if (sub.by_key()) return running_now != 0;
  return running_now >= (sub.spec.options.once ? 1 : sub.spec.options.concurrency);
}

void Model::tells_to_end() {
  for (Call* one : running) {
    if (one->deadline <= now()) continue;  // it was given up instead
    one->told = true;
    if (one->stop.stop_requested()) continue;
    fail("a stop signals the stop tokens of what still runs", one->delivery->sub->text());
  }
}

void Model::bus_ended() {
  for (Sub& sub : subs) {
    ended(sub);
    for (Delivery* one : std::vector(sub.open)) set(*one, State::dropped);
  }
}

// -- Dead letters ---------------------------------------------------------------------------------

Letter* Model::letter_of(DeadLetterId id) {
  for (Letter& one : letters) {
    if (one.id == id) return &one;
  }
  return nullptr;
}

void Model::die(Delivery& delivery, Ending ending) {
  const Sub& sub = *delivery.sub;
  const bool late = ending == Ending::late;
  if (Letter* known = letter_of(delivery.letter)) {
    known->deaths = std::min<std::size_t>(known->deaths + 1, 16);
    known->attempts = delivery.attempts;
    known->late = late;
    known->redriving = false;
  } else {
    const DeadLetterId id = next_letter++;
    const std::string& name = sub.spec.options.name;
    letters.push_back({.id = id,
                       .event = delivery.event,
                       .sub = sub.id,
                       .name = name,
                       .owner = sub.spec.options.owner,
                       .attempts = delivery.attempts,
                       .late = late});
    if (letters.size() > options_.dead_letters) {
      letters.pop_front();
      ++fallen_out;
    }
  }
  set(delivery, State::dead_lettered);
}

Sub* Model::receiver_of(const Letter& letter) {
  for (Sub& one : subs) {
    if (one.active && one.id == letter.sub) return &one;
  }
  for (Sub& one : subs) {
    const SubscriptionOptions& options = one.spec.options;
    if (one.active && one.async && !options.name.empty() && options.name == letter.name &&
        options.owner == letter.owner) {
      return &one;
    }
  }
  return nullptr;
}

RedriveResult Model::redriven(const std::vector<DeadLetterId>& ids) {
  RedriveResult result;
  for (const DeadLetterId id : ids) {
    Letter* letter = letter_of(id);
    if (letter == nullptr) {
      ++result.not_found;
      continue;
    }
    Sub* to = receiver_of(*letter);
    if (to == nullptr) {
      ++result.no_subscription;
    } else if (letter->redriving) {
      ++result.on_their_way;
    } else {
      letter->redriving = true;
      add(*to, *letter->event, Origin::redriven, State::queued).letter = id;
      ++result.sent;
    }
  }
  return result;
}

std::size_t Model::purged(const std::vector<DeadLetterId>& ids) {
  return std::erase_if(letters, [&](const Letter& one) {
    return !one.redriving && std::find(ids.begin(), ids.end(), one.id) != ids.end();
  });
}

/// The delivery that a letter without a call behind it is of.
Delivery* Model::refused_delivery(const DeadLetter& letter) {
  const DeadLetterId known = letter_of(letter.id) != nullptr ? letter.id : 0;
  for (Sub& sub : subs) {
    // A letter that was sent again may have gone to another one of the same name.
    if (known == 0 && sub.id != letter.subscription) continue;
    for (Delivery* one : sub.open) {
      if (one->state != State::running && one->attempts == letter.last().attempts &&
          one->letter == known && one->event->serial == serial_of(letter.event)) {
        return one;
      }
    }
  }
  return nullptr;
}

/// A delivery was given up without a call: its breaker was open, or the time of all its attempts
/// was over before the next could begin.
void Model::not_called(const DeadLetter& letter) {
  const std::string what = "the letter " + std::to_string(letter.id);
  Delivery* const delivery = refused_delivery(letter);
  if (delivery == nullptr) {
    return fail("exactly one outcome a delivery", what + " is of no delivery that is open");
  }
  Sub& sub = *delivery->sub;
  const bool over = letter.last().reason.ends_with("(no retry: the total time is used up)");
  if (over) {
    if (now() < total_ends(*delivery)) fail("an attempt is made while its total lasts", what);
  } else {
    const ModelBreaker& breaker = sub.breaker;
    if (letter.last().code != ErrorCode::breaker_open || !breaker.open ||
        (!breaker.probing && now() >= breaker.until)) {
      fail("only what failed or met an open breaker is a dead letter",
           what + " of event " + std::to_string(delivery->event->serial) + " at " + sub.text() +
               ": " + letter.last().reason);
    }
    ++sub.breaker.refused;
  }
  say("it is given up without a call: event " + std::to_string(delivery->event->serial) + " at " +
      sub.text());
  die(*delivery, letter.last().code == ErrorCode::timed_out ? Ending::late : Ending::fails);
  if (sub.spec.options.once) ended(sub);
}

}  // namespace busway::simulation
