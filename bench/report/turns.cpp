#include "report/turns.hpp"

#include <algorithm>
#include <cstdio>
#include <set>
#include <utility>

namespace busway::bench {
namespace {

std::set<std::string>& registered() {
  static std::set<std::string> names;
  return names;
}

/// As a part of a regular expression that means itself.
std::string escaped(const std::string& name) {
  std::string result;
  for (const char c : name) {
    if (c == '+' || c == '.') result += '\\';
    result += c;
  }
  return result;
}

/// Keeps the figures and prints nothing.
class Collector final : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context& /*context*/) override { return true; }

  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.error_occurred) {
        std::fprintf(stderr, "busway_bench: %s: %s\n", run.benchmark_name().c_str(),
                     run.error_message.c_str());
        continue;
      }
      // One thread's work is its CPU time, so that another program on the machine counts less.
      const bool one_thread = run.run_name.time_type.empty() && run.threads == 1;
      double ns = one_thread ? run.GetAdjustedCPUTime() : run.GetAdjustedRealTime();
      ns *= 1e9 / benchmark::GetTimeUnitMultiplier(run.time_unit);
      for (const auto& [name, counter] : run.counters) values[name] = counter.value;
      const auto events = values.find("events");
      values["ns"] = events == values.end() ? ns : ns / events->second;
    }
  }

  std::map<std::string, double> values;
};

}  // namespace

benchmark::internal::Benchmark* add_benchmark(const std::string& name,
                                              std::function<void(benchmark::State&)> body) {
  registered().insert(name);
  return benchmark::RegisterBenchmark(name.c_str(), std::move(body));
}

bool has_benchmark(const std::string& name) { return registered().contains(name); }

std::optional<double> median(std::vector<double> values) {
  if (values.empty()) return std::nullopt;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

Turns::Turns(const std::vector<std::string>& names, int rounds) {
  for (int round = 0; round < rounds; ++round) {
    for (const std::string& name : names) {
      if (!has_benchmark(name)) continue;
      Collector collector;
      // Google Benchmark appends what is special about a run, such as "/threads:2".
      const std::string suffix =
          "(/(iterations|repeats|real_time|manual_time|process_time|threads).*)?";
      benchmark::RunSpecifiedBenchmarks(&collector, "^" + escaped(name) + suffix + "$");
      if (!collector.values.empty()) readings_[name].push_back(std::move(collector.values));
    }
  }
}

const std::vector<Turns::Reading>* Turns::find(const std::string& name) const {
  const auto found = readings_.find(name);
  return found == readings_.end() ? nullptr : &found->second;
}

std::optional<double> Turns::counter(const std::string& name, const std::string& counter) const {
  const auto* readings = find(name);
  if (readings == nullptr) return std::nullopt;
  std::vector<double> values;
  for (const Reading& reading : *readings) {
    const auto found = reading.find(counter);
    if (found != reading.end()) values.push_back(found->second);
  }
  return median(std::move(values));
}

std::optional<double> Turns::ns(const std::string& name) const { return counter(name, "ns"); }

std::optional<double> Turns::ratio(const std::string& a, const std::string& b) const {
  const auto* of_a = find(a);
  const auto* of_b = find(b);
  if (of_a == nullptr || of_b == nullptr) return std::nullopt;
  std::vector<double> ratios;
  for (std::size_t i = 0; i < std::min(of_a->size(), of_b->size()); ++i) {
    ratios.push_back((*of_a)[i].at("ns") / (*of_b)[i].at("ns"));
  }
  return median(std::move(ratios));
}

std::optional<double> Turns::ratio_of_ratios(const std::string& a, const std::string& b,
                                             const std::string& c, const std::string& d) const {
  const std::vector<Reading>* of[] = {find(a), find(b), find(c), find(d)};
  std::size_t rounds = SIZE_MAX;
  for (const auto* readings : of) {
    if (readings == nullptr) return std::nullopt;
    rounds = std::min(rounds, readings->size());
  }
  std::vector<double> ratios;
  for (std::size_t i = 0; i < rounds; ++i) {
    const auto ns = [&](std::size_t which) { return (*of[which])[i].at("ns"); };
    ratios.push_back(ns(0) / ns(1) / (ns(2) / ns(3)));
  }
  return median(std::move(ratios));
}

}  // namespace busway::bench
