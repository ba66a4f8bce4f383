#include "run.hpp"

#include "world.hpp"

namespace busway::simulation {

RunResult run_seed(std::uint64_t seed, Trace::Show show) {
  World world(seed, show);
  world.run();
  RunResult result{.steps = world.steps(),
                   .events = world.model().events.size(),
                   .deliveries = world.model().deliveries.size(),
                   .trace_hash = world.trace().hash(),
                   .violation = world.model().violation(),
                   .report = {}};
  if (!result.violation) return result;
  result.report = "the last steps:\n";
  for (const std::string& line : world.trace().lines()) result.report += "  " + line + "\n";
  result.report += "seed " + std::to_string(seed) + ", step " + std::to_string(result.steps) +
                   "\n  must hold: " + result.violation->invariant +
                   "\n  found:     " + result.violation->found +
                   "\nagain: busway_simulation --seed " + std::to_string(seed) + " --trace\n";
  return result;
}

}  // namespace busway::simulation
