// plugin/sync_delivery.hpp -- a publisher waits for a plugin's worker to handle its event.
// Layer: plugin
//
// Model      On the plugin's own worker the call is made at once, nested. Elsewhere it is posted,
//            and the publisher waits until it is done or its time is over: a call that has not
//            begun by then is not made, one that has is left behind with its thread. The publisher
//            does not wait, or ceases to, where that could close a circle: when the worker waits
//            for the publisher's worker, and, for publishers that are inside a handler, while the
//            worker waits for the reply to a request or the plugin is being replaced. Then the
//            delivery is queued: it will be made, the publisher is told so, and a timer keeps its
//            deadline from when it begins.
// Threads    [any-thread]
// Ownership  The posted delivery owns a copy of the event and holds its subscription, until its
//            call has returned.
// Errors     Failures are those of the handler; timed_out; breaker_open where max_abandoned calls
//            are left behind already.
// Cost       A copy of the event, two thread switches.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "busway/context.hpp"
#include "busway/error.hpp"
#include "busway/event.hpp"
#include "busway/outcome.hpp"
#include "busway/receipt.hpp"
#include "busway/wall_time.hpp"
#include "delivery/timekeeper.hpp"

namespace busway::detail {
struct Dispatch;
struct Subscriber;
}  // namespace busway::detail

namespace busway::plugin_host_detail {

class Addressee;
class PluginInstance;
class PluginWorker;

inline constexpr std::chrono::seconds kSyncTimeoutDefault(30);

/// What a sync subscription of a plugin is.
struct SyncListener {
  std::string plugin;  // its id
  std::shared_ptr<Addressee> addressee;
  std::optional<std::chrono::nanoseconds> timeout;  // none given: kSyncTimeoutDefault
};

struct SyncDelivery final : delivery_detail::Timer {
  SyncDelivery(const SyncListener& listener, const Event& of, detail::Dispatch& publisher);
  ~SyncDelivery() override;

  /// By the plugin, during the call.
  [[nodiscard]] bool stop_requested();
  /// What became of it, if its publisher has left it to itself.
  void ended_as(DeliveryOutcome::Kind kind);
  void due() noexcept override;
  void disarmed() noexcept override;

  const Event event;
  const std::shared_ptr<Addressee> addressee;
  detail::Subscriber& subscriber;  // one reference
  const unsigned attempt;
  const std::chrono::nanoseconds timeout;
  const std::stop_token publishers;  // of the handler that the publisher is in by waiting

  std::mutex mutex;
  std::condition_variable changed;
  // Guarded by mutex.
  enum class State : unsigned char { queued, running, done, cancelled } state = State::queued;
  SteadyTime deadline;                         // as it is when the call begins it stays
  std::shared_ptr<PluginWorker> worker;        // of the call
  std::thread::id thread;                      // of the call
  bool in_handler = false;                     // the publisher is inside a handler, or a worker
  bool must_return = false;                    // the publisher must cease to wait
  bool left = false;                           // the publisher has ceased to wait
  bool given_up = false;                       // at the deadline, while it ran
  bool counted = false;                        // among those left behind
  bool by_itself = false;                      // left, and what becomes of it is to be counted
  std::shared_ptr<SyncDelivery> keeps_itself;  // while it is armed
  Outcome outcome = Outcome::done();
  std::optional<Error> error{};  // what the call threw
};

/// Makes the delivery on behalf of the handler whose context this is.
[[nodiscard]] Outcome deliver_sync(const SyncListener& listener, const Event& event,
                                   Context& context);

}  // namespace busway::plugin_host_detail
