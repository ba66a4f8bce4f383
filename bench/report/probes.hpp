// report/probes.hpp -- figures that other programs find: instructions, allocations, compile times.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace busway::bench {

/// Case name to figure; empty when the means to measure is missing (then `why` says what).
struct Figures {
  std::map<std::string, double> values;
  std::string why;

  [[nodiscard]] std::optional<double> get(const std::string& name) const {
    const auto found = values.find(name);
    return found == values.end() ? std::nullopt : std::optional(found->second);
  }
};

/// Instructions one piece of work of each case in probe/cases.hpp takes, by callgrind.
[[nodiscard]] Figures count_instructions();

/// Allocations of the same.
[[nodiscard]] Figures count_allocations();

/// What bench_scale prints in one of its modes; a failure is added to the notes.
[[nodiscard]] Figures count_at_scale(const std::string& mode, int subscriptions,
                                     std::vector<std::string>& notes);

/// What bench_store prints in one of its modes.
[[nodiscard]] Figures time_processes(const std::string& mode, const std::string& folder);

/// Seconds of CPU time to compile each file in compile/, the median of some rounds in turns.
[[nodiscard]] Figures time_compilations();

}  // namespace busway::bench
