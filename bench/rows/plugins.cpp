// Plugins from shared libraries: an event there and back, many events one way, and what a reload
// under load makes them wait.

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "busway/plugin_manager.hpp"
#include "rows/busway_callers.hpp"
#include "rows/rows.hpp"

namespace busway::bench {
namespace {

constexpr std::size_t kBytes = 256;
constexpr int kBurst = 50'000;  // a multiple of what the plugin tells of
constexpr int kReloads = 1000;
constexpr int kKills = 200;
constexpr int kIdle = 20;

Payload some_bytes() {
  static const std::vector<std::byte> bytes(kBytes, std::byte{'x'});
  return Payload::bytes(bytes);
}

PluginRules in_a_process() {
  PluginRules rules;
  rules.isolation = PluginIsolation::process;
  rules.restarts_max = 1'000'000;
  rules.restart_delay = std::chrono::milliseconds(1);
  rules.restart_delay_max = std::chrono::milliseconds(1);
  return rules;
}

struct WithPlugin {
  explicit WithPlugin(PluginRules rules = {}) {
    manager.load(PluginSpec{.path = BUSWAY_BENCH_PLUGIN, .rules = std::move(rules)});
    manager.start("bench_echo");
  }
  Bus bus{{.log = [](LogLevel, std::string_view, std::span<const LogField>) {}}};
  PluginManager manager{bus, {.plugin_host = BUSWAY_BENCH_PLUGIN_HOST}};
};

void time_there_and_back(benchmark::State& state, PluginRules rules) {
  WithPlugin with(std::move(rules));
  std::atomic<std::int64_t> back{0};
  const Subscription answers =
      with.bus.subscribe("back", [&](const Event&) { back.fetch_add(1); }, {.mode = Mode::sync});
  const Topic topic = with.bus.topic("there");
  const Payload payload = some_bytes();
  std::int64_t sent = 0;
  for (auto _ : state) {
    (void)topic.publish(payload);
    ++sent;
    while (back.load(std::memory_order_relaxed) < sent) {
    }
  }
}

void there_and_back(benchmark::State& state) { time_there_and_back(state, {}); }
void there_and_back_child(benchmark::State& state) { time_there_and_back(state, in_a_process()); }

/// Bursts, each until the last event has been counted.
void time_one_way(benchmark::State& state, Bus& bus, const std::atomic<std::int64_t>& counted) {
  const Topic topic = bus.topic("count");
  const Payload payload = some_bytes();
  std::int64_t sent = 0;
  for (auto _ : state) {
    for (int i = 0; i < kBurst; ++i) (void)topic.publish(payload);
    sent += kBurst;
    while (counted.load(std::memory_order_relaxed) < sent) std::this_thread::yield();
  }
  state.counters["events"] = kBurst;
}

void time_one_way(benchmark::State& state, PluginRules rules) {
  WithPlugin with(std::move(rules));
  std::atomic<std::int64_t> counted{0};
  const Subscription told = with.bus.subscribe(
      "counted", [&](const Event& event) { counted = event.json().get<std::int64_t>(); },
      {.mode = Mode::sync});
  time_one_way(state, with.bus, counted);
}

void one_way(benchmark::State& state) { time_one_way(state, PluginRules{}); }
void one_way_child(benchmark::State& state) { time_one_way(state, in_a_process()); }

void one_way_linked_in(benchmark::State& state) {
  Bus bus;
  std::atomic<std::int64_t> counted{0};
  std::int64_t here = 0;
  const Subscription counts = bus.subscribe(
      "count", [&](const Event&) { counted.store(++here, std::memory_order_relaxed); },
      {.mode = Mode::async, .overflow = Overflow::block});
  time_one_way(state, bus, counted);
}

/// 100,000 events a second of 256 bytes while the plugin is reloaded again and again.
void reload_under_load(benchmark::State& state) {
  for (auto _ : state) {
    WithPlugin with;
    std::atomic<bool> end{false};
    std::thread publisher([&] {
      const Topic topic = with.bus.topic("count");
      const Payload payload = some_bytes();
      auto next = std::chrono::steady_clock::now();
      while (!end.load(std::memory_order_relaxed)) {
        for (int i = 0; i < 100; ++i) (void)topic.publish(payload);
        next += std::chrono::milliseconds(1);
        std::this_thread::sleep_until(next);
      }
    });
    std::vector<double> held;
    for (int i = 0; i < kReloads; ++i) {
      with.manager.reload("bench_echo");
      held.push_back(
          std::chrono::duration<double, std::micro>(with.manager.find("bench_echo")->held).count());
    }
    end = true;
    publisher.join();
    std::sort(held.begin(), held.end());
    state.counters["p50"] = held[held.size() / 2];
    state.counters["p99"] = held[held.size() * 99 / 100];
  }
}

/// From a kill -9 of the plugin's process, while a few events come in, until it answers again.
void outage(benchmark::State& state) {
  for (auto _ : state) {
    WithPlugin with(in_a_process());
    std::atomic<std::int64_t> back{0};
    const Subscription answers =
        with.bus.subscribe("back", [&](const Event&) { back.fetch_add(1); }, {.mode = Mode::sync});
    const Topic topic = with.bus.topic("there");
    const Payload payload = some_bytes();
    std::int64_t sent = 0;
    const auto ask = [&] {
      (void)topic.publish(payload);
      ++sent;
      while (back.load(std::memory_order_relaxed) < sent) std::this_thread::yield();
    };
    std::vector<double> out;
    for (int i = 0; i < kKills; ++i) {
      ask();
      const auto before = std::chrono::steady_clock::now();
      (void)::kill(with.manager.find("bench_echo")->process_id, SIGKILL);
      ask();
      const auto after = std::chrono::steady_clock::now();
      out.push_back(std::chrono::duration<double, std::milli>(after - before).count());
    }
    std::sort(out.begin(), out.end());
    state.counters["p50"] = out[out.size() / 2];
    state.counters["p99"] = out[out.size() * 99 / 100];
  }
}

std::size_t resident_bytes() {
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> pages;
  return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

void idle_plugins(benchmark::State& state) {
  for (auto _ : state) {
    WithPlugin with;
    const std::size_t before = resident_bytes();
    for (int i = 0; i < kIdle; ++i) {
      const std::string id = "idle_" + std::to_string(i);
      with.manager.load(PluginSpec{.path = BUSWAY_BENCH_PLUGIN, .id = id});
      with.manager.start(id);
    }
    state.counters["kib"] = static_cast<double>(resident_bytes() - before) / kIdle / 1024;
  }
}

}  // namespace

void add_plugin_benchmarks() {
  add_benchmark("plugin/there_and_back", there_and_back)->UseRealTime();
  add_benchmark("plugin/one_way", one_way)->UseRealTime();
  add_benchmark("plugin/linked_in", one_way_linked_in)->UseRealTime();
  add_benchmark("plugin/child_there_and_back", there_and_back_child)->UseRealTime();
  add_benchmark("plugin/child_one_way", one_way_child)->UseRealTime();
  add_benchmark("plugin/outage", outage)->Iterations(1);
  add_benchmark("plugin/reload", reload_under_load)->Iterations(1);
  add_benchmark("plugin/idle", idle_plugins)->Iterations(1);
}

std::vector<Row> plugin_rows(const Effort& effort) {
  const Turns ways({"plugin/one_way", "plugin/linked_in"}, effort.rounds);
  const Turns round({"plugin/there_and_back"}, effort.rounds);
  const Turns child({"plugin/child_one_way", "plugin/child_there_and_back"}, effort.rounds);
  const Turns killed({"plugin/outage"}, 1);
  const Turns reload({"plugin/reload"}, 1);
  const Turns idle({"plugin/idle"}, 1);
  return {
      {"256 bytes to a plugin, one way",
       "at most 1.5x of an async handler that is linked in",
       {{"", ways.ns("plugin/one_way"), " ns"},
        {"", ways.ratio("plugin/one_way", "plugin/linked_in"), "x", 1.5}}},
      {"256 bytes to a plugin and back",
       "no target",
       {{"", round.ns("plugin/there_and_back"), " ns"}}},
      {"256 bytes to a plugin in a process of its own, one way",
       "300,000 a second: 3,333 ns",
       {{"", child.ns("plugin/child_one_way"), " ns", 3333}}},
      {"256 bytes to a plugin in a process of its own, and back",
       "60 us at the median",
       {{"", child.ns("plugin/child_there_and_back"), " ns", 60'000}}},
      {"kill -9 of a plugin's process: until it answers again",
       "5 ms at the median",
       {{"", killed.counter("plugin/outage", "p50"), " ms p50", 5},
        {"", killed.counter("plugin/outage", "p99"), " ms p99 of 200"}}},
      {"reload under 100,000 events a second: how long events wait",
       "45 us at the median, 150 us p99",
       {{"", reload.counter("plugin/reload", "p50"), " us p50", 45},
        {"", reload.counter("plugin/reload", "p99"), " us p99 of 1,000", 150}}},
      {"an idle plugin", "no target", {{"", idle.counter("plugin/idle", "kib"), " KiB resident"}}}};
}

}  // namespace busway::bench
