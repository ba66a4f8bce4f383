// plugin/sync_delivery.hpp -- a publisher waits for a plugin's worker to handle its event.
// Layer: plugin
//
// Model      On the plugin's own worker the call is made at once, nested. Elsewhere it is posted,
//            and the publisher waits until it is done or its time is over. It does not wait, or
//            ceases to, where that could close a circle: when the worker waits for the publisher's
//            worker, and, for publishers that are inside a handler, while the worker waits for the
//            reply to a request. Then the delivery is queued: it will be made, and the publisher is
//            told so.
// Threads    [any-thread]
// Ownership  The posted delivery owns a copy of the event.
// Errors     Failures are those of the handler; a time-out is recorded as timed_out, and a call
//            that has not begun by then is not made.
// Cost       A copy of the event, two thread switches.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "busway/context.hpp"
#include "busway/error.hpp"
#include "busway/event.hpp"
#include "busway/outcome.hpp"

namespace busway::plugin_host_detail {

class PluginInstance;

inline constexpr std::chrono::seconds kSyncTimeoutDefault(30);

struct SyncDelivery {
  SyncDelivery(const Event& of, std::uint64_t its_tag,
               std::shared_ptr<const std::atomic<bool>> subscription_ended)
      : event(of), tag(its_tag), ended(std::move(subscription_ended)) {}

  const Event event;
  const std::uint64_t tag;
  const std::shared_ptr<const std::atomic<bool>> ended;  // its subscription

  std::mutex mutex;
  std::condition_variable changed;
  // Guarded by mutex.
  enum class State : unsigned char { queued, running, done, cancelled } state = State::queued;
  bool in_handler = false;   // the publisher is inside a handler, or a worker
  bool must_return = false;  // the publisher must cease to wait
  bool left = false;         // the publisher has ceased to wait
  Outcome outcome = Outcome::done();
  std::optional<Error> error{};  // what the call threw
};

/// Makes the delivery on behalf of the handler whose context this is.
[[nodiscard]] Outcome deliver_sync(PluginInstance& plugin, std::uint64_t tag,
                                   const std::shared_ptr<const std::atomic<bool>>& ended,
                                   const Event& event, Context& context,
                                   std::chrono::nanoseconds timeout);

}  // namespace busway::plugin_host_detail
