// A program that owns its bus: subscriptions as members, leaving from inside a handler, owners,
// and a shutdown that loses nothing.
#include <busway/typed.hpp>

#include <iostream>
#include <string>
#include <utility>

using busway::Bus;
using busway::Event;
using busway::Mode;

/// Subscriptions as members: the object listens as long as it lives, and no handler runs on what
/// is gone.
class Cart {
 public:
  explicit Cart(Bus& bus)
      : added_(bus.subscribe("cart.added", [this](const Event&) { ++items_; })),
        cleared_(bus.subscribe("cart.cleared", [this](const Event&) { items_ = 0; })) {}
  [[nodiscard]] int items() const { return items_; }

 private:
  int items_ = 0;
  busway::Subscription added_;  // after the data their handlers use, so they end before it
  busway::Subscription cleared_;
};

namespace {

void members(Bus& bus) {
  {
    const Cart cart(bus);
    bus.publish("cart.added");
    bus.publish("cart.added");
    std::cout << "the cart has " << cart.items() << " items\n";
  }
  std::cout << "listeners after it: " << bus.publish("cart.added").matched << "\n";
}

/// A handler may end its own subscription, or another one; the other is not called any more, not
/// even for the event that is just under way.
void inside_handlers(Bus& bus) {
  busway::Subscription thief;
  busway::Subscription guard = bus.subscribe("door.opened",
                                             [&](const Event&) {
                                               std::cout
                                                   << "the guard stops the thief and goes home\n";
                                               thief.reset();
                                               guard.reset();
                                             },
                                             {.priority = 10});
  thief = bus.subscribe("door.opened", [](const Event&) { std::cout << "the thief is in\n"; });
  bus.publish("door.opened");
  std::cout << "listeners after it: " << bus.publish("door.opened").matched << "\n";
}

/// An owner is a name for what belongs together. release() leaves a subscription to its owner.
void owners(Bus& bus) {
  const auto ignore = [](const Event&) {};
  bus.subscribe("mail.*", ignore, {.owner = "mailer"}).release();
  bus.subscribe("user.created", ignore, {.owner = "mailer"}).release();
  for (const busway::SubscriptionInfo& info : bus.subscriptions("mailer")) {
    std::cout << info.owner << " listens to " << info.patterns.front() << "\n";
  }
  std::cout << "ended: " << bus.unsubscribe_all("mailer") << "\n";
}

/// stop() lets what is queued be handled, and refuses what comes later, as a value.
void shutdown(Bus& bus) {
  int done = 0;
  auto worker = bus.subscribe("job.*", [&done](const Event&) { ++done; }, {.mode = Mode::async});
  for (int i = 0; i < 100; ++i) bus.publish("job.queued");
  const busway::StopResult stopped = bus.stop();
  std::cout << "stopped " << (stopped.ok() ? "cleanly" : "with events left") << ", " << done
            << " jobs done\n";
  std::cout << "afterwards: " << to_string(bus.publish("job.queued").code) << "\n";
}

}  // namespace

int main() {
  Bus bus;
  members(bus);
  inside_handlers(bus);
  owners(bus);
  shutdown(bus);
}
