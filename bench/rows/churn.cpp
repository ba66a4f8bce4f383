// Subscribing and unsubscribing where many listen to one topic.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <ctime>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "rows/busway_callers.hpp"
#include "rows/rows.hpp"

namespace busway::bench {
namespace {

constexpr std::size_t kHandlers = 10'000;

using SteadyClock = std::chrono::steady_clock;

double ns_between(SteadyClock::time_point from, SteadyClock::time_point to) {
  return static_cast<double>(std::chrono::nanoseconds(to - from).count());
}

double thread_cpu_ns() {
  timespec now{};
  (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

/// The mean without the one in two hundred at either end: an interrupt is no property of the bus,
/// what happens every hundredth time is.
double trimmed_mean(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto cut = static_cast<std::ptrdiff_t>(values.size() / 200);
  const double sum = std::accumulate(values.begin() + cut, values.end() - cut, 0.0);
  return sum / static_cast<double>(static_cast<std::ptrdiff_t>(values.size()) - 2 * cut);
}

Subscription listen(Bus& bus, SubscriptionOptions options = {}) {
  return bus.subscribe(
      kName12, [](const OrderPlaced& placed) { handle(placed); }, options);
}

std::vector<Subscription> listen_often(Bus& bus) {
  std::vector<Subscription> all;
  all.reserve(kHandlers);
  for (std::size_t i = 0; i < kHandlers; ++i) all.push_back(listen(bus));
  return all;
}

/// Publishes on another thread until it goes away.
class SecondPublisher {
 public:
  explicit SecondPublisher(Bus& bus)
      : thread_([this, &bus] {
          while (!stop_.load(std::memory_order_relaxed)) {
            benchmark::DoNotOptimize(bus.publish(kName12, OrderPlaced{}));
            published_.store(true, std::memory_order_release);
          }
        }) {
    while (!published_.load(std::memory_order_acquire)) std::this_thread::yield();
  }
  SecondPublisher(const SecondPublisher&) = delete;
  SecondPublisher& operator=(const SecondPublisher&) = delete;
  ~SecondPublisher() {
    stop_.store(true);
    thread_.join();
  }

 private:
  std::atomic<bool> stop_{false};
  std::atomic<bool> published_{false};
  std::thread thread_;
};

void alone(benchmark::State& state) {
  double subscribe_ns = 0;
  double unsubscribe_ns = 0;
  std::mt19937 random(1);
  for (auto _ : state) {
    Bus bus;
    (void)bus.publish(kName12, OrderPlaced{});
    const double begun = thread_cpu_ns();
    std::vector<Subscription> all = listen_often(bus);
    const double subscribed = thread_cpu_ns();
    std::shuffle(all.begin(), all.end(), random);
    const double shuffled = thread_cpu_ns();
    all.clear();
    const double ended = thread_cpu_ns();
    subscribe_ns += (subscribed - begun) / kHandlers;
    unsubscribe_ns += (ended - shuffled) / kHandlers;
  }
  const auto rounds = static_cast<double>(state.iterations());
  state.counters["subscribe_ns"] = subscribe_ns / rounds;
  state.counters["unsubscribe_ns"] = unsubscribe_ns / rounds;
}

/// What a change costs when a publish follows it: the change itself, and what the first publish
/// after it takes longer than the second. Work put off until the next publish shows here.
void followed_by_a_publish(benchmark::State& state) {
  constexpr int kChanges = 600;
  Bus bus;
  std::vector<Subscription> all = listen_often(bus);
  const OrderPlaced event;
  (void)bus.publish(kName12, event);
  std::mt19937 random(1);
  std::vector<double> subscribe_ns;
  std::vector<double> unsubscribe_ns;
  const auto cost_of = [&](const auto& change) {
    const auto begun = SteadyClock::now();
    change();
    const auto changed = SteadyClock::now();
    (void)bus.publish(kName12, event);
    const auto first = SteadyClock::now();
    (void)bus.publish(kName12, event);
    const auto second = SteadyClock::now();
    return std::pair(ns_between(begun, changed),
                     ns_between(changed, first) - ns_between(first, second));
  };
  std::vector<double> late_subscribe_ns;
  std::vector<double> late_unsubscribe_ns;
  for (auto _ : state) {
    for (int i = 0; i < kChanges; ++i) {
      const auto [now, later] = cost_of([&] { all.push_back(listen(bus)); });
      subscribe_ns.push_back(now);
      late_subscribe_ns.push_back(later);
      std::swap(all[random() % all.size()], all.back());
      const auto [now_gone, later_gone] = cost_of([&] { all.pop_back(); });
      unsubscribe_ns.push_back(now_gone);
      late_unsubscribe_ns.push_back(later_gone);
    }
  }
  // The difference of two long publishes is noisy around zero; only its middle is meant.
  const auto sum = [](const std::vector<double>& now, const std::vector<double>& later) {
    return trimmed_mean(now) + std::max(0.0, *median(later));
  };
  state.counters["subscribe_ns"] = sum(subscribe_ns, late_subscribe_ns);
  state.counters["unsubscribe_ns"] = sum(unsubscribe_ns, late_unsubscribe_ns);
}

void beside_a_publisher(benchmark::State& state) {
  constexpr int kChanges = 1000;
  Bus bus;
  std::vector<Subscription> all = listen_often(bus);
  std::mt19937 random(1);
  std::vector<double> subscribe_ns;
  std::vector<double> unsubscribe_ns;
  const SecondPublisher publisher(bus);
  for (auto _ : state) {
    for (int i = 0; i < kChanges; ++i) {
      const auto begun = SteadyClock::now();
      all.push_back(listen(bus));
      const auto subscribed = SteadyClock::now();
      std::swap(all[random() % all.size()], all.back());
      const auto swapped = SteadyClock::now();
      all.pop_back();
      const auto ended = SteadyClock::now();
      subscribe_ns.push_back(ns_between(begun, subscribed));
      unsubscribe_ns.push_back(ns_between(swapped, ended));
    }
  }
  state.counters["subscribe_ns"] = *median(subscribe_ns);
  state.counters["unsubscribe_ns"] = *median(unsubscribe_ns);
}

void all_of_an_owner(benchmark::State& state) {
  std::vector<double> each_ns;
  for (auto _ : state) {
    Bus bus;
    for (std::size_t i = 0; i < kHandlers; ++i) (void)listen(bus, {.owner = "churn"}).release();
    const SecondPublisher publisher(bus);
    const auto begun = SteadyClock::now();
    const std::size_t ended = bus.unsubscribe_all("churn");
    each_ns.push_back(ns_between(begun, SteadyClock::now()) / kHandlers);
    if (ended != kHandlers) state.SkipWithError("unsubscribe_all did not end them all");
  }
  state.counters["each_ns"] = *median(each_ns);
}

}  // namespace

void add_churn_benchmarks() {
  add_benchmark("churn/alone", alone)->Iterations(3);
  add_benchmark("churn/followed", followed_by_a_publish)->Iterations(1);
  add_benchmark("churn/beside", beside_a_publisher)->Iterations(1);
  add_benchmark("churn/owner", all_of_an_owner)->Iterations(1);
}

std::vector<Row> churn_rows(const Effort& effort) {
  const Turns turns({"churn/alone", "churn/followed", "churn/beside", "churn/owner"},
                    effort.rounds);
  std::optional<double> beside;
  const auto subscribe = turns.counter("churn/beside", "subscribe_ns");
  const auto unsubscribe = turns.counter("churn/beside", "unsubscribe_ns");
  if (subscribe && unsubscribe) beside = std::max(*subscribe, *unsubscribe) / 1000;
  return {
      {"subscribe and unsubscribe, 10,000 handlers on one topic, also when each is followed by "
       "a publish",
       "at most 300 / 250 ns while only this thread has published; with a second thread "
       "publishing at most 30 us, and unsubscribe_all of 10,000 pays the barrier once",
       {{"", turns.counter("churn/alone", "subscribe_ns"), " /", 300},
        {"", turns.counter("churn/alone", "unsubscribe_ns"), " ns", 250},
        {"each followed by a publish", turns.counter("churn/followed", "subscribe_ns"), " /", 300},
        {"", turns.counter("churn/followed", "unsubscribe_ns"), " ns", 250},
        {"beside a publisher", beside, " us", 30},
        // Ten thousand barriers would be some 15,000 ns each.
        {"unsubscribe_all", turns.counter("churn/owner", "each_ns"), " ns each", 1000}}}};
}

}  // namespace busway::bench
