// The handlers of a simulation at work.
#include <stdexcept>

#include "serial.hpp"
#include "world.hpp"

namespace busway::simulation {

using std::chrono::milliseconds;

namespace {

constexpr std::size_t kDepthMax = 14;
constexpr std::array<const char*, kEndings> kEndingWords{
    "is done", "fails", "throws", "throws an int", "asks for another attempt", "gives it up"};

}  // namespace

Outcome World::handle(Sub& sub, const Event& event, const Context& context) {
  Call* const call = enter(sub, event, context);
  if (call == nullptr) return Outcome::done();
  work(*call);
  return leave(*call);
}

Call* World::enter(Sub& sub, const Event& event, const Context& context) {
  EventRecord* const record = model_.event_of(serial_of(event));
  if (record == nullptr) {
    model_.fail("no event comes from nowhere", std::string(event.topic()));
    return nullptr;
  }
  say(sub.text() + " (" + sub.spec.profile->name + ") gets event " +
      std::to_string(record->serial) + ", attempt " + std::to_string(context.attempt()));
  Call* const call = model_.begin_call(sub, *record, context.attempt(), event.hops());
  if (call == nullptr || model_.violation()) return nullptr;
  if (sub.async) call->stop = context.stop_token();
  if (context.deadline().value_or(SteadyTime::max()) != call->deadline &&
      misled_ != Misled::in_timeouts_unseen) {
    model_.fail("a handler is told its deadline", sub.text());
  }
  if (!record->id.is_nil() && record->id != event.id()) {
    model_.fail("an event keeps its id", "event " + std::to_string(record->serial));
  }
  record->id = event.id();
  return call;
}

void World::work(const Call& call) {
  if (model_.depth() < kDepthMax) act(*call.delivery->sub, *call.delivery->event);
}

Outcome World::leave(Call& call) {
  const Sub& sub = *call.delivery->sub;
  const auto ending = static_cast<Ending>(random_.weighted(sub.spec.profile->endings));
  constexpr std::array<milliseconds, 4> kWaits{milliseconds(0), milliseconds(0), milliseconds(3),
                                               milliseconds(30)};
  const milliseconds after = random_.pick(kWaits);
  if (model_.violation()) return Outcome::done();
  model_.end_call(call, ending, after);
  say(sub.text() + " " + kEndingWords.at(static_cast<std::size_t>(ending)));
  return end(ending, after);
}

Outcome World::end(Ending ending, std::chrono::nanoseconds after) {
  switch (ending) {
    case Ending::done: return Outcome::done();
    case Ending::fails: return Outcome::fail("it did not work");
    case Ending::throws: throw std::runtime_error("it went wrong");
    case Ending::throws_int: throw 42;
    case Ending::asks_again: return Outcome::retry(after);
    case Ending::dead_letters:
    case Ending::late: break;
  }
  return Outcome::dead_letter("no such customer");
}

void World::act(Sub& sub, const EventRecord& event) {
  const auto action = static_cast<Action>(random_.weighted(sub.spec.profile->actions));
  const bool publishes = action == Action::publishes || action == Action::publishes_same ||
                         action == Action::publishes_and_waits;
  if (publishes && nested_left_ == 0) return;
  if (publishes) --nested_left_;
  Sub* const other = random_sub();
  switch (action) {
    case Action::nothing: return;
    case Action::takes_long: return pass(milliseconds(random_.between(1, 30)));
    case Action::looks: return check_inside(model_, *bus_);
    case Action::publishes: return publish_random();
    case Action::publishes_same: return publish(std::string(event.topic), Way::typed);
    case Action::publishes_and_waits: return publish_and_wait(random_.pick(all_topics()));
    case Action::subscribes: return subscribe();
    case Action::unsubscribes_self:
      if (sub.active) unsubscribe(sub);
      return;
    case Action::unsubscribes_other:
      if (other != nullptr) unsubscribe(*other);
      return;
    case Action::pauses_self: return pause(sub);
    case Action::pauses_other:
      if (other != nullptr) pause(*other);
      return;
    case Action::resumes_other:
      if (other != nullptr) resume(*other);
      return;
    case Action::redrives: return redrive();
    case Action::stops: return stop();
  }
}

}  // namespace busway::simulation
