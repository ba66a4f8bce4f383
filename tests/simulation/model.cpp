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
    if (asked.from == Replay::From::since && event.time < asked.time) break;
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

std::optional<SteadyTime> Model::next_due() const {
  std::optional<SteadyTime> due;
  for (const Sub& sub : subs) {
    for (const Delivery* one : sub.open) {
      if (one->state == State::waiting && (!due || one->due < *due)) due = one->due;
    }
  }
  return due;
}

// -- Dead letters ---------------------------------------------------------------------------------

Letter* Model::letter_of(DeadLetterId id) {
  for (Letter& one : letters) {
    if (one.id == id) return &one;
  }
  return nullptr;
}

void Model::die(Delivery& delivery) {
  const Sub& sub = *delivery.sub;
  if (Letter* known = letter_of(delivery.letter)) {
    known->deaths = std::min<std::size_t>(known->deaths + 1, 16);
    known->attempts = delivery.attempts;
    known->redriving = false;
  } else {
    const DeadLetterId id = next_letter++;
    const std::string& name = sub.spec.options.name;
    letters.push_back({.id = id,
                       .event = delivery.event,
                       .sub = sub.id,
                       .name = name,
                       .owner = sub.spec.options.owner,
                       .attempts = delivery.attempts});
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

/// A delivery was given up without a call: its breaker must have been open.
void Model::refused_by_breaker(const DeadLetter& letter) {
  const std::string what = "the letter " + std::to_string(letter.id);
  Delivery* const delivery = refused_delivery(letter);
  if (delivery == nullptr) {
    return fail("exactly one outcome a delivery", what + " is of no delivery that is open");
  }
  Sub& sub = *delivery->sub;
  if (letter.last().code != ErrorCode::breaker_open || sub.breaker.opened == 0) {
    fail("only what failed or met an open breaker is a dead letter", what);
  }
  ++sub.breaker.refused;
  die(*delivery);
  if (sub.spec.options.once) ended(sub);
}

}  // namespace busway::simulation
