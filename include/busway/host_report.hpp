// busway/host_report.hpp -- what a run came to: what each plugin found, and the bus's counters.
// Layer: host
//
// Model      A plugin says what it found by publishing kRunSummaryTopic with a flat JSON object,
//            best in its stop(). The host keeps the last one of each plugin. found adds up those of
//            all sources: what came into this program.
// Threads    Values.
// Ownership  Own their texts.
// Errors     None.
// Cost       Made by host.report(), which merges the counters of all threads.
// Example    tests/host/run_summaries_test.cpp
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "busway/json.hpp"
#include "busway/plugin_info.hpp"
#include "busway/stats.hpp"

namespace busway {

/// The payload is an object of numbers, texts and booleans.
inline constexpr std::string_view kRunSummaryTopic = "run.summary";

struct PluginReport {
  PluginInfo info{};              ///< as it was when it stopped, or is
  DeliveryCounters deliveries{};  ///< of its subscriptions
  Json found = Json::object();
};

struct HostReport {
  Json found = Json::object();          ///< of the sources, numbers of one key added
  std::vector<PluginReport> plugins{};  ///< in the order loaded
  Stats stats{};
};

}  // namespace busway
