// report/turns.hpp -- runs Google Benchmark's benchmarks in turns, so that what disturbs the
// machine disturbs all of them alike.
//
// Model      A B C A B C ...: in each round every benchmark runs once, for a slice of time. A ratio
//            is taken within each round, and the median over the rounds is reported.
// Threads    [not-concurrent]
// Errors     A benchmark that is not registered (its peer is missing) has no readings.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

namespace busway::bench {

/// Registers with Google Benchmark and remembers the name.
benchmark::internal::Benchmark* add_benchmark(const std::string& name,
                                              std::function<void(benchmark::State&)> body);

[[nodiscard]] bool has_benchmark(const std::string& name);

[[nodiscard]] std::optional<double> median(std::vector<double> values);

class Turns {
 public:
  /// Runs the benchmarks of these names, skipping those not registered.
  Turns(const std::vector<std::string>& names, int rounds);

  /// The median of the nanoseconds an iteration took: CPU time of one thread, real time of several
  /// (then of all threads' iterations together). A benchmark whose iteration handles many events
  /// sets the counter "events" to how many; then it is the time of one event.
  [[nodiscard]] std::optional<double> ns(const std::string& name) const;
  /// Median of a's time over b's in the same round.
  [[nodiscard]] std::optional<double> ratio(const std::string& a, const std::string& b) const;
  /// Median over the rounds of (a over b) over (c over d).
  [[nodiscard]] std::optional<double> ratio_of_ratios(const std::string& a, const std::string& b,
                                                      const std::string& c,
                                                      const std::string& d) const;
  /// Of a counter that the benchmark sets.
  [[nodiscard]] std::optional<double> counter(const std::string& name,
                                              const std::string& counter) const;

 private:
  using Reading = std::map<std::string, double>;  // "ns" and the counters

  [[nodiscard]] const std::vector<Reading>* find(const std::string& name) const;

  std::map<std::string, std::vector<Reading>> readings_;
};

}  // namespace busway::bench
