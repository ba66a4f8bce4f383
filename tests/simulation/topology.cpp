// The subscriptions of a simulation.
#include <algorithm>

#include "serial.hpp"
#include "world.hpp"

namespace busway::simulation {

using std::chrono::milliseconds;

namespace {

constexpr std::size_t kActiveMax = 12;
constexpr std::size_t kSubsMax = 40;
constexpr std::array<const char*, 5> kNames{"billing", "mail", "search", "stock", "audit"};

/// For the trace.
std::string words(const Sub& sub) {
  const SubscriptionOptions& options = sub.spec.options;
  std::string text = sub.text() + (sub.async ? " async " : " sync ") + sub.spec.profile->name +
                     (sub.spec.coroutine ? sub.spec.deaf ? " deaf coroutine" : " coroutine" : "") +
                     " to " + std::string(sub.spec.patterns.front().text);
  const auto number = [&](const char* what, std::uint64_t value) {
    text += std::string(", ") + what + " " + std::to_string(value);
  };
  if (sub.async) {
    number("capacity", options.queue_capacity);
    number("overflow", static_cast<std::uint64_t>(*options.overflow));
    number("concurrency", options.concurrency);
    if (options.order_by == OrderBy::key) text += ", by key";
  }
  if (options.timeout) {
    const bool none = *options.timeout == std::chrono::nanoseconds::max();
    text += none ? ", no timeout" : "";
    if (!none) number("timeout ms", static_cast<std::uint64_t>(options.timeout->count()) / 1000000);
  }
  if (options.priority != 0) text += ", priority " + std::to_string(options.priority);
  if (options.once) text += ", once";
  if (options.dedupe) text += ", dedupe";
  if (options.breaker) number("breaker after", options.breaker->failures);
  if (options.replay.from != Replay::From::none) text += ", replay";
  if (sub.spec.filter != FilterKind::none)
    number("filter", static_cast<std::uint64_t>(sub.spec.filter));
  if (sub.retry && sub.retry->jitter != 0.0) text += ", jitter";
  if (sub.retry) number(sub.is_strict() ? "strict retries" : "retries", sub.retry->max_retries);
  return text;
}

}  // namespace

RetryPolicy World::random_policy(const Spec& spec) {
  const bool async = spec.options.mode == Mode::async;
  RetryPolicy policy;
  policy.max_retries = static_cast<unsigned>(random_.between(0, 4));
  policy.initial_delay = milliseconds(random_.between(1, 20));
  policy.max_delay = milliseconds(random_.between(20, 40));
  policy.backoff_factor = static_cast<double>(random_.between(1, 3));
  // What its end refuses is known by its letter.
  const bool may_end = shape_.breakers || shape_.deadlines;
  if (!async || (may_end && random_.one_in(3)))
    policy.total = milliseconds(random_.between(10, 80));
  // Whether an attempt still lies within `total` must be known beforehand.
  if (!policy.total && random_.one_in(3)) policy.jitter = random_.one_in(2) ? 0.2 : 0.9;
  const bool may_be_strict = spec.options.concurrency == 1 || spec.options.order_by == OrderBy::key;
  if (async && may_be_strict && random_.one_in(2)) policy.order = RetryOrder::strict;
  return policy;
}

void World::choose_async(Spec& spec) {
  SubscriptionOptions& options = spec.options;
  options.queue_capacity = random_.between(1, random_.one_in(3) ? 40 : 5);
  constexpr std::array kOverflows{Overflow::reject, Overflow::drop_newest, Overflow::drop_oldest,
                                  Overflow::block};
  // Where no filter tells of each push the model must know when it happens: not after a wait.
  options.overflow = kOverflows[random_.below(shape_.model.observed ? 4 : 3)];
  if (random_.one_in(3)) options.concurrency = random_.between(2, 4);
  // With several stripes the oldest is told by time, which block leaves in disorder.
  const bool plain = !shape_.model.observed || options.overflow != Overflow::drop_oldest;
  if (plain && random_.one_in(3)) options.order_by = OrderBy::key;
  if (shape_.model.history == 0 || !random_.one_in(4)) return;
  switch (random_.below(3)) {
    case 0: options.replay = Replay::last(random_.between(1, 5)); break;
    case 1: options.replay = Replay::beginning(); break;
    default: options.replay = Replay::since(clock_->wall() - milliseconds(random_.between(1, 100)));
  }
}

void World::choose_deadline(Spec& spec) {
  const bool async = spec.options.mode == Mode::async;
  spec.coroutine = async && random_.one_in(2);
  spec.deaf = spec.coroutine && random_.one_in(3);
  if (random_.one_in(async ? 2 : 3)) spec.options.timeout = milliseconds(random_.between(2, 60));
  if (spec.coroutine && random_.one_in(8)) spec.options.timeout = std::chrono::nanoseconds::max();
}

Spec World::random_spec() {
  Spec spec;
  for (std::size_t i = random_.one_in(4) ? random_.between(2, 3) : 1; i > 0; --i) {
    spec.patterns.push_back(random_.pick(all_listenings()));
  }
  spec.profile = &random_.pick(all_profiles());
  SubscriptionOptions& options = spec.options;
  options.mode = random_.one_in(3) ? Mode::sync : Mode::async;
  const bool async = options.mode == Mode::async;
  options.priority = static_cast<int>(random_.below(3)) - 1;
  if (random_.one_in(4)) {
    constexpr std::array kFilters{FilterKind::all, FilterKind::odd_ones,
                                  FilterKind::throws_at_times};
    spec.filter = random_.pick(kFilters);
  }
  options.once = random_.one_in(10);
  if (random_.one_in(6)) options.dedupe = milliseconds(random_.between(1, 50));
  if (async) choose_async(spec);
  if (shape_.deadlines) choose_deadline(spec);
  if (async ? !random_.one_in(4) : random_.one_in(3)) {
    options.retry = random_policy(spec);
    if (random_.one_in(6)) spec.retry_if = random_.one_in(2) ? RetryIf::no : RetryIf::throws;
  }
  // What the breaker of a synchronous one refuses is known only when the publish has ended: too
  // late to know what else would have become of the event.
  if (shape_.breakers && random_.one_in(3) && (async || (!options.once && !options.dedupe))) {
    options.breaker = BreakerPolicy{.failures = static_cast<unsigned>(random_.between(1, 3)),
                                    .open_for = milliseconds(random_.between(5, 60))};
  }
  if (!options.once && random_.one_in(2)) {
    // At most one of a name at a time, so that a redrive has one way to go.
    const char* name = random_.pick(kNames);
    const bool used = std::any_of(model_.subs.begin(), model_.subs.end(), [&](const Sub& sub) {
      return sub.active && sub.spec.options.name == name;
    });
    if (!used) options.name = name;
  }
  return spec;
}

std::function<bool(const Event&)> World::filter_of(Sub& sub) {
  const FilterKind kind = sub.spec.filter;
  const bool tells = sub.async && shape_.model.observed;
  if (kind == FilterKind::none && !tells) return {};
  return [this, &sub, kind, tells](const Event& event) {
    const std::uint64_t serial = serial_of(event);
    const Verdict said = verdict(kind, serial);
    EventRecord* record = model_.event_of(serial);
    // While it is being made, a replay asks.
    if (record != nullptr && sub.id != 0) {
      if (tells) model_.on_push(sub, *record);
      if (!sub.async) model_.on_sync_filter(sub, *record, said);
    }
    if (said == Verdict::threw) throw 7;
    return said == Verdict::pass;
  };
}

SubscriptionOptions World::options_of(Sub& sub) {
  SubscriptionOptions options = sub.spec.options;
  options.filter = filter_of(sub);
  if (misled_ >= Misled::in_timeouts && options.timeout &&
      *options.timeout < std::chrono::hours(1)) {
    *options.timeout *= 2;
  }
  if (misled_ == Misled::in_jitter && options.retry && options.retry->jitter != 0.0) {
    options.retry->jitter = 1.0;
  }
  if (options.retry && sub.spec.retry_if != RetryIf::unset) {
    const bool throws = sub.spec.retry_if == RetryIf::throws;
    options.retry->retry_if = [throws](ErrorCode) -> bool {
      if (throws) throw 8;
      return false;
    };
  }
  return options;
}

void World::subscribe() {
  const auto active = std::count_if(model_.subs.begin(), model_.subs.end(),
                                    [](const Sub& sub) { return sub.active; });
  if (static_cast<std::size_t>(active) >= kActiveMax || model_.subs.size() >= kSubsMax) return;
  Sub& sub = model_.subscribing(random_spec());
  std::vector<Pattern> patterns;
  for (const Listening& one : sub.spec.patterns) patterns.push_back(one.pattern());
  say("subscribe " + words(sub));
  Subscription& kept = handles_.emplace_back();
  try {
    Subscription made = sub.spec.coroutine
                            ? subscribe_coroutine(sub, patterns, options_of(sub))
                            : bus_->subscribe(
                                  patterns,
                                  [this, &sub](const Event& event, Context& context) {
                                    return this->handle(sub, event, context);
                                  },
                                  options_of(sub));
    if (model_.is_stopping()) model_.fail("a bus that stops takes no subscription", sub.text());
    model_.subscribed(sub, made.id());
    kept = std::move(made);
  } catch (const Error& error) {
    if (!model_.is_stopping() || error.code() != ErrorCode::stopped) {
      model_.fail("a subscription of good options is taken", error.what());
    }
  }
}

Sub* World::random_sub() {
  std::vector<Sub*> active;
  for (Sub& sub : model_.subs) {
    if (sub.active) active.push_back(&sub);
  }
  return active.empty() ? nullptr : random_.pick(active);
}

void World::unsubscribe(Sub& sub) {
  say("unsubscribe " + sub.text());
  model_.look();
  Subscription& handle = handles_[sub.number - 1];
  model_.ended(sub);
  const std::string& name = sub.spec.options.name;
  switch (random_.below(3)) {
    case 0: handle.reset(); break;
    case 1: (void)bus_->unsubscribe(sub.id); break;
    default:
      if (name.empty()) {
        handle.reset();
      } else if (bus_->unsubscribe({.name = name}) != 1) {
        model_.fail("an unsubscribe by name ends those of the name", sub.text());
      }
  }
  for (const Call* one : model_.running) {
    if (!sub.async || one->delivery->sub != &sub || one->stop.stop_requested()) continue;
    model_.fail("the stop token of a call is signalled when its subscription ends", sub.text());
  }
  if (handle.active()) model_.fail("an ended subscription is gone", sub.text());
}

void World::pause(Sub& sub) {
  say("pause " + sub.text());
  model_.paused(sub);
  handles_[sub.number - 1].pause();
}

void World::resume(Sub& sub) {
  say("resume " + sub.text());
  model_.resumed(sub);
  handles_[sub.number - 1].resume();
}

}  // namespace busway::simulation
