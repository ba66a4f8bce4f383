// One thread publishes, a handler on another receives: through a bounded mailbox with lanes,
// counters and the time-out of asynchronous handlers, all as they are by default.

#include <atomic>
#include <cstdint>
#include <thread>

#include "rows/busway_callers.hpp"
#include "rows/rows.hpp"

namespace busway::bench {
namespace {

void queue(benchmark::State& state) {
  constexpr int kBurst = 200'000;
  std::atomic<std::int64_t> handled{0};
  std::int64_t here = 0;
  Bus bus;
  const Subscription subscription =
      bus.subscribe(kName12,
                    [&](const OrderPlaced& placed) {
                      handle(placed);
                      handled.store(++here, std::memory_order_relaxed);
                    },
                    {.mode = Mode::async, .overflow = Overflow::block});
  const Topic topic = bus.topic(kName12);
  const OrderPlaced event;
  std::int64_t sent = 0;
  for (auto _ : state) {
    for (int i = 0; i < kBurst; ++i) {
      if (!topic.publish(event).ok()) {
        state.SkipWithError("a publish waited longer than block_timeout");
        break;
      }
    }
    sent += kBurst;
    while (handled.load(std::memory_order_relaxed) < sent && !state.error_occurred()) {
      std::this_thread::yield();
    }
  }
  state.counters["events"] = kBurst;
}

}  // namespace

void add_queue_benchmarks() { add_benchmark("queue/busway", queue)->UseRealTime(); }

std::vector<Row> queue_rows(const Effort& effort) {
  const Turns turns({"queue/busway", "queue/eventpp", "queue/spsc"}, effort.rounds);
  return {{"async, 1 producer to 1 subscriber, bounded, lanes, counters and time-out on",
           "at most 0.5x of eventpp's EventQueue an event; 2x the time an item of "
           "boost::lockfree::spsc_queue with 64-byte items",
           {{"", turns.ns("queue/busway"), " ns"},
            {"", turns.ratio("queue/busway", "queue/eventpp"), "x eventpp's EventQueue", 0.5},
            {"", turns.ratio("queue/busway", "queue/spsc"), "x spsc_queue", 2}}}};
}

}  // namespace busway::bench
