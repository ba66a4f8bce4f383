// rows/bursts.hpp -- events in bursts from this thread to one asynchronous handler.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <utility>

#include "rows/busway_callers.hpp"

namespace busway::bench {

/// Counts what one handler handles, at a place that the publisher waits for.
class Handled {
 public:
  void operator()(const OrderPlaced& placed) {
    handle(placed);
    count_.store(++here_, std::memory_order_relaxed);
  }
  [[nodiscard]] std::int64_t count() const noexcept {
    return count_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<std::int64_t> count_{0};
  std::int64_t here_ = 0;  // of the handler, whose calls follow each other
};

/// Times bursts of `burst` events to the handler that `subscribe(bus, handled)` makes, each until
/// the last one is handled.
template <class Subscribe>
void time_bursts(benchmark::State& state, int burst, const Subscribe& subscribe) {
  Handled handled;
  Bus bus;
  const Subscription subscription = subscribe(bus, handled);
  const Topic topic = bus.topic(kName12);
  const OrderPlaced event;
  std::int64_t sent = 0;
  for (auto _ : state) {
    for (int i = 0; i < burst; ++i) {
      if (!topic.publish(event).ok()) {
        state.SkipWithError("a publish waited longer than block_timeout");
        break;
      }
    }
    sent += burst;
    while (handled.count() < sent && !state.error_occurred()) std::this_thread::yield();
  }
  state.counters["events"] = burst;
}

/// To a plain asynchronous handler.
inline void time_bursts(benchmark::State& state, int burst, SubscriptionOptions options = {}) {
  options.mode = Mode::async;
  options.overflow = Overflow::block;
  time_bursts(state, burst, [&](Bus& bus, Handled& handled) {
    return bus.subscribe(
        kName12, [&](const OrderPlaced& placed) { handled(placed); }, options);
  });
}

}  // namespace busway::bench
