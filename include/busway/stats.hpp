// busway/stats.hpp -- what a bus has done so far.
// Layer: bus
//
// Model      Totals since the bus was made; by topic for the topics counted one by one, the rest
//            under "other". What did not end well adds up to the totals, topic by topic.
// Threads    A value.
// Ownership  Owns its texts.
// Errors     None.
// Cost       bus.stats() merges the counters of all threads under the bus's lock.
// Example    tests/docs/guarantees_test.cpp
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "busway/subscription_info.hpp"

namespace busway {

struct TopicStats {
  std::string topic;
  std::uint64_t published = 0;
  std::uint64_t matched = 0;
  // Deliveries that did not end well, as in DeliveryCounters.
  std::uint64_t failed = 0;
  std::uint64_t timed_out = 0;
  std::uint64_t dropped = 0;
  std::uint64_t dead_lettered = 0;
};

struct Stats : DeliveryCounters {
  std::uint64_t published = 0;  ///< accepted events
  std::uint64_t filtered = 0;   ///< rejected by a filter of the bus
  std::uint64_t refused = 0;    ///< refused: disabled, stopped, hop limit, too large, invalid
  std::uint64_t unmatched = 0;  ///< accepted events that no subscription matched
  std::uint64_t subscriptions = 0;
  std::uint64_t threads = 0;       ///< threads that published and still live
  std::uint64_t abandoned = 0;     ///< calls given up at their deadline that still hold a thread
  std::uint64_t stuck = 0;         ///< synchronous calls that stuck_after reported
  std::uint64_t late_replies = 0;  ///< discarded: the request was answered, or had ended
  std::vector<TopicStats> topics;  ///< most published first
};

}  // namespace busway
