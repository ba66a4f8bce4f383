// What a publish must do: whom it reaches, what a full mailbox does, what its result says.
#include <algorithm>

#include "model.hpp"

namespace busway::simulation {
namespace {

bool has(const std::vector<const Sub*>& list, const Sub& one) {
  return std::find(list.begin(), list.end(), &one) != list.end();
}

bool is_same_event(const EventRecord& a, const EventRecord& b) {
  return &a == &b || (!a.id.is_nil() && a.id == b.id);
}

std::string text(const EventRecord& event, const Sub& sub) {
  return "event " + std::to_string(event.serial) + " (" + event.topic + ") and " + sub.text();
}

}  // namespace

const EventRecord* Model::cause() const noexcept {
  for (auto at = stack_.rbegin(); at != stack_.rend(); ++at) {
    if (at->call != nullptr) return at->call->delivery->event;
  }
  return nullptr;
}

EventRecord& Model::new_event(std::string topic, std::string key, Priority priority,
                              bool by_async) {
  EventRecord& event = events.emplace_back();
  event.serial = events.size();
  event.topic = std::move(topic);
  event.key = std::move(key);
  event.priority = priority;
  event.by_async = by_async;
  return event;
}

void Model::begin_publish(EventRecord& event) {
  look();
  event.begun = true;
  event.tick = ++tick_;
  event.time = clock_.wall();
  event.steady = now();
  const EventRecord* const from = cause();
  event.hops = from != nullptr ? from->hops + 1 : 0;
  std::uint64_t outermost = 0;  // the publish that waits for us to end
  for (const Entry& entry : stack_) {
    if (entry.publish != nullptr && outermost == 0) outermost = entry.publish->tick;
    if (entry.call != nullptr && entry.call->task && outermost != 0) event.loose_from = outermost;
  }
  if (stopped_ || (stopping_ && from == nullptr)) {
    event.code = ErrorCode::stopped;
  } else if (event.hops > options_.max_hops) {
    event.code = ErrorCode::hop_limit;
  } else if (rejected(event)) {
    event.code = ErrorCode::filtered;
  }
  stack_.push_back({.publish = &event});
  if (event.code != ErrorCode::ok) {
    ++(event.code == ErrorCode::filtered ? filtered : refused);
    return;
  }
  ++published;
  history.push_back(&event);
  bool anyone = false;
  for (Sub& sub : subs) {
    if (!sub.active || !sub.matches(event.topic)) continue;
    anyone = true;
    if (sub.async && !options_.observed) on_push(sub, event);
  }
  if (!anyone && !event.by_async) ++unmatched;
}

bool Model::seen_lately(Sub& sub, const EventRecord& event) {
  if (!sub.spec.options.dedupe) return false;
  for (const auto& [other, when] : sub.seen) {
    if (is_same_event(*other, event) && now() - when < *sub.spec.options.dedupe) return true;
  }
  sub.seen.emplace_back(&event, now());
  return false;
}

void Model::on_push(Sub& sub, EventRecord& event) {
  look();
  settle_wait(event);
  if (!sub.matches(event.topic))
    fail("no delivery of an event that does not match", text(event, sub));
  if (!sub.active || sub.since > event.tick) {
    fail("no delivery after the unsubscribe or before the subscribe", text(event, sub));
  }
  if (stack_.empty() || stack_.back().publish != &event) {
    fail("an event is queued while it is published", text(event, sub));
  }
  if (has(event.queued_to, sub)) fail("exactly one outcome a delivery", text(event, sub));
  event.queued_to.push_back(&sub);
  switch (verdict(sub.spec.filter, event.serial)) {
    case Verdict::pass: break;
    case Verdict::no: return;
    case Verdict::threw:
      add(sub, event, Origin::live, State::failed);
      ++event.failed;
      ++event.named_failures;
      return;
  }
  if (seen_lately(sub, event)) return;
  if (sub.spec.options.once && std::exchange(sub.taken, true)) return;
  for (const EventRecord* one : sub.replayed) {
    if (is_same_event(*one, event)) return;  // it came with the past
  }
  if (bounded(sub) < sub.spec.options.queue_capacity) {
    add(sub, event, Origin::live, State::queued);
    ++event.accepted;
    return;
  }
  switch (sub.spec.options.overflow.value()) {
    case Overflow::reject: return refuse(sub, event, true);
    case Overflow::drop_newest: return refuse(sub, event, false);
    case Overflow::drop_oldest: return give_room(sub, event);
    case Overflow::block: break;
  }
  // It pumps until there is room, unless it would wait for itself.
  if (is_on_stack(sub)) return refuse(sub, event, true);
  event.waits_for_room = &sub;
}

bool Model::is_on_stack(const Sub& sub) const {
  return std::any_of(stack_.begin(), stack_.end(), [&](const Entry& entry) {
    return entry.call != nullptr && entry.call->delivery->sub == &sub;
  });
}

void Model::refuse(Sub& sub, EventRecord& event, bool named) {
  add(sub, event, Origin::live, State::dropped);
  ++event.refused;
  if (named) ++event.named_failures;
  std::erase_if(sub.seen, [&](const auto& one) { return one.first == &event; });
}

/// The oldest of the lowest lane goes, none above the new event's.
void Model::give_room(Sub& sub, EventRecord& event) {
  Delivery* oldest = nullptr;
  for (Delivery* one : sub.open) {
    if (one->state != State::queued || one->origin != Origin::live) continue;
    if (one->event->priority > event.priority) continue;
    if (oldest == nullptr || one->event->priority < oldest->event->priority) oldest = one;
  }
  if (oldest == nullptr) return refuse(sub, event, false);
  set(*oldest, State::dropped);
  add(sub, event, Origin::live, State::queued);
  ++event.accepted;
  ++event.displaced;
}

/// A push that waited for room has ended: what became of it can be told by the room there is.
void Model::settle_wait(EventRecord& event) {
  Sub* const sub = std::exchange(event.waits_for_room, nullptr);
  if (sub == nullptr || !sub->active) return;
  if (bounded(*sub) >= sub->spec.options.queue_capacity) return refuse(*sub, event, true);
  add(*sub, event, Origin::live, State::queued);
  ++event.accepted;
}

/// A filter of a synchronous subscription was asked.
void Model::on_sync_filter(Sub& sub, EventRecord& event, Verdict said) {
  if (said != Verdict::threw) return;
  add(sub, event, Origin::live, State::failed);
  if (event.by_async) return;
  ++event.failed;
  ++event.named_failures;
}

void Model::end_publish(EventRecord& event) {
  look();
  settle_wait(event);
  if (stack_.empty() || stack_.back().publish != &event) {
    fail("publishes end in the order they were begun", "event " + std::to_string(event.serial));
    return;
  }
  stack_.pop_back();
  if (event.code != ErrorCode::ok) return;
  for (Sub& sub : subs) {
    if (sub.async && sub.active && sub.since < event.tick && sub.matches(event.topic) &&
        !has(event.queued_to, sub)) {
      fail("no event is lost", text(event, sub) + ": it was not queued");
    }
  }
}

void Model::check_result(EventRecord& event, const PublishResult& result) {
  const std::string what = "event " + std::to_string(event.serial);
  const auto expect = [&](std::string_view field, std::uint64_t found, std::uint64_t right) {
    if (found == right) return;
    fail("a publish's result tells what happened",
         what + ": " + std::string(field) + " is " + std::to_string(found) + ", not " +
             std::to_string(right) + " (" + result.message() + ")");
  };
  if (result.code != event.code) {
    const char* invariant =
        event.code == ErrorCode::hop_limit || result.code == ErrorCode::hop_limit
            ? "the hop limit holds"
            : "a publish's result tells what happened";
    fail(invariant, what + ": code " + std::string(to_string(result.code)) + ", not " +
                        std::string(to_string(event.code)));
    return;
  }
  if (event.code != ErrorCode::ok) {
    expect("matched", result.matched, 0);
    expect("failures", result.failures.size(), 1);
    return;
  }
  if (!event.id.is_nil() && event.id != result.id) fail("an event keeps its id", what);
  event.id = result.id;
  for (const DeliveryFailure& failure : result.failures) {
    if (failure.subscription == 0) event.sync_part_refused = true;
    if (failure.code != ErrorCode::breaker_open) continue;
    if (Sub* sub = find(failure.subscription)) refused_in_result(*sub, event);
  }
  expect("delivered", result.delivered, event.delivered);
  expect("queued", result.queued, event.accepted);
  expect("dropped", result.dropped, event.refused + event.displaced);
  expect("matched", result.matched,
         event.delivered + event.accepted + event.refused + event.failed);
  // A receipt's result names what went wrong since as well.
  const std::size_t failures = result.failures.size() - (event.sync_part_refused ? 1 : 0);
  if (!event.by_async || failures < event.named_failures) {
    expect("failures", failures, event.named_failures);
  }
  if (!event.by_async) check_sync_part(event);
}

/// A synchronous handler was not called because its breaker was open.
void Model::refused_in_result(Sub& sub, EventRecord& event) {
  if (sub.breaker.opened == 0 || has(event.called, sub)) {
    fail("exactly one outcome a delivery", text(event, sub) + ": a failure that did not happen");
  }
  event.called.push_back(&sub);
  ++sub.breaker.refused;
  add(sub, event, Origin::live, State::failed);
  if (event.by_async) return;
  ++event.failed;
  ++event.named_failures;
}

/// Each synchronous subscription was called, or there is a reason why not.
void Model::check_sync_part(EventRecord& event) {
  if (event.code != ErrorCode::ok || event.sync_part_refused) return;
  for (Sub& sub : subs) {
    if (sub.async || !sub.active || sub.paused || sub.changed > event.tick) continue;
    if (!sub.matches(event.topic) || has(event.called, sub) || sub.spec.options.once) continue;
    if (verdict(sub.spec.filter, event.serial) != Verdict::pass) continue;
    const auto repeated = [&](const auto& one) {
      return is_same_event(*one.first, event) && one.first != &event &&
             one.second + *sub.spec.options.dedupe > event.steady;
    };
    if (sub.spec.options.dedupe && std::any_of(sub.seen.begin(), sub.seen.end(), repeated))
      continue;
    fail("no event is lost", text(event, sub) + ": the synchronous handler was not called");
  }
}

}  // namespace busway::simulation
