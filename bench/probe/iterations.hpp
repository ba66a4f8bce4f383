// probe/iterations.hpp -- how often a case is run while it is counted.
#pragma once

namespace busway::bench {

/// Enough that what happens once in a while (a clock's anchor, a new millisecond) has its share.
inline constexpr int kProbeIterations = 20'000;

}  // namespace busway::bench
