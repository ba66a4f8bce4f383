#include <eventpp/eventdispatcher.h>
#include <eventpp/eventqueue.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>

#include "peers/callers.hpp"
#include "peers/peers.hpp"

namespace busway::bench {
namespace {

/// The thread-safe dispatcher by name, eventpp's default policies. It is given a std::string made
/// beforehand: a call with a literal would pay for one more.
template <const std::string_view& kName>
class EventppByName {
 public:
  explicit EventppByName(std::size_t handlers) {
    // Other names, so that its map has something to compare with.
    for (const std::string_view other : {"cart.changed", "stock.low", "user.registered"}) {
      dispatcher_.appendListener(std::string(other),
                                 [](const OrderPlaced& placed) { handle(placed); });
    }
    for (std::size_t i = 0; i < handlers; ++i) {
      dispatcher_.appendListener(name_, [](const OrderPlaced& placed) { handle(placed); });
    }
  }
  void publish(const OrderPlaced& event) const { dispatcher_.dispatch(name_, event); }

 private:
  const std::string name_{kName};
  eventpp::EventDispatcher<std::string, void(const OrderPlaced&)> dispatcher_;
};

/// The nearest it has to a handle on a topic: a list of callbacks without a name.
class EventppList {
 public:
  explicit EventppList(std::size_t handlers) {
    for (std::size_t i = 0; i < handlers; ++i) {
      list_.append([](const OrderPlaced& placed) { handle(placed); });
    }
  }
  void publish(const OrderPlaced& event) const { list_(event); }

 private:
  eventpp::CallbackList<void(const OrderPlaced&)> list_;
};

/// One thread enqueues a burst, another waits for events and processes them; an iteration is one
/// event, from the first call to the last handler.
void queue(benchmark::State& state) {
  constexpr int kBurst = 200'000;
  eventpp::EventQueue<int, void(const OrderPlaced&)> queue;
  std::atomic<std::int64_t> handled{0};
  std::int64_t here = 0;
  queue.appendListener(1, [&](const OrderPlaced& placed) {
    handle(placed);
    handled.store(++here, std::memory_order_relaxed);
  });
  std::atomic<bool> stop{false};
  std::thread consumer([&] {
    while (!stop.load(std::memory_order_relaxed)) {
      if (queue.waitFor(std::chrono::milliseconds(1))) queue.process();
    }
  });
  const OrderPlaced event;
  std::int64_t sent = 0;
  for (auto _ : state) {
    for (int i = 0; i < kBurst; ++i) queue.enqueue(1, event);
    sent += kBurst;
    while (handled.load(std::memory_order_relaxed) != sent) std::this_thread::yield();
  }
  stop.store(true);
  consumer.join();
  state.counters["events"] = kBurst;
}

}  // namespace

void add_eventpp() {
  add_caller<EventppByName<kName12>>("call1", "eventpp12", 1);
  add_caller<EventppByName<kName25>>("call1", "eventpp25", 1);
  add_caller<EventppByName<kName12>>("call64", "eventpp12", 64);
  add_caller<EventppList>("call1", "eventpp_list", 1);
  add_threads<EventppByName<kName12>>("eventpp");
  add_benchmark("queue/eventpp", queue)->UseRealTime();
}

}  // namespace busway::bench
