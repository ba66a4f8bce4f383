// match_bench.cpp -- the matcher alone: route misses, subscribing, memory; at 100,000 and a
// million.
#include <benchmark/benchmark.h>
#include <malloc.h>
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "match/pattern_index.hpp"
#include "match/regex_cache.hpp"
#include "match_workload.hpp"

namespace busway::bench {
namespace {

// The thread's clock counts no time of others, but takes a system call; medians need no such care.
std::uint64_t clock_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1000000000U +
         static_cast<std::uint64_t>(now.tv_nsec);
}

std::size_t heap_bytes() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

double quantile(std::vector<std::uint64_t>& ns, double q) {
  if (ns.empty()) return 0;
  const auto at = static_cast<std::ptrdiff_t>(q * static_cast<double>(ns.size() - 1));
  std::nth_element(ns.begin(), ns.begin() + at, ns.end());
  return static_cast<double>(ns[static_cast<std::size_t>(at)]);
}

// A filled index with what filling it cost.
struct Filled {
  explicit Filled(std::size_t subscriptions) : workload(subscriptions) {
    workload_topics = workload.topics(20000);
    const std::size_t before = heap_bytes();
    for (std::size_t i = 0; i < subscriptions; ++i) add(i);
    bytes = heap_bytes() - before;
  }

  void add(std::size_t i) {
    const std::size_t percent = next_percent++ % 100 * 37 % 100;
    const PatternKind kind = percent < 80   ? PatternKind::exact
                             : percent < 95 ? PatternKind::segments
                                            : PatternKind::regex;
    const std::string text = kind == PatternKind::exact      ? workload.exact_text()
                             : kind == PatternKind::segments ? workload.segments_text()
                                                             : workload.regex_text();
    const clockid_t clock = recording ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID;
    const std::uint64_t begin = clock_ns(clock);
    const Pattern pattern = kind == PatternKind::exact      ? Pattern::exact(text)
                            : kind == PatternKind::segments ? Pattern::segments(text)
                                                            : Pattern::regex(text);
    const PatternIndex::Handle handle = index.add(pattern, i);
    const std::uint64_t took = clock_ns(clock) - begin;
    handles.push_back(handle);
    if (recording) {
      add_ns[kind].push_back(took);
    } else {
      worst_ns = std::max(worst_ns, took);
    }
  }

  MatchWorkload workload;
  std::vector<std::string> workload_topics;
  PatternIndex index;
  std::vector<PatternIndex::Handle> handles;
  std::map<PatternKind, std::vector<std::uint64_t>> add_ns;
  std::size_t next_percent = 0;
  std::size_t bytes = 0;
  std::uint64_t worst_ns = 0;
  bool recording = false;
};

Filled& filled(std::size_t subscriptions) {
  static std::map<std::size_t, std::unique_ptr<Filled>> all;
  std::unique_ptr<Filled>& one = all[subscriptions];
  if (!one) one = std::make_unique<Filled>(subscriptions);
  return *one;
}

void route_miss(benchmark::State& state) {
  Filled& fill = filled(static_cast<std::size_t>(state.range(0)));
  std::vector<PatternIndex::Value> out;
  std::size_t next = 0;
  std::size_t found = 0;
  for (auto _ : state) {
    out.clear();
    fill.index.match(fill.workload_topics[next], out);
    found += out.size();
    benchmark::DoNotOptimize(out.data());
    if (++next == fill.workload_topics.size()) next = 0;
  }
  const auto iterations = static_cast<double>(state.iterations());
  state.counters["found"] = static_cast<double>(found) / iterations;
  state.counters["bytes_each"] =
      static_cast<double>(fill.bytes) / static_cast<double>(fill.index.size());
  state.counters["worst_add_us"] = static_cast<double>(fill.worst_ns) / 1000;
  state.counters["unfiled"] = static_cast<double>(fill.index.unfiled());
}

// Subscribes and unsubscribes at a steady size; the counters are medians.
void subscribe(benchmark::State& state) {
  Filled& fill = filled(static_cast<std::size_t>(state.range(0)));
  fill.recording = true;
  std::size_t i = 0;
  for (auto _ : state) {
    fill.add(++i);
    state.PauseTiming();
    fill.index.remove(fill.handles.back());
    fill.handles.pop_back();
    state.ResumeTiming();
  }
  fill.recording = false;
  state.counters["exact_ns"] = quantile(fill.add_ns[PatternKind::exact], 0.5);
  state.counters["segments_ns"] = quantile(fill.add_ns[PatternKind::segments], 0.5);
  state.counters["regex_ns"] = quantile(fill.add_ns[PatternKind::regex], 0.5);
  state.counters["regex_p90_ns"] = quantile(fill.add_ns[PatternKind::regex], 0.9);
}

BENCHMARK(route_miss)->Arg(100000)->Arg(1000000);
BENCHMARK(subscribe)->Arg(1000000)->Iterations(200000);

}  // namespace
}  // namespace busway::bench

BENCHMARK_MAIN();
