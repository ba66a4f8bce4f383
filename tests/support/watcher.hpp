// What a bus publishes, kept for a test that waits for it.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "busway/bus.hpp"

namespace busway {

/// Only for tests that would otherwise hang: no test passes by it.
inline constexpr std::chrono::seconds kGuard(60);

/// Keeps the events of some topics, and waits for them.
class Watcher {
 public:
  Watcher(Bus& bus, const Patterns& patterns)
      : subscription_(bus.subscribe(patterns, [this](const Event& event) {
          const std::lock_guard lock(mutex_);
          events_.push_back(event);
          changed_.notify_all();
        })) {}

  /// The n-th event of the topic, from 0; fails the test and gives no event when it does not come.
  Event wait(std::string_view topic, std::size_t n = 0) {
    std::unique_lock lock(mutex_);
    Event found;
    const bool came = changed_.wait_for(lock, kGuard, [&] {
      std::size_t seen = 0;
      for (const Event& event : events_) {
        if (event.topic() != topic || seen++ != n) continue;
        found = event;
        return true;
      }
      return false;
    });
    EXPECT_TRUE(came) << "no event " << topic;
    return found;
  }

  [[nodiscard]] std::vector<std::string> topics() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> out;
    for (const Event& event : events_) out.emplace_back(event.topic());
    return out;
  }

  [[nodiscard]] std::size_t count(std::string_view topic) const {
    std::size_t n = 0;
    for (const std::string& one : topics()) n += one == topic ? 1U : 0U;
    return n;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Event> events_;
  Subscription subscription_;  // last: ends before what it writes to
};

}  // namespace busway
