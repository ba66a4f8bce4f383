// simulation/run.hpp -- runs a seed and tells what came of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "model.hpp"
#include "trace.hpp"

namespace busway::simulation {

struct RunResult {
  std::size_t steps = 0;
  std::size_t events = 0;
  std::size_t deliveries = 0;
  std::uint64_t trace_hash = 0;
  std::optional<Violation> violation;
  std::string report;  // for people, when there is a violation
};

RunResult run_seed(std::uint64_t seed, Trace::Show show = Trace::Show::nothing);

}  // namespace busway::simulation
