// busway/store_census.hpp -- what a store holds, counted by topic and by durable name.
// Layer: store
//
// Model      Counts of one moment. backlog is what a name has still to settle: what it waits to be
//            given, what is given out, and what waits for its next attempt.
// Threads    Values.
// Ownership  Own their texts.
// Errors     None.
// Cost       Store::census() looks at every event that is kept: seconds for millions.
// Example    testing/include/busway/testing/store_conformance.hpp
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "busway/durable_spec.hpp"
#include "busway/store_info.hpp"
#include "busway/wall_time.hpp"

namespace busway {

struct TopicCount {
  std::string topic;
  std::uint64_t events = 0;
};

struct DurableCount {
  DurableInfo info{};
  std::uint64_t backlog = 0;
  std::optional<WallTime> oldest{};  ///< the time of the first event of the backlog
};

struct StoreCensus {
  StoreStats stats{};
  std::vector<TopicCount> topics{};      ///< those with most events first, then by name
  std::vector<DurableCount> durables{};  ///< by name
};

}  // namespace busway
