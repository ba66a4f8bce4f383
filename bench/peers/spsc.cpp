#include <boost/lockfree/spsc_queue.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <thread>

#include "peers/callers.hpp"
#include "peers/peers.hpp"

namespace busway::bench {
namespace {

/// As much as an event carries: 64 bytes, the order among them.
struct Item {
  OrderPlaced placed;
  std::array<char, 64 - sizeof(OrderPlaced)> rest{};
};
static_assert(sizeof(Item) == 64);

/// Spins, but leaves the processor to others before long: the other side may be among them.
class Patience {
 public:
  void wait() noexcept {
    if (++turns_ % 1024 == 0) std::this_thread::yield();
  }

 private:
  unsigned turns_ = 0;
};

void queue(benchmark::State& state) {
  constexpr int kBurst = 200'000;
  constexpr std::size_t kCapacity = 1024;  // that of a mailbox
  boost::lockfree::spsc_queue<Item, boost::lockfree::capacity<kCapacity>> items;
  std::atomic<std::int64_t> handled{0};
  std::atomic<bool> stop{false};
  std::thread consumer([&] {
    std::int64_t here = 0;
    Patience patience;
    while (!stop.load(std::memory_order_relaxed)) {
      const auto got = items.consume_all([](const Item& item) { handle(item.placed); });
      if (got == 0) patience.wait();
      here += static_cast<std::int64_t>(got);
      handled.store(here, std::memory_order_relaxed);
    }
  });
  const Item item;
  std::int64_t sent = 0;
  Patience patience;
  for (auto _ : state) {
    for (int i = 0; i < kBurst; ++i) {
      while (!items.push(item)) patience.wait();
    }
    sent += kBurst;
    while (handled.load(std::memory_order_relaxed) != sent) patience.wait();
  }
  stop.store(true);
  consumer.join();
  state.counters["events"] = kBurst;
}

}  // namespace

void add_spsc() { add_benchmark("queue/spsc", queue)->UseRealTime(); }

}  // namespace busway::bench
