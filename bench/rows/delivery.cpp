// What makes a delivery one that can be trusted: the deadline of a call, retries that wait, and
// handlers that are coroutines.

#include <malloc.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <optional>
#include <thread>
#include <vector>

#include "busway/coroutine.hpp"
#include "rows/bursts.hpp"
#include "rows/rows.hpp"

namespace busway::bench {
namespace {

constexpr int kWaiting = 100'000;

constexpr int kBurst = 50'000;

void deliver(benchmark::State& state, std::chrono::nanoseconds timeout) {
  time_bursts(state, kBurst, {.timeout = timeout});
}

/// The handler is a coroutine that ends without waiting for anything.
void deliver_to_coroutine(benchmark::State& state) {
  time_bursts(state, kBurst, [](Bus& bus, Handled& handled) {
    const SubscriptionOptions options{.overflow = Overflow::block};
    return bus.subscribe(
        kName12,
        [&](const OrderPlaced& placed) -> boost::asio::awaitable<void> {
          handled(placed);
          co_return;
        },
        options);
  });
}

/// What the same coroutine costs with Asio alone: spawned on a context that another thread runs.
void spawn_with_asio(benchmark::State& state) {
  Handled handled;
  boost::asio::io_context context(1);
  auto work = boost::asio::make_work_guard(context);
  std::thread runs([&] { context.run(); });
  const OrderPlaced event;
  std::int64_t sent = 0;
  for (auto _ : state) {
    for (int i = 0; i < kBurst; ++i) {
      boost::asio::co_spawn(
          context,
          [&handled, event]() -> boost::asio::awaitable<void> {
            handled(event);
            co_return;
          },
          boost::asio::detached);
    }
    sent += kBurst;
    while (handled.count() < sent) std::this_thread::yield();
  }
  work.reset();
  runs.join();
  state.counters["events"] = kBurst;
}

std::size_t threads_now() {
  namespace fs = std::filesystem;
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator("/proc/self/task"), fs::directory_iterator()));
}

/// A bus on which so many deliveries wait for their next attempt, in an hour.
struct WaitingRetries {
  explicit WaitingRetries(int count)
      : bus({.queue_capacity = 200'000,
             .log = [](LogLevel, std::string_view, std::span<const LogField>) {}}) {
    failing = bus.subscribe("fails", [](const OrderPlaced&) { return Outcome::fail("not now"); },
                            {.mode = Mode::async,
                             .retry = RetryPolicy{.initial_delay = std::chrono::hours(1),
                                                  .max_delay = std::chrono::hours(1)}});
    // A few at a time, so that the mailbox itself stays small.
    constexpr int kAtOnce = 500;
    for (int i = 1; i <= count; ++i) {
      (void)bus.publish("fails", OrderPlaced{});
      if (i % kAtOnce != 0 && i != count) continue;
      while (bus.stats().retried < static_cast<std::uint64_t>(i)) std::this_thread::yield();
    }
  }
  Bus bus;
  Subscription failing;
};

void publish_beside(benchmark::State& state, int waiting) {
  WaitingRetries retries(waiting);
  const Subscription subscription =
      retries.bus.subscribe(kName12, [](const OrderPlaced& placed) { handle(placed); });
  const OrderPlaced event;
  for (auto _ : state) benchmark::DoNotOptimize(retries.bus.publish(kName12, event));
}

/// Bytes and threads of 100,000 that wait, one of them as the base.
void hold(benchmark::State& state) {
  for (auto _ : state) {
    double bytes = 0;
    double threads = 0;
    {
      const WaitingRetries one(1);
      const std::size_t threads_before = threads_now();
      const std::size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
      WaitingRetries all(kWaiting);
      bytes = static_cast<double>(mallinfo2().uordblks + mallinfo2().hblkhd - before) / kWaiting;
      threads = static_cast<double>(threads_now() - threads_before) -
                static_cast<double>(threads_before - 1);
    }
    state.counters["bytes"] = bytes;
    state.counters["threads"] = threads;
  }
}

}  // namespace

void add_delivery_benchmarks() {
  add_benchmark("deliver/timeout", [](benchmark::State& state) {
    deliver(state, std::chrono::seconds(30));
  })->UseRealTime();
  add_benchmark("deliver/coroutine", deliver_to_coroutine)->UseRealTime();
  add_benchmark("deliver/co_spawn", spawn_with_asio)->UseRealTime();
  add_benchmark("deliver/default", [](benchmark::State& state) {
    time_bursts(state, kBurst);
  })->UseRealTime();
  add_benchmark("deliver/no_timeout", [](benchmark::State& state) {
    deliver(state, std::chrono::nanoseconds::max());
  })->UseRealTime();
  add_benchmark("beside/100000", [](benchmark::State& state) { publish_beside(state, kWaiting); });
  add_benchmark("beside/0", [](benchmark::State& state) { publish_beside(state, 0); });
  add_benchmark("waiting/held", hold)->Iterations(1);
}

std::vector<Row> delivery_rows(const Effort& effort) {
  const Turns timeouts({"deliver/timeout", "deliver/no_timeout"}, effort.rounds);
  const Turns coroutines({"deliver/coroutine", "deliver/co_spawn", "deliver/default"},
                         effort.rounds);
  const Turns beside({"beside/100000", "beside/0"}, effort.rounds);
  const Turns held({"waiting/held"}, 1);
  const auto with = timeouts.ns("deliver/timeout");
  const auto without = timeouts.ns("deliver/no_timeout");
  std::optional<double> more;
  if (with && without) more = *with - *without;
  return {{"an enforced time-out, over an async delivery without one",
           "at most 2 us a delivery",
           {{"", more, " ns more", 2000},
            {"", timeouts.ratio("deliver/timeout", "deliver/no_timeout"), "x"}}},
          {"a coroutine that ends at once, over a plain async delivery",
           "at most 3x",
           {{"", coroutines.ratio("deliver/coroutine", "deliver/default"), "x", 3}}},
          {"the same coroutine, over co_spawn to a context of another thread",
           "no target: Asio alone, without order, counters or a limit",
           {{"", coroutines.ratio("deliver/coroutine", "deliver/co_spawn"), "x"}}},
          {"a retry that waits",
           "no thread; at most 400 bytes beside its event",
           {{"", held.counter("waiting/held", "threads"), " threads more for 100,000,", 0},
            {"", held.counter("waiting/held", "bytes"), " bytes each, its event included", 480}}},
          {"publish while 100,000 retries wait",
           "at most 1.1x of one while none does",
           {{"", beside.ratio("beside/100000", "beside/0"), "x", 1.1}}}};
}

}  // namespace busway::bench
