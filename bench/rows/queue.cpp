// One thread publishes, a handler on another receives: through a bounded mailbox with lanes,
// counters and the time-out of asynchronous handlers, all as they are by default.

#include "rows/bursts.hpp"
#include "rows/rows.hpp"

namespace busway::bench {

void add_queue_benchmarks() {
  add_benchmark("queue/busway", [](benchmark::State& state) {
    time_bursts(state, 200'000);
  })->UseRealTime();
}

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
