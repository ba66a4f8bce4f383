// peers/callers.hpp -- turns "a system with n handlers" into its benchmarks.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "order.hpp"
#include "report/turns.hpp"

namespace busway::bench {

/// What every handler of the benchmarks runs.
inline void handle(const OrderPlaced& placed) noexcept {
  constinit static thread_local Tally tally;
  tally.add(placed);
  benchmark::DoNotOptimize(tally.orders);
}

/// System is made with a number of handlers, each calling handle(), and has publish(event).
template <class System>
void add_caller(const std::string& work, const std::string& peer, std::size_t handlers) {
  add_benchmark(work + "/" + peer, [handlers](benchmark::State& state) {
    System system(handlers);
    const OrderPlaced event;
    for (auto _ : state) system.publish(event);
  });
}

/// One system that one thread, then two, publish into. All handlers count in a thread_local, so
/// that only what the system itself shares is measured.
template <class System>
void add_threads(const std::string& peer) {
  const auto body = [](const std::shared_ptr<System>& system) {
    return [system](benchmark::State& state) {
      const OrderPlaced event;
      for (auto _ : state) system->publish(event);
    };
  };
  const auto system = std::make_shared<System>(std::size_t{1});
  add_benchmark("threads1/" + peer, body(system))->UseRealTime();
  add_benchmark("threads2/" + peer, body(system))->Threads(2)->UseRealTime();
}

}  // namespace busway::bench
