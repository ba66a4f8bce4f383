#include "invariants.hpp"

#include <algorithm>

#include "serial.hpp"

namespace busway::simulation {
namespace {

constexpr const char* kCounters = "counters add up and agree with what happened";

/// Notes the first number of a place that is wrong.
class Compare {
 public:
  Compare(Model& model, const char* invariant, std::string place)
      : model_(model), invariant_(invariant), place_(std::move(place)) {}
  void operator()(const char* what, std::uint64_t found, std::uint64_t right) {
    if (found == right) return;
    model_.fail(invariant_, place_ + ": " + what + " is " + std::to_string(found) + ", not " +
                                std::to_string(right));
  }

 private:
  Model& model_;
  const char* invariant_;
  std::string place_;
};

std::uint64_t sum_of_outcomes(const DeliveryCounters& c) {
  return c.delivered + c.failed + c.timed_out + c.dropped + c.dead_lettered + c.in_flight;
}

std::uint64_t in_flight(const Sub& sub) {
  return sub.in(State::queued) + sub.in(State::running) + sub.in(State::waiting);
}

void check_subscription(Model& model, const Sub& sub, const SubscriptionInfo& info) {
  Compare same(model, kCounters, sub.text());
  const DeliveryCounters& c = info.counters;
  same("matched", c.matched, sum_of_outcomes(c));
  same("delivered", c.delivered, sub.in(State::delivered));
  same("failed", c.failed, sub.in(State::failed));
  same("timed_out", c.timed_out, sub.in(State::timed_out));
  same("dropped", c.dropped, sub.in(State::dropped));
  same("dead_lettered", c.dead_lettered, sub.in(State::dead_lettered));
  same("in_flight", c.in_flight, in_flight(sub));
  same("retried", c.retried, sub.retried);
  same("breaker_opened", info.breaker_opened, sub.breaker.opened);
  same("breaker_refused", info.breaker_refused, sub.breaker.refused);
  same("paused", info.state == SubscriptionInfo::State::paused ? 1 : 0, sub.paused ? 1 : 0);
  if (!sub.async) return;
  same("queued and waiting for a retry", info.queued + info.retries_waiting,
       sub.in(State::queued) + sub.in(State::waiting));
  if (info.retries_waiting > sub.in(State::waiting)) {
    model.fail(kCounters, sub.text() + ": more retries wait than deliveries have failed");
  }
  if (Model::bounded(sub) > info.queue_capacity) {
    model.fail("the capacity is never exceeded", sub.text());
  }
}

}  // namespace

void check_counters(Model& model, const Bus& bus) {
  std::size_t active = 0;
  const std::vector<SubscriptionInfo> infos = bus.subscriptions();
  for (const SubscriptionInfo& info : infos) {
    const Sub* sub = model.find(info.id);
    if (sub == nullptr || !sub->active) {
      model.fail("an ended subscription is gone", "id " + std::to_string(info.id));
      continue;
    }
    ++active;
    check_subscription(model, *sub, info);
  }
  Stats right;
  std::size_t expected = 0;
  for (const Sub& sub : model.subs) {
    if (sub.active) ++expected;
    right.delivered += sub.in(State::delivered);
    right.failed += sub.in(State::failed);
    right.timed_out += sub.in(State::timed_out);
    right.dropped += sub.in(State::dropped);
    right.dead_lettered += sub.in(State::dead_lettered);
    right.in_flight += in_flight(sub);
    right.retried += sub.retried;
  }
  std::uint64_t quiet = 0;  // events by publish_async that reached nobody so far
  for (const EventRecord& event : model.events) {
    if (event.by_async && event.code == ErrorCode::ok && event.live.empty()) ++quiet;
  }
  const Stats stats = bus.stats();
  Compare same(model, kCounters, "stats");
  same("subscriptions", stats.subscriptions, expected);
  same("listed subscriptions", active, expected);
  same("published", stats.published, model.published);
  same("filtered", stats.filtered, model.filtered);
  const bool news = model.options().breakers && stats.refused > model.refused;
  if (!news) same("refused", stats.refused, model.refused);
  same("matched", stats.matched, sum_of_outcomes(stats));
  same("delivered", stats.delivered, right.delivered);
  same("failed", stats.failed, right.failed);
  same("timed_out", stats.timed_out, right.timed_out);
  same("dropped", stats.dropped, right.dropped);
  same("dead_lettered", stats.dead_lettered, right.dead_lettered);
  same("in_flight", stats.in_flight, right.in_flight);
  same("retried", stats.retried, right.retried);
  if (stats.unmatched < model.unmatched || stats.unmatched > model.unmatched + quiet) {
    same("unmatched", stats.unmatched, model.unmatched);
  }
  std::uint64_t by_topic = 0;
  for (const TopicStats& topic : stats.topics) by_topic += topic.published;
  same("published by topic", by_topic, stats.published);
}

void check_letters(Model& model, const Bus& bus) {
  const DeadLetters box = bus.dead_letters();
  Compare same(model, "dead letters are bounded and complete", "the box");
  same("size", box.size(), model.letters.size());
  same("fallen out", box.fallen_out(), model.fallen_out);
  const std::vector<DeadLetter> found = box.list();
  for (std::size_t i = 0; i < std::min(found.size(), model.letters.size()); ++i) {
    const Letter& right = model.letters[i];
    Compare letter(model, "dead letters are bounded and complete",
                   "letter " + std::to_string(right.id));
    letter("id", found[i].id, right.id);
    letter("event", serial_of(found[i].event), right.event->serial);
    letter("hops", found[i].event.hops(), right.event->hops);
    letter("subscription", found[i].subscription, right.sub);
    letter("deaths", found[i].history.size(), right.deaths);
    letter("attempts", found[i].last().attempts, right.attempts);
    letter("late", found[i].last().code == ErrorCode::timed_out ? 1 : 0, right.late ? 1 : 0);
    letter("redriving", found[i].redriving ? 1 : 0, right.redriving ? 1 : 0);
  }
}

void check_history(Model& model, const Bus& bus) {
  const std::vector<Event> found = bus.history();
  const std::size_t kept = std::min(model.options().history, model.history.size());
  Compare same(model, "the history holds the last events", "history");
  same("size", found.size(), kept);
  for (std::size_t i = 0; i < std::min(found.size(), kept); ++i) {
    same("event", serial_of(found[i]), model.history[model.history.size() - 1 - i]->serial);
  }
}

void check_receipts(Model& model, std::vector<OpenReceipt>& receipts) {
  std::erase_if(receipts, [&](const OpenReceipt& one) {
    EventRecord& event = *one.event;
    std::array<std::uint64_t, kStates> found{};
    for (const DeliveryOutcome& outcome : one.receipt.outcomes()) {
      Sub* sub = model.find(outcome.subscription);
      if (sub == nullptr) {
        model.fail("a receipt tells each outcome", "an outcome of nobody");
        continue;
      }
      const bool failed = outcome.kind == DeliveryOutcome::Kind::failed;
      const bool known = std::any_of(event.live.begin(), event.live.end(),
                                     [&](const Delivery* d) { return d->sub == sub; });
      if (!sub->async && failed && !known) model.refused_in_result(*sub, event);
      State state = State::delivered;
      if (failed) state = State::failed;
      if (outcome.kind == DeliveryOutcome::Kind::timed_out) state = State::timed_out;
      if (outcome.kind == DeliveryOutcome::Kind::dropped) state = State::dropped;
      if (outcome.kind == DeliveryOutcome::Kind::dead_lettered) state = State::dead_lettered;
      ++found[static_cast<std::size_t>(state)];
    }
    std::array<std::uint64_t, kStates> right{};
    bool open = false;
    for (const Delivery* delivery : event.live) {
      if (is_final(delivery->state)) {
        ++right[static_cast<std::size_t>(delivery->state)];
      } else {
        open = true;
      }
    }
    Compare same(model, "a receipt tells each outcome", "event " + std::to_string(event.serial));
    const auto compare = [&](const char* what, State state) {
      const auto at = static_cast<std::size_t>(state);
      same(what, found.at(at), right.at(at));
    };
    compare("delivered", State::delivered);
    compare("failed", State::failed);
    compare("timed_out", State::timed_out);
    compare("dead_lettered", State::dead_lettered);
    compare("dropped", State::dropped);
    const bool settled = one.receipt.wait_for(std::chrono::nanoseconds(0));
    if (settled && open)
      model.fail("a receipt settles last", "event " + std::to_string(event.serial));
    if (settled) model.check_sync_part(event);
    return settled;
  });
}

void check_inside(Model& model, const Bus& bus) {
  model.look();
  for (const SubscriptionInfo& info : bus.subscriptions()) {
    const Sub* sub = model.find(info.id);
    if (sub == nullptr || !sub->async) continue;  // being made
    Compare same(model, kCounters, sub->text() + " inside a handler");
    same("matched", info.counters.matched, sum_of_outcomes(info.counters));
    std::size_t beyond = 0;  // what the capacity does not bound
    for (const Delivery* one : sub->open) {
      if (one->state == State::waiting || one->origin != Origin::live) ++beyond;
    }
    if (info.queued > info.queue_capacity + beyond) {
      model.fail("the capacity is never exceeded", sub->text());
    }
  }
  Compare same(model, "dead letters are bounded and complete", "inside a handler");
  same("size", bus.dead_letters().size(), model.letters.size());
}

void check_nothing_is_ready(Model& model) {
  model.look();
  for (const Call* one : model.running) {
    if (one->deadline <= model.now()) {
      model.fail("a call that passes its deadline is given up",
                 "event " + std::to_string(one->delivery->event->serial) + " at " +
                     one->delivery->sub->text() + " is not");
    }
  }
  for (const Sub& sub : model.subs) {
    if (!sub.active || sub.paused || !sub.async || model.is_blocked(sub)) continue;
    bool held = false;
    for (const Delivery* one : sub.open) {
      held = held || (sub.is_strict() && one->state == State::waiting && one->due_by > model.now());
    }
    for (const Delivery* one : sub.open) {
      if (one->state == State::running) continue;
      const bool ready = one->state == State::waiting ? one->due_by <= model.now() : !held;
      if (!ready) continue;
      model.fail("what is ready runs", "event " + std::to_string(one->event->serial) + " at " +
                                           sub.text() + " was left behind");
    }
  }
}

void check_settled(Model& model, const Bus& bus, const std::vector<OpenReceipt>& receipts) {
  if (bus.idle() != model.running.empty()) {
    model.fail("at the end the bus is idle, but for calls that never end",
               std::to_string(model.running.size()) + " never end");
  }
  for (const Call* one : model.running) {
    if (one->deadline == SteadyTime::max()) continue;
    model.fail("at the end all is settled", one->delivery->sub->text() + " has a late call");
  }
  for (const Sub& sub : model.subs) {
    if (model.is_blocked(sub)) continue;
    for (const Delivery* one : sub.open) {
      if (one->state == State::running) continue;
      model.fail("at the end all is settled",
                 "event " + std::to_string(one->event->serial) + " at " + sub.text() + " is not");
    }
  }
  for (const OpenReceipt& one : receipts) {
    const std::vector<Delivery*>& live = one.event->live;
    if (std::any_of(live.begin(), live.end(),
                    [](const Delivery* of) { return !is_final(of->state); })) {
      continue;
    }
    model.fail("at the end all is settled",
               "the receipt of event " + std::to_string(one.event->serial) + " is not");
  }
}

namespace {

bool is_of(Model& model, const Call& call, const DeadLetter& letter) {
  const Delivery& delivery = *call.delivery;
  return letter.last().code == ErrorCode::timed_out &&
         letter.last().attempts == delivery.attempts &&
         delivery.event->serial == serial_of(letter.event) &&
         (model.letter_of(delivery.letter) != nullptr ? letter.id == delivery.letter
                                                      : letter.subscription == delivery.sub->id);
}

/// A death that the model does not know of.
bool is_news(Model& model, const DeadLetter& letter) {
  const Letter* const known = model.letter_of(letter.id);
  if (known == nullptr) return letter.id >= model.next_letter;
  return known->redriving && !letter.redriving && letter.history.size() > known->deaths;
}

/// The calls that were given up since the last look. Their stop tokens are signalled, but so are
/// those of a subscription that has ended: of these only their letters tell, for they are not tried
/// again.
class GivenUp {
 public:
  explicit GivenUp(Model& model) : model_(model) {
    for (Call* one : model.running) {
      if (one->told ? one->deadline <= model.now() : one->stop.stop_requested()) {
        calls_.push_back(one);
      }
    }
  }
  /// True: the letter was of one, which is settled now.
  bool settle(const DeadLetter& letter) {
    const auto at = std::find_if(calls_.begin(), calls_.end(),
                                 [&](const Call* one) { return is_of(model_, *one, letter); });
    if (at == calls_.end()) return false;
    Call& call = **at;
    calls_.erase(at);
    model_.settle_late(call);
    return true;
  }
  /// Those that are tried again.
  void settle_without(const std::vector<DeadLetter>& letters) {
    std::erase_if(calls_, [&](Call* one) {
      const bool dead = std::any_of(letters.begin(), letters.end(), [&](const DeadLetter& letter) {
        return is_news(model_, letter) && is_of(model_, *one, letter);
      });
      if (dead || one->told) return false;
      model_.settle_late(*one);
      return true;
    });
  }
  [[nodiscard]] bool empty() const noexcept { return calls_.empty(); }

 private:
  Model& model_;
  std::vector<Call*> calls_;
};

}  // namespace

void find_settled(Model& model, const Bus& bus) {
  const DeadLetters box = bus.dead_letters();
  GivenUp late(model);
  if (!late.empty()) late.settle_without(box.list());
  // Late calls come first: they open breakers, which then refuse others.
  const auto look_at_known = [&](const auto& then) {
    for (std::size_t i = 0; i < model.letters.size() && !model.violation(); ++i) {
      if (!model.letters[i].redriving) continue;
      const std::optional<DeadLetter> letter = box.get(model.letters[i].id);
      if (letter && is_news(model, *letter)) then(*letter);
    }
  };
  if (!late.empty()) look_at_known([&](const DeadLetter& letter) { (void)late.settle(letter); });
  while (!model.violation()) {
    const std::optional<DeadLetter> letter = box.get(model.next_letter);
    if (!letter) break;
    if (!late.settle(*letter)) model.not_called(*letter);
  }
  look_at_known([&](const DeadLetter& letter) { model.not_called(letter); });
}

}  // namespace busway::simulation
