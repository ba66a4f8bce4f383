// simulation/seeded_random.hpp -- what the system's randomness is in a simulation: numbers of the
// seed.
#pragma once

#include <cstdint>

namespace busway::simulation {

/// For this thread.
void seed_system_random(std::uint64_t seed) noexcept;

}  // namespace busway::simulation
