// Policy around handlers: one line a call, no more calls than the other side bears, and a guard of
// one's own.
#include <busway/manual_executor.hpp>
#include <busway/middleware.hpp>
#include <busway/middleware/log_calls.hpp>
#include <busway/middleware/throttle.hpp>
#include <busway/testing/manual_clock.hpp>
#include <busway/typed.hpp>

#include <chrono>
#include <iostream>
#include <memory>
#include <string_view>

using namespace std::chrono_literals;

struct Order {
  static constexpr std::string_view topic = "order.created";
  int number = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Order, number)

void write_line(busway::LogLevel, std::string_view message,
                std::span<const busway::LogField> fields) {
  std::cout << "  " << message;
  for (const busway::LogField& field : fields) {
    if (field.name == "attempt" || field.name == "reason") {
      std::cout << ", " << field.name << " " << field.value;
    }
  }
  std::cout << "\n";
}

int main() {
  // A clock that is moved by hand, so that this program need not wait. Leave both out in yours.
  const auto clock = std::make_shared<busway::testing::ManualClock>();
  const auto executor = std::make_shared<busway::ManualExecutor>();
  busway::Bus bus({.log = [](auto, auto, auto) {}, .clock = clock, .executor = executor});

  // A middleware is any callable of this shape: it calls next(), or it does not.
  const auto only_paid = [](const busway::Event& event, busway::Context&, busway::Next next) {
    if (event.metadata().find("paid") != nullptr) return next();
    return busway::Outcome::dead_letter("nobody has paid");
  };
  const auto policy = busway::chain(busway::LogCalls(write_line), only_paid);

  // From the outside in: log, guard, throttle, handler.
  const busway::Subscription shipping = bus.subscribe<Order>(
      busway::with(policy, busway::Throttle(2, 1min),
                   [](const Order& order) { std::cout << "order " << order.number << "\n"; }),
      {.mode = busway::Mode::async});

  for (int number = 1; number <= 3; ++number) {
    bus.publish(Order{number}, {.metadata = {{"paid", "true"}}});
  }
  bus.publish(Order{4});
  bus.poll();
  std::cout << "a minute later\n";
  clock->advance(1min);
  bus.poll();
}
