// bus/bus_fixture.hpp -- what the tests of the bus share.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <eventually.hpp>
#include <functional>
#include <memory>
#include <mutex>
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

/// Says nothing on standard error.
inline BusOptions quiet(BusOptions options = {}) {
  if (!options.log) options.log = [](LogLevel, std::string_view, std::span<const LogField>) {};
  return options;
}

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

/// A door that stays open once opened.
class Gate {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  /// False after a minute, which only a broken build needs.
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::minutes(1), [&] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

inline Subscription note_topics(Bus& bus, const Patterns& patterns, Names& into,
                                const SubscriptionOptions& options = {}) {
  return bus.subscribe(
      patterns, [&into](const Event& event) { into.emplace_back(event.topic()); }, options);
}

/// The message; fails the test when nothing, something else or another code is thrown.
template <class Action>
std::string error_of(ErrorCode code, const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(to_string(error.code()), to_string(code)) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown where " << to_string(code) << " was expected";
  return {};
}

inline ::testing::AssertionResult mentions(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << '"' << text << "\" does not mention \"" << part << '"';
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
