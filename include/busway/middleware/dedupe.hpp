// busway/middleware/dedupe.hpp -- calls a handler once for each event, by its id.
// Layer: bus
//
// Model      with(Dedupe(5min), handler). An id that came within the window is done without a call.
//            An event whose handling did not end well may come again, as its retry does; while it
//            is being handled, another with its id counts as come. SubscriptionOptions::dedupe is
//            the same in front of the mailbox: it counts such an event as not matched, and sees no
//            retries. Use this one behind other middlewares.
// Threads    [any-thread]
// Ownership  A copy has the window and a memory of its own, so that one chain() may serve several
//            subscriptions.
// Errors     The constructor throws Error(invalid_option) for a window that is not longer than 0.
// Cost       One lock a call, and an entry of a hash table for each of at most
//            limits::kDedupeIdsMax ids; the oldest is forgotten first.
// Example    tests/bus/middleware/dedupe_test.cpp
#pragma once

#include <chrono>
#include <memory>

#include "busway/middleware.hpp"

namespace busway {

namespace delivery_detail {
class SeenIds;
}

class Dedupe {
 public:
  explicit Dedupe(std::chrono::nanoseconds window);
  Dedupe(const Dedupe& other) : Dedupe(other.window_) {}
  Dedupe(Dedupe&&) noexcept = default;
  Dedupe& operator=(const Dedupe& other) { return *this = Dedupe(other); }
  Dedupe& operator=(Dedupe&&) noexcept = default;
  ~Dedupe() = default;

  Outcome operator()(const Event& event, Context& context, const Next& next) const;

 private:
  std::chrono::nanoseconds window_;
  std::shared_ptr<delivery_detail::SeenIds> ids_;  // shared for its deleter alone
};

}  // namespace busway
