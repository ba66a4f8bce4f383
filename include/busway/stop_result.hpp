// busway/stop_result.hpp -- what was left when a bus stopped.
// Layer: bus
//
// Model      complete: everything queued was handled. begun: called inside a handler, the stop goes
//            on without the caller.
// Threads    A value.
// Ownership  Owns its texts.
// Errors     None.
// Cost       None.
// Example    examples/08_owned_by_a_program
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "busway/publish_result.hpp"

namespace busway {

struct StopResult {
  enum class Kind : unsigned char { complete, begun, deadline } kind = Kind::complete;

  /// One subscription that still had events queued or a call running at the deadline; or, as
  /// "settlements of NAME", a durable one of which the store could not be told in time what was
  /// handled: it will be given out again.
  struct Left {
    SubscriptionId subscription = 0;
    std::string name;
    std::size_t queued = 0;
    std::size_t running = 0;
  };
  std::vector<Left> left;

  [[nodiscard]] bool ok() const noexcept { return kind == Kind::complete; }
  [[nodiscard]] std::size_t queued() const noexcept {
    std::size_t sum = 0;
    for (const Left& one : left) sum += one.queued;
    return sum;
  }
};

}  // namespace busway
