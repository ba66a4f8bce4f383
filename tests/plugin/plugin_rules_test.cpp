#include "busway/plugin_rules.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <tuple>
#include <vector>

namespace busway {
namespace {

using std::chrono::seconds;

/// All that rules may say: for comparing, so that merge() forgets none of it.
auto all_of(const PluginRules& r) {
  return std::tie(r.reload, r.isolation, r.soft_deadline, r.hard_deadline, r.queue_capacity,
                  r.overflow, r.state_bytes_max, r.durable, r.restarts_max, r.restarts_within,
                  r.restart_delay, r.restart_delay_max, r.memory_bytes_max, r.open_files_max,
                  r.cpu_time_max, r.may_publish, r.may_subscribe);
}

PluginRules one() {
  return {.reload = PluginReload::none,
          .isolation = PluginIsolation::process,
          .soft_deadline = seconds(1),
          .hard_deadline = seconds(2),
          .queue_capacity = 3,
          .overflow = Overflow::block,
          .state_bytes_max = 4,
          .durable = PluginDurability::shared,
          .restarts_max = 5,
          .restarts_within = seconds(6),
          .restart_delay = seconds(7),
          .restart_delay_max = seconds(8),
          .memory_bytes_max = 9,
          .open_files_max = 10,
          .cpu_time_max = seconds(11),
          .may_publish = std::vector<std::string>{"a"},
          .may_subscribe = std::vector<std::string>{"b"}};
}

PluginRules other() {
  return {.reload = PluginReload::overlap,
          .isolation = PluginIsolation::none,
          .soft_deadline = seconds(101),
          .hard_deadline = seconds(102),
          .queue_capacity = 103,
          .overflow = Overflow::reject,
          .state_bytes_max = 104,
          .durable = PluginDurability::none,
          .restarts_max = 105,
          .restarts_within = seconds(106),
          .restart_delay = seconds(107),
          .restart_delay_max = seconds(108),
          .memory_bytes_max = 109,
          .open_files_max = 110,
          .cpu_time_max = seconds(111),
          .may_publish = std::vector<std::string>{"c"},
          .may_subscribe = std::vector<std::string>{"d"}};
}

TEST(PluginRules, TheFirstGoBeforeTheSecond) {
  EXPECT_EQ(all_of(merge(one(), other())), all_of(one()));
  EXPECT_EQ(all_of(merge(other(), one())), all_of(other()));
}

TEST(PluginRules, WhatTheFirstLeaveUnsetIsAsTheSecondSay) {
  EXPECT_EQ(all_of(merge({}, one())), all_of(one()));
  EXPECT_EQ(all_of(merge(one(), {})), all_of(one()));
  EXPECT_EQ(all_of(merge({}, {})), all_of({}));
}

TEST(PluginRules, EachIsTakenByItself) {
  const PluginRules merged = merge({.queue_capacity = 1}, {.queue_capacity = 2, .restarts_max = 9});
  EXPECT_EQ(merged.queue_capacity, 1U);
  EXPECT_EQ(merged.restarts_max, 9U);
  EXPECT_EQ(merged.overflow, std::nullopt);
}

TEST(PluginRules, AnEmptyListIsSaidAndNotUnset) {
  const PluginRules merged =
      merge({.may_publish = std::vector<std::string>{}}, {.may_publish = {{"a"}}});
  EXPECT_EQ(merged.may_publish, std::vector<std::string>{});
}

}  // namespace
}  // namespace busway
