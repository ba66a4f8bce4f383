// bus/still_bus.hpp -- a bus whose time and whose handlers move only when the test says.
#pragma once

#include <chrono>
#include <memory>
#include <utility>

#include "bus_fixture.hpp"
#include "busway/testing/manual_clock.hpp"

namespace busway {

struct OwnClock {
  std::shared_ptr<testing::ManualClock> clock = std::make_shared<testing::ManualClock>();
};

struct Still : OwnClock, Pumped {
  explicit Still(BusOptions options = {}) : Pumped(with_clock(std::move(options))) {}
  BusOptions with_clock(BusOptions options) {
    options.clock = clock;
    return options;
  }
  /// Time passes in steps of a hundredth of a second, as retries are due.
  void pass(std::chrono::nanoseconds time) {
    for (std::chrono::nanoseconds step = std::chrono::milliseconds(10); time > time.zero();
         time -= step) {
      clock->advance(step);
      (void)bus.poll();
    }
  }
};

}  // namespace busway
