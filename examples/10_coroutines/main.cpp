// Handlers that wait without holding a thread: here all of them share the one that runs main().
#include <busway/coroutine.hpp>
#include <busway/typed.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <iostream>
#include <string>

using boost::asio::awaitable;
using boost::asio::use_awaitable;
using namespace std::chrono_literals;

struct Order {
  static constexpr std::string_view topic = "order.created";
  int number = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Order, number)

/// Stands for a question to a server.
awaitable<std::string> ask_for_shelf(int order, std::chrono::milliseconds takes) {
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, takes);
  co_await timer.async_wait(use_awaitable);
  co_return std::string(1, static_cast<char>('A' + order));
}

int main() {
  boost::asio::io_context context;  // leave it and .executor out, and the bus's own threads do it
  busway::Bus bus(
      {.log = [](auto, auto, auto) {}, .executor = busway::asio_executor(context.get_executor())});

  // The event and what it holds live until the coroutine has ended. The next order waits as long:
  // with .concurrency = 2 both would ask at the same time.
  busway::Subscription packing =
      bus.subscribe<Order>([&bus](const Order& order) -> awaitable<void> {
        std::cout << "order " << order.number << ": where is it?\n";
        const std::string shelf = co_await ask_for_shelf(order.number, 1ms);
        std::cout << "order " << order.number << ": on shelf " << shelf << "\n";
        bus.publish("order.packed");
      });
  const busway::Subscription packed = bus.subscribe("order.packed", [](const busway::Event& event) {
    std::cout << "packed, " << event.hops() << " hop after its cause\n";
  });
  bus.publish(Order{1});
  bus.publish(Order{2});
  context.run();
  packing.reset();

  // At its deadline a coroutine is cancelled: what it waits for throws.
  const busway::Subscription patient = bus.subscribe<Order>(
      [](const Order& order, busway::Context& call) -> awaitable<busway::Outcome> {
        try {
          co_await ask_for_shelf(order.number, 1h);
        } catch (const boost::system::system_error&) {
          std::cout << "asked to stop: " << std::boolalpha << call.stop_token().stop_requested()
                    << "\n";
        }
        co_return busway::Outcome::done();  // too late: nobody hears it
      },
      {.name = "patient", .timeout = 20ms, .retry = busway::RetryPolicy{.max_retries = 0}});
  bus.publish(Order{3});
  context.restart();
  context.run();
  bus.wait_idle(10s);
  for (const busway::DeadLetter& letter : bus.dead_letters().list()) {
    std::cout << letter.name << ": " << letter.last().reason << "\n";
  }
}
