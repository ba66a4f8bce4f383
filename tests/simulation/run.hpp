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

/// What the bus is told otherwise than the model, to see whether that is found. The last one: as
/// timeouts, and its contexts are not asked for their deadlines.
enum class Misled : unsigned char { in_nothing, in_jitter, in_timeouts, in_timeouts_unseen };

RunResult run_seed(std::uint64_t seed, Trace::Show show = Trace::Show::nothing,
                   Misled misled = Misled::in_nothing);

}  // namespace busway::simulation
