// What many subscriptions cost, each figure from a process of its own:
//
//   bench_scale matcher N   the matcher alone: memory, and a topic's first look-up
//   bench_scale bus N       a whole bus: memory, and what a further subscribe takes
//   bench_scale hits N      how many routes stay good when wildcards come and go
//   bench_scale scan N      looking at each subscription in turn, and fnmatch(3) on each
//   bench_scale set N       RE2::Set
//
// Prints lines "name<tab>figure".

#include <fnmatch.h>
#include <malloc.h>
#include <re2/re2.h>
#include <re2/set.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "busway/busway.hpp"
#include "match/match_stamps.hpp"
#include "match/pattern_index.hpp"
#include "match_workload.hpp"

namespace busway::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

double ns_since(SteadyClock::time_point begun) {
  return static_cast<double>(std::chrono::nanoseconds(SteadyClock::now() - begun).count());
}

std::int64_t thread_cpu_ns() {
  timespec now{};
  (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

double heap_bytes() {
  const auto info = mallinfo2();
  return static_cast<double>(info.uordblks + info.hblkhd);
}

double median_of(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void print(const char* name, double figure) { std::printf("%s\t%g\n", name, figure); }

/// CPU nanoseconds a topic of `look_up(topic)`, each topic once a pass, the median of the passes.
template <class LookUp>
double ns_a_topic(const std::vector<std::string>& topics, int passes, LookUp&& look_up) {
  std::vector<double> ns;
  for (int pass = 0; pass < passes; ++pass) {
    const std::int64_t begun = thread_cpu_ns();
    for (const std::string& topic : topics) look_up(topic);
    ns.push_back(static_cast<double>(thread_cpu_ns() - begun) / static_cast<double>(topics.size()));
  }
  return median_of(std::move(ns));
}

void matcher(std::size_t subscriptions) {
  MatchWorkload workload(subscriptions);
  const std::vector<std::string> topics = workload.topics(20'000);
  const double before = heap_bytes();
  PatternIndex index;
  for (std::size_t i = 0; i < subscriptions; ++i) (void)index.add(workload.pattern(), i);
  print("bytes", (heap_bytes() - before) / static_cast<double>(subscriptions));
  std::vector<PatternIndex::Value> found;
  print("miss_ns", ns_a_topic(topics, 9, [&](const std::string& topic) {
          found.clear();
          index.match(topic, found);
        }));
}

void bus(std::size_t subscriptions) {
  MatchWorkload workload(subscriptions);
  Bus bus;
  std::uint64_t handled = 0;
  // Moved about when the vector grows, not counted as the bus's.
  std::vector<Subscription> kept;
  kept.reserve(subscriptions + 1);
  std::map<PatternKind, std::vector<double>> ns;
  double worst_cpu_ns = 0;
  const double before = heap_bytes();
  // The last twentieth gives the medians "at this size"; the worst is that of all.
  const std::size_t measured_from = subscriptions - subscriptions / 20;
  for (std::size_t i = 0; i < subscriptions; ++i) {
    const Pattern pattern = workload.pattern();
    const std::int64_t cpu_before = thread_cpu_ns();
    const auto begun = SteadyClock::now();
    kept.push_back(bus.subscribe(pattern, [&handled](const Event&) { ++handled; }));
    const double took = ns_since(begun);
    worst_cpu_ns = std::max(worst_cpu_ns, static_cast<double>(thread_cpu_ns() - cpu_before));
    if (i >= measured_from) ns[pattern.kind()].push_back(took);
  }
  print("bytes", (heap_bytes() - before) / static_cast<double>(subscriptions));
  print("exact_ns", median_of(ns[PatternKind::exact]));
  print("segments_ns", median_of(ns[PatternKind::segments]));
  print("regex_ns", median_of(ns[PatternKind::regex]));
  print("worst_cpu_ms", worst_cpu_ns / 1e6);
  std::fflush(stdout);
  std::_Exit(EXIT_SUCCESS);  // taking it down is not what is asked
}

Pattern wildcard(MatchWorkload& workload) {
  for (;;) {
    Pattern pattern = workload.pattern();
    if (pattern.kind() != PatternKind::exact) return pattern;
  }
}

/// Topics come by their weights; for each hundred publishes one wildcard of the mix comes or goes.
/// A route that is remembered is good while the stamp of its topic is the one it was built at.
void hits(std::size_t subscriptions) {
  constexpr int kPublishes = 200'000;
  struct Remembered {
    MatchStamps::Keys keys;
    std::uint64_t stamp;
  };
  MatchWorkload workload(subscriptions);
  MatchStamps stamps;
  std::unordered_map<std::string, Remembered> routes;
  int known = 0;
  int good = 0;
  for (int i = -kPublishes; i < kPublishes; ++i) {  // the first half fills the memory
    if (i % 100 == 0) stamps.bump(wildcard(workload));
    const std::string topic = workload.exact_text();
    const auto [route, is_new] = routes.try_emplace(topic);
    if (is_new) route->second.keys = MatchStamps::keys_of(topic);
    const std::uint64_t now = stamps.stamp(route->second.keys);
    if (i >= 0 && !is_new) {
      ++known;
      if (route->second.stamp == now) ++good;
    }
    route->second.stamp = now;
  }
  print("share", static_cast<double>(good) / known);
  print("share_of_all", static_cast<double>(good) / kPublishes);
}

/// Each subscription in turn, as a bus without an index would.
void scan(std::size_t subscriptions) {
  MatchWorkload workload(subscriptions);
  const std::vector<std::string> topics = workload.topics(20);
  std::vector<Pattern> patterns;
  patterns.reserve(subscriptions);
  for (std::size_t i = 0; i < subscriptions; ++i) patterns.push_back(workload.pattern());
  std::size_t found = 0;
  print("scan_ns", ns_a_topic(topics, 3, [&](const std::string& topic) {
          for (const Pattern& pattern : patterns) found += pattern.matches(topic) ? 1U : 0U;
        }));
  // fnmatch knows no regular expressions: those are left out, in its favour.
  std::vector<std::string> globs;
  for (const Pattern& pattern : patterns) {
    if (pattern.kind() != PatternKind::regex) globs.emplace_back(pattern.text());
  }
  print("fnmatch_ns", ns_a_topic(topics, 3, [&](const std::string& topic) {
          for (const std::string& glob : globs) {
            found += ::fnmatch(glob.c_str(), topic.c_str(), 0) == 0 ? 1U : 0U;
          }
        }));
  print("found", static_cast<double>(found));
}

std::string as_regex(const Pattern& pattern) {
  if (pattern.kind() == PatternKind::regex) return std::string(pattern.text());
  std::string regex = "^";
  std::string_view rest = pattern.text();
  while (!rest.empty()) {
    if (pattern.kind() == PatternKind::segments && rest.starts_with("**")) {
      regex += ".+";
      rest.remove_prefix(2);
    } else if (pattern.kind() == PatternKind::segments && rest.starts_with("*")) {
      regex += "[^.]+";
      rest.remove_prefix(1);
    } else {
      regex += RE2::QuoteMeta(rest.substr(0, 1));
      rest.remove_prefix(1);
    }
  }
  return regex + "$";
}

void set(std::size_t subscriptions) {
  constexpr std::int64_t kMemoryMax = std::int64_t{2} << 30;  // the default 8 MiB is too small
  MatchWorkload workload(subscriptions);
  const std::vector<std::string> topics = workload.topics(1000);
  RE2::Options options;
  options.set_max_mem(kMemoryMax);
  options.set_log_errors(false);
  RE2::Set patterns(options, RE2::UNANCHORED);
  for (std::size_t i = 0; i < subscriptions; ++i) {
    std::string error;
    if (patterns.Add(as_regex(workload.pattern()), &error) < 0) {
      std::fprintf(stderr, "RE2::Set: %s\n", error.c_str());
      std::exit(EXIT_FAILURE);
    }
  }
  if (!patterns.Compile()) {
    std::fputs("RE2::Set does not compile within 2 GiB\n", stderr);
    std::exit(EXIT_FAILURE);
  }
  std::vector<int> found;
  // One pass: it remembers what it has seen, and a miss is the first look-up of a topic.
  print("set_ns", ns_a_topic(topics, 1, [&](const std::string& topic) {
          found.clear();
          (void)patterns.Match(topic, &found);
        }));
}

}  // namespace
}  // namespace busway::bench

int main(int argc, char** argv) {
  using namespace busway::bench;
  const std::map<std::string_view, void (*)(std::size_t)> modes = {
      {"matcher", matcher}, {"bus", bus}, {"hits", hits}, {"scan", scan}, {"set", set}};
  const auto mode = modes.find(argc == 3 ? argv[1] : "");
  if (mode == modes.end()) {
    std::fputs("usage: bench_scale matcher|bus|hits|scan|set SUBSCRIPTIONS\n", stderr);
    return 2;
  }
  mode->second(std::strtoul(argv[2], nullptr, 10));
  return EXIT_SUCCESS;
}
