// busway/event_handler.hpp -- a handler as an object that knows its own patterns.
// Layer: bus
//
// Model      Derive from it, then bus.subscribe(std::make_shared<Mailer>()).
// Threads    handle() runs where the subscription's mode says, on several threads at once if the
//            mode is sync.
// Ownership  The bus shares the object until the subscription has ended.
// Errors     A throw from handle() is a failed delivery. subscribe() refuses a timeout() of 0
//            or less.
// Cost       One virtual call a delivery.
// Example    tests/docs/guarantees_test.cpp
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "busway/context.hpp"
#include "busway/event.hpp"
#include "busway/outcome.hpp"

namespace busway {

class EventHandler {
 public:
  EventHandler() = default;
  EventHandler(const EventHandler&) = delete;
  EventHandler& operator=(const EventHandler&) = delete;
  virtual ~EventHandler() = default;

  [[nodiscard]] virtual std::string name() const = 0;
  [[nodiscard]] virtual std::vector<std::string> patterns() const = 0;
  /// Of one attempt; unset: the mode's default.
  [[nodiscard]] virtual std::optional<std::chrono::nanoseconds> timeout() const {
    return std::nullopt;
  }
  virtual Outcome handle(const Event& event, Context& context) = 0;
};

}  // namespace busway
