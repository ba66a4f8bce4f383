// The steps of a simulation, and what is checked after each.
#include "world.hpp"

#include <algorithm>

namespace busway::simulation {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

namespace {

enum class Step : unsigned char {
  publish,
  batch,
  run_one,
  poll_some,
  poll_all,
  to_next_due,
  pass_time,
  subscribe,
  unsubscribe,
  pause,
  resume,
  redrive,
  purge,
  toggle_filter,
  let_go,
  forget_waiter,
  stop
};
constexpr std::array<unsigned, 17> kSteps{40, 4, 14, 8, 8, 8, 4, 6, 4, 4, 6, 4, 1, 1, 12, 1, 0};
constexpr std::array<unsigned, 17> kLastSteps{30, 4, 14, 8, 8, 8, 4, 3, 4, 4, 6, 4, 1, 1, 12, 1, 1};

}  // namespace

Shape World::random_shape(Random& random) {
  Shape shape;
  shape.model.observed = random.one_in(2);
  shape.model.max_hops = static_cast<unsigned>(random.between(1, 5));
  constexpr std::array<std::size_t, 4> kHistories{0, 3, 10, 40};
  shape.model.history = random.pick(kHistories);
  shape.breakers = random.one_in(2);
  shape.model.breakers = shape.breakers;
  shape.deadlines = random.one_in(2);
  // What no handler saw end is known by its letter: that must still be there when it is looked for.
  shape.model.dead_letters = shape.breakers || shape.deadlines ? 1000 : random.between(0, 6);
  shape.model.retry.max_retries = static_cast<unsigned>(random.between(0, 3));
  shape.model.retry.initial_delay = milliseconds(10);
  shape.steps = random.between(40, 160);
  return shape;
}

BusOptions World::bus_options() const {
  BusOptions options;
  options.retry = shape_.model.retry;
  options.history = shape_.model.history;
  options.dead_letters = shape_.model.dead_letters;
  options.max_hops = static_cast<std::uint16_t>(shape_.model.max_hops);
  options.log = [](LogLevel, std::string_view, std::span<const LogField>) {};
  options.clock = clock_;
  options.executor = executor_;
  return options;
}

World::World(std::uint64_t seed, Trace::Show show, Misled misled)
    : random_(seed),
      trace_(show),
      shape_(random_shape(random_)),
      misled_(misled),
      clock_(std::make_shared<testing::ManualClock>(testing::ManualClock::kStart, seed)),
      model_(shape_.model, *clock_),
      bus_(std::in_place, bus_options()) {
  model_.say = [this](std::string line) { say(std::move(line)); };
  model_.look = [this] { find_settled(model_, *bus_); };
  if (shape_.breakers) {
    // What the bus itself says of breakers nobody shall hear here: it comes at times that only the
    // bus knows.
    bus_->add_filter("news", [this](const Event& event) {
      if (!event.topic().starts_with("breaker.")) return true;
      ++model_.filtered;
      return false;
    });
  }
  if (shape_.model.observed) {
    bus_->add_filter("observer", [this](const Event& event) { return admit(event); });
  }
}

void World::say(std::string line) {
  if (model_.violation()) return;  // what follows is not worth reading
  trace_.add(std::to_string(steps_) + ": " + std::string(2 * model_.depth(), ' ') +
             std::move(line));
}

void World::run() {
  for (std::size_t i = random_.between(2, 6); i > 0; --i) subscribe();
  while (steps_ < shape_.steps && !model_.violation() && !over_) {
    ++steps_;
    step();
    if (!over_) check(Depth::as_is_due);
  }
  if (!model_.violation() && !over_) drain();
  if (!model_.violation() && !over_) finish();
}

void World::step() {
  const auto& weights = steps_ * 2 > shape_.steps ? kLastSteps : kSteps;
  Sub* const sub = random_sub();
  switch (static_cast<Step>(random_.weighted(weights))) {
    case Step::publish: return publish_random();
    case Step::batch: return publish_batch();
    case Step::run_one:
      say("run one task");
      (void)executor_->run_at(random_.below(executor_->pending() + 1));
      return;
    case Step::poll_some:
      say("poll some");
      (void)bus_->poll(random_.between(1, 3));
      return;
    case Step::poll_all:
      say("poll");
      (void)bus_->poll();
      return check_nothing_is_ready(model_);
    case Step::to_next_due: return to_next_due();
    case Step::pass_time: return pass(milliseconds(random_.between(1, 60)));
    case Step::subscribe: return subscribe();
    case Step::unsubscribe: return sub != nullptr ? unsubscribe(*sub) : subscribe();
    case Step::pause: return sub != nullptr ? pause(*sub) : subscribe();
    case Step::resume: return sub != nullptr ? resume(*sub) : subscribe();
    case Step::redrive: return redrive();
    case Step::purge: return purge();
    case Step::toggle_filter: return toggle_filter();
    case Step::let_go: return void(let_go());
    case Step::forget_waiter: return forget_waiter();
    case Step::stop: return stop();
  }
}

/// What costs more is looked at now and then.
void World::check(Depth depth) {
  find_settled(model_, *bus_);
  check_receipts(model_, receipts_);
  check_counters(model_, *bus_);
  const bool all = depth == Depth::all;
  if (all || steps_ % 4 == 0) check_letters(model_, *bus_);
  if (all || steps_ % 8 == 0) check_history(model_, *bus_);
}

/// Runs everything to its end, but for calls that never end, then ends every subscription: the sums
/// must stay as they are.
void World::drain() {
  ++steps_;
  say("drain");
  for (Sub& sub : model_.subs) {
    if (sub.active && sub.paused) resume(sub);
  }
  for (int rounds = 0; rounds < 1000 && !model_.violation(); ++rounds) {
    bool moved = bus_->poll() != 0;
    find_settled(model_, *bus_);
    // A handler may have paused one.
    for (Sub& sub : model_.subs) {
      if (!sub.active || !sub.paused) continue;
      resume(sub);
      moved = true;
    }
    if (bus_->idle()) break;
    if (let_go()) continue;
    if (model_.next_due()) {
      to_next_due();
    } else if (!moved) {
      break;
    }
  }
  check(Depth::all);
  check_settled(model_, *bus_, receipts_);
  for (Sub& sub : model_.subs) {
    if (sub.active) unsubscribe(sub);
  }
  check(Depth::all);
}

/// Destroys the bus: it waits for no coroutine, and what has no outcome is dropped.
void World::finish() {
  say("the bus is destroyed");
  over_ = true;
  bus_.reset();
  waiters_.clear();
  model_.look = [] {};
  model_.bus_ended();
  check_receipts(model_, receipts_);
  if (!receipts_.empty()) {
    model_.fail("the end of the bus settles every receipt",
                "that of event " + std::to_string(receipts_.front().event->serial) + " is not");
  }
}

World::~World() {
  over_ = true;
  bus_.reset();
  waiters_.clear();
}

void World::pass(nanoseconds time) {
  say("time passes: " + std::to_string(time.count()) + " ns");
  move_clock(time);
}

/// It never stands where jitter alone decides whether a retry is due.
void World::move_clock(nanoseconds time) {
  model_.look();
  clock_->advance(time);
  while (const std::optional<SteadyTime> end = model_.end_of_doubt()) {
    clock_->advance(*end - model_.now());
  }
}

void World::to_next_due() {
  const std::optional<SteadyTime> due = model_.next_due();
  pass(due ? *due - model_.now() : nanoseconds(milliseconds(1)));
}

void World::stop() {
  model_.begin_stop();
  say("stop");
  const StopResult result = bus_->stop(std::chrono::hours(1000));
  if (result.kind == StopResult::Kind::begun) {
    if (!model_.inside_handler()) model_.fail("a stop tells what is left", "it has only begun");
    return;
  }
  model_.tells_to_end();
  find_settled(model_, *bus_);
  std::size_t left = 0;
  for (const Sub& sub : model_.subs) left += sub.open.size();
  std::size_t running = 0;
  for (const StopResult::Left& one : result.left) running += one.running;
  if (running != model_.running.size() || result.queued() + running != left ||
      result.ok() != (left == 0)) {
    model_.fail("a stop tells what is left", std::to_string(result.queued()) + " queued and " +
                                                 std::to_string(running) + " running, not " +
                                                 std::to_string(left) + " in all");
  }
  model_.stopped();
  // What is left is told to end, now or when it begins: its stop tokens can no longer tell of
  // deadlines.
  if (result.ok()) return;
  check(Depth::all);
  if (!model_.violation()) finish();
}

void World::redrive() {
  model_.look();
  std::vector<DeadLetterId> ids;
  RedriveResult found;
  if (random_.one_in(4)) {
    for (const Letter& one : model_.letters) ids.push_back(one.id);
    say("redrive all letters");
    found = bus_->dead_letters().redrive_all();
  } else {
    if (model_.letters.empty()) return;
    ids.push_back(random_.one_in(8) ? model_.letters.front().id + 999
                                    : random_.pick(model_.letters).id);
    say("redrive letter " + std::to_string(ids.front()));
    found = bus_->dead_letters().redrive(ids.front());
  }
  const RedriveResult right = model_.redriven(ids);
  if (found.sent != right.sent || found.on_their_way != right.on_their_way ||
      found.no_subscription != right.no_subscription || found.not_found != right.not_found) {
    model_.fail("a redrive tells what it sent",
                std::to_string(found.sent) + " sent, not " + std::to_string(right.sent));
  }
}

void World::purge() {
  model_.look();
  std::vector<DeadLetterId> ids;
  std::size_t found = 0;
  if (random_.one_in(4)) {
    for (const Letter& one : model_.letters) ids.push_back(one.id);
    say("purge all letters");
    found = bus_->dead_letters().purge_all();
  } else {
    if (model_.letters.empty()) return;
    ids.push_back(random_.pick(model_.letters).id);
    say("purge letter " + std::to_string(ids.front()));
    found = bus_->dead_letters().purge(ids.front());
  }
  if (found != model_.purged(ids)) {
    model_.fail("dead letters are bounded and complete", "purge went wrong");
  }
}

void World::toggle_filter() {
  model_.rejects = !model_.rejects;
  say(model_.rejects ? "the bus's filter is on" : "the bus's filter is off");
  if (shape_.model.observed) return;
  if (!model_.rejects) {
    (void)bus_->remove_filter("sevenths");
    return;
  }
  bus_->add_filter("sevenths", [this](const Event& event) { return admit(event); });
}

}  // namespace busway::simulation
