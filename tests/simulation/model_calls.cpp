// What a call of a handler must be, and what must become of its delivery.
#include <algorithm>

#include "model.hpp"

namespace busway::simulation {
namespace {

std::string text(const Delivery& one) {
  return "event " + std::to_string(one.event->serial) + " (" + one.event->topic + ") at " +
         one.sub->text() + ", attempt " + std::to_string(one.attempts);
}

bool is_well(Ending ending) { return ending == Ending::done; }

}  // namespace

Delivery* Model::find_queued(Sub& sub, EventRecord& event, unsigned attempt) {
  Delivery* found = nullptr;
  for (Delivery* one : sub.open) {
    if (one->event != &event || one->attempts + 1 != attempt) continue;
    if (one->state != (attempt == 1 ? State::queued : State::waiting)) continue;
    if (found == nullptr || one->due < found->due) found = one;
  }
  if (found == nullptr) {
    fail("exactly one outcome a delivery", "event " + std::to_string(event.serial) + " at " +
                                               sub.text() + ", attempt " + std::to_string(attempt) +
                                               ": nobody expected it");
  }
  return found;
}

SteadyTime Model::total_ends(const Delivery& delivery) {
  const std::optional<RetryPolicy>& retry = delivery.sub->retry;
  return retry && retry->total ? delivery.began + *retry->total : SteadyTime::max();
}

Call* Model::begin_call(Sub& sub, EventRecord& event, unsigned attempt, unsigned hops) {
  look();
  if (!sub.async) settle_wait(event);  // all is queued before the first of these runs
  const std::string what = "event " + std::to_string(event.serial) + " at " + sub.text();
  if (!sub.active) {
    fail("no delivery after the unsubscribe or before the subscribe", what);
  }
  if (sub.paused && attempt == 1) fail("a paused subscription is not called", what);
  if (hops != event.hops || hops > options_.max_hops) fail("the hop limit holds", what);
  Delivery* one = sub.async ? find_queued(sub, event, attempt) : begin_sync(sub, event, attempt);
  if (one == nullptr) return nullptr;
  // A letter goes to the one of the name, whatever that listens to.
  if (!sub.matches(event.topic) && one->origin != Origin::redriven) {
    fail("no delivery of an event that does not match", what);
  }
  if (sub.async) {
    if (sub.paused) fail("a paused subscription is not called", what);
    const std::size_t at_once = sub.spec.options.once ? 1 : sub.spec.options.concurrency;
    if (sub.in(State::running) >= at_once) fail("concurrency is never exceeded", what);
    check_order(*one);
  }
  if (sub.spec.options.once) {
    if (sub.handled != nullptr && sub.handled != &event) fail("once is exactly one event", what);
    sub.handled = &event;
  }
  if (++one->attempts == 1) one->began = now();
  if (sub.async || attempt == 1) ask_breaker(*one);
  set(*one, State::running);
  Call& call = calls_.emplace_back();
  call.delivery = one;
  call.task = sub.async || event.by_async;
  call.began = now();
  if (sub.timeout != std::chrono::nanoseconds::max()) {
    call.deadline = std::min(now() + sub.timeout, total_ends(*one));
  }
  if (now() > total_ends(*one)) fail("no attempt begins after the total", text(*one));
  stack_.push_back({.call = &call});
  running.push_back(&call);
  return &call;
}

bool Model::leave_stack(const Call& call) {
  if (stack_.empty() || stack_.back().call != &call) {
    fail("calls end in the order they were begun", text(*call.delivery));
    return false;
  }
  stack_.pop_back();
  return true;
}

void Model::suspend(Call& call) {
  look();
  if (leave_stack(call)) call.suspended = true;
}

void Model::resume(Call& call) {
  look();
  if (!call.suspended) fail("a coroutine goes on once for each wait", text(*call.delivery));
  call.suspended = false;
  stack_.push_back({.call = &call});
}

/// The bus has given the call up: it must be late, and its delivery is settled as any late one.
void Model::settle_late(Call& call) {
  if (now() < call.deadline) fail("no call is given up before its deadline", text(*call.delivery));
  say("the bus has given up " + text(*call.delivery));
  call.given_up = true;
  std::erase(running, &call);
  settle(*call.delivery, Ending::late, {});
}

/// First attempts come in the order published, retries not before their time, and where the order
/// is strict nothing passes one that waits.
void Model::check_order(const Delivery& mine) {
  const Sub& sub = *mine.sub;
  if (mine.state == State::waiting && now() < mine.due) fail("no retry is early", text(mine));
  const bool ordered = sub.by_key() || sub.spec.options.concurrency == 1 || sub.spec.options.once;
  for (const Delivery* one : sub.open) {
    if (one == &mine || (sub.by_key() && one->event->key != mine.event->key)) continue;
    if (sub.is_strict() && one->state == State::waiting) {
      fail("strict order: nothing passes a retry that waits", text(mine) + " passed " + text(*one));
    }
    if (!ordered || mine.attempts != 0 || one->state != State::queued) continue;
    const bool passed =
        mine.origin == Origin::live && one->origin == Origin::live
            ? one->event->priority == mine.event->priority && one->event->must_precede(*mine.event)
            : one->origin == Origin::replayed && one->pushed < mine.pushed;
    if (passed) fail("the order of a publisher is kept", text(mine) + " passed " + text(*one));
  }
}

/// Synchronous handlers run by priority, then by age.
void Model::check_turn(Sub& sub, const EventRecord& event) {
  if (event.called.empty()) return;
  const Sub& last = *event.called.back();
  const int before = last.spec.options.priority;
  const int mine = sub.spec.options.priority;
  if (before > mine || (before == mine && last.number < sub.number)) return;
  fail("synchronous handlers run by priority, then by age",
       "event " + std::to_string(event.serial) + ": " + sub.text() + " after " + last.text());
}

Delivery* Model::begin_sync(Sub& sub, EventRecord& event, unsigned attempt) {
  if (attempt > 1) return find_queued(sub, event, attempt);
  const std::string what = "event " + std::to_string(event.serial) + " at " + sub.text();
  if (sub.since > event.tick)
    fail("no delivery after the unsubscribe or before the subscribe", what);
  if (std::find(event.called.begin(), event.called.end(), &sub) != event.called.end()) {
    fail("exactly one outcome a delivery", what + ": called twice");
  }
  if (!event.by_async && (stack_.empty() || stack_.back().publish != &event)) {
    fail("a synchronous handler runs inside its publish", what);
  }
  if (verdict(sub.spec.filter, event.serial) != Verdict::pass) {
    fail("no delivery of an event that a filter rejects", what);
  }
  if (seen_lately(sub, event)) fail("dedupe: an id is delivered once in its window", what);
  if (event.by_async) {
    for (const EventRecord& later : events) {
      if (later.by_async && later.priority == event.priority && event.must_precede(later) &&
          std::find(later.called.begin(), later.called.end(), &sub) != later.called.end()) {
        fail("the order of a publisher is kept",
             what + " after event " + std::to_string(later.serial));
      }
    }
  }
  check_turn(sub, event);
  event.called.push_back(&sub);
  return &add(sub, event, Origin::live, State::queued);
}

void Model::ask_breaker(Delivery& delivery) {
  Sub& sub = *delivery.sub;
  delivery.probe = false;
  if (!sub.spec.options.breaker || !sub.breaker.open) return;
  if (sub.breaker.probing || now() < sub.breaker.until) {
    fail("an open breaker lets no call through but the probe", text(delivery));
  }
  sub.breaker.probing = true;
  delivery.probe = true;
}

void Model::tell_breaker(Delivery& delivery, bool well) {
  Sub& sub = *delivery.sub;
  if (!sub.spec.options.breaker) return;
  ModelBreaker& breaker = sub.breaker;
  if (delivery.probe) breaker.probing = false;
  if (breaker.open && !delivery.probe) return;
  if (well) {
    breaker.open = false;
    breaker.in_a_row = 0;
    return;
  }
  if (!delivery.probe && ++breaker.in_a_row < sub.spec.options.breaker->failures) return;
  breaker.in_a_row = 0;
  breaker.open = true;
  breaker.until = now() + sub.spec.options.breaker->open_for;
  ++breaker.opened;
}

/// Whether there is another attempt, and when it is due.
bool Model::again(Delivery& delivery, Ending ending, std::chrono::nanoseconds after) const {
  const Sub& sub = *delivery.sub;
  if (!sub.retry || ending == Ending::dead_letters || !sub.active) return false;
  const unsigned made = delivery.attempts - 1;
  if (made >= sub.retry->max_retries) return false;
  const bool asked = ending == Ending::asks_again;
  if (!asked && sub.spec.retry_if != RetryIf::unset) return false;
  std::chrono::nanoseconds delay = asked ? after : sub.retry->initial_delay;
  if (!asked) {
    for (unsigned i = 0; i < made && delay < sub.retry->max_delay; ++i) {
      delay *= static_cast<int>(sub.retry->backoff_factor);
    }
    delay = std::min(delay, sub.retry->max_delay);
  }
  if (now() + delay >= total_ends(delivery)) return false;
  // A synchronous one waits on the thread that moves the clock: it would wait for ever.
  if (!sub.async && delay > delay.zero()) return false;
  delivery.due = delivery.due_by = now() + delay;
  if (asked || sub.retry->jitter == 0.0) return true;
  const double least = static_cast<double>(delay.count()) * (1.0 - sub.retry->jitter);
  delivery.due = now() + std::chrono::nanoseconds(static_cast<std::int64_t>(least));
  return true;
}

void Model::end_call(Call& call, Ending ending, std::chrono::nanoseconds after) {
  look();
  if (!leave_stack(call) || call.given_up) return;  // a late result is discarded
  std::erase(running, &call);
  settle(*call.delivery, now() >= call.deadline ? Ending::late : ending, after);
}

void Model::settle(Delivery& delivery, Ending ending, std::chrono::nanoseconds after) {
  Sub& sub = *delivery.sub;
  EventRecord& event = *delivery.event;
  const bool well = is_well(ending);
  const bool once_more = !well && again(delivery, ending, after);
  if (sub.async || !once_more) tell_breaker(delivery, well);
  if (once_more) {
    ++sub.retried;
    set(delivery, State::waiting);
    return;
  }
  if (well) {
    std::erase_if(letters, [&](const Letter& one) { return one.id == delivery.letter; });
    set(delivery, State::delivered);
  } else if (sub.async) {
    die(delivery, ending);
  } else {
    set(delivery, ending == Ending::late ? State::timed_out : State::failed);
  }
  if (!sub.async && !event.by_async) {
    ++(well ? event.delivered : event.failed);
    if (!well) ++event.named_failures;
  }
  if (sub.spec.options.once) ended(sub);
}

}  // namespace busway::simulation
