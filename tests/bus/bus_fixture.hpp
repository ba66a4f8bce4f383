// bus/bus_fixture.hpp -- what the tests of the bus share.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <eventually.hpp>
#include <expect_error.hpp>
#include <functional>
#include <gate.hpp>
#include <memory>
#include <mutex>
#include <quiet.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "busway/busway.hpp"
#include "busway/manual_executor.hpp"
#include "busway/typed.hpp"

namespace busway {

using Names = std::vector<std::string>;
inline constexpr std::chrono::nanoseconds kLong = std::chrono::minutes(2);

/// A small payload and one that needs a block.
struct Point {
  static constexpr std::string_view topic = "point.moved";
  int x = 0;
  int y = 0;
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Point, x, y)
};
struct Note {
  static constexpr std::string_view topic = "note.added";
  std::string text{};
  std::vector<int> numbers{};
  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Note, text, numbers)
};

/// A bus whose asynchronous handlers run when the test says.
struct Pumped {
  explicit Pumped(BusOptions options = {}) : bus(with_executor(std::move(options))) {}
  BusOptions with_executor(BusOptions options) {
    options.executor = executor;
    return quiet(std::move(options));
  }
  std::shared_ptr<ManualExecutor> executor = std::make_shared<ManualExecutor>();
  Bus bus;
};

inline Subscription note_topics(Bus& bus, const Patterns& patterns, Names& into,
                                const SubscriptionOptions& options = {}) {
  return bus.subscribe(
      patterns, [&into](const Event& event) { into.emplace_back(event.topic()); }, options);
}

template <class Counters>
::testing::AssertionResult adds_up(const Counters& one) {
  const std::uint64_t sum =
      one.delivered + one.failed + one.timed_out + one.dropped + one.dead_lettered + one.in_flight;
  if (one.matched == sum && one.matched < (std::uint64_t{1} << 62U))
    return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << "matched " << one.matched << " delivered " << one.delivered << " failed " << one.failed
         << " dropped " << one.dropped << " in flight " << one.in_flight;
}

inline SubscriptionInfo info_of(const Bus& bus, SubscriptionId id) {
  for (SubscriptionInfo& one : bus.subscriptions()) {
    if (one.id == id) return one;
  }
  ADD_FAILURE() << "no subscription " << id;
  return {};
}

}  // namespace busway
