// phase/limits.hpp -- the bounds of phases and chains.
// Layer: phase
//
// Threads    None.
#pragma once

#include <chrono>
#include <cstddef>

#include "busway/limits.hpp"

namespace busway::phase_detail {

inline constexpr std::size_t kPhasesMax = 1024;  // of one chain
/// Levels of arrays and objects of data and metadata: they are members of their events.
inline constexpr std::size_t kDataDepthMax = limits::kJsonDepthMax - 1;
inline constexpr std::size_t kNameBytesMax = 255;
inline constexpr std::size_t kErrorBytesMax = 1000;  // of what a phase threw, in a message
inline constexpr int kAttemptsMax = 100'000;
inline constexpr std::size_t kParallelMax = 1024;
/// How long a phase waits for the reply to phase.lookup.
inline constexpr std::chrono::nanoseconds kLookupTimeout = std::chrono::milliseconds(250);
/// Calls of phases that passed their deadline and have not returned, in the process.
inline constexpr std::size_t kLeftBehindMax = 64;

}  // namespace busway::phase_detail
