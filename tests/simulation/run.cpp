#include "run.hpp"

#include <thread>

#include "seeded_random.hpp"
#include "world.hpp"

namespace busway::simulation {
namespace {

RunResult run_here(std::uint64_t seed, Trace::Show show, Misled misled) {
  World world(seed, show, misled);
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

}  // namespace

/// On a thread of its own: the bus draws jitter from a stream that belongs to the thread.
RunResult run_seed(std::uint64_t seed, Trace::Show show, Misled misled) {
  RunResult result;
  std::thread([&] {
    seed_system_random(seed);
    result = run_here(seed, show, misled);
  }).join();
  return result;
}

}  // namespace busway::simulation
