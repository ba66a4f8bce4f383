// busway/bus.hpp -- the bus: publish, subscribe, look back, stop.
// Layer: bus
//
// Model      publish(topic, payload) reaches every subscription whose pattern matches. Synchronous
//            handlers run on this thread, in priority order, before publish returns; asynchronous
//            ones get the event through a mailbox.
// Threads    Everything is [any-thread], also inside handlers, except construction and destruction.
// Ownership  Owns its subscriptions' callables, its workers and its history. Handles (Subscription,
//            Publisher, Topic, Receipt) may outlive it.
// Errors     Misuse throws Error at the call (bad pattern, bad option, bad topic). What happens at
//            run time is in the PublishResult; a handler's failure never throws into the publisher
//            and never stops the next handler.
// Cost       A publish of a small event to one synchronous handler: some 290 instructions by name,
//            235 through a Topic; no allocation, no shared write.
// Example    examples/01_hello
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "busway/bus_options.hpp"
#include "busway/context.hpp"
#include "busway/dead_letters.hpp"
#include "busway/detail/subscriber.hpp"
#include "busway/detail/typed_payload.hpp"
#include "busway/event.hpp"
#include "busway/event_handler.hpp"
#include "busway/event_status.hpp"
#include "busway/patterns.hpp"
#include "busway/publish_result.hpp"
#include "busway/publisher.hpp"
#include "busway/receipt.hpp"
#include "busway/replay_request.hpp"
#include "busway/request_result.hpp"
#include "busway/stats.hpp"
#include "busway/stop_result.hpp"
#include "busway/subscription.hpp"
#include "busway/subscription_info.hpp"
#include "busway/subscription_options.hpp"
#include "busway/topic.hpp"

namespace busway {

/// Which subscriptions unsubscribe() ends: those that fit all fields given.
struct SubscriptionQuery {
  std::string_view pattern{};
  std::string_view owner{};
  std::string_view name{};
};

class Bus {
 public:
  explicit Bus(BusOptions options = {});
  Bus(const Bus&) = delete;
  Bus& operator=(const Bus&) = delete;
  /// Refuses new calls, waits for those inside, ends all subscriptions. What is queued is dropped:
  /// stop() first.
  ~Bus();

  // -- Subscribing --------------------------------------------------------------------------------

  /// Calls handler for each event whose topic matches. The handler takes const Event&, const Json&
  /// or a payload type, each with or without Context&, and returns void or Outcome.
  template <class Handler>
  requires(!std::is_convertible_v<Handler, std::shared_ptr<EventHandler>>)
      [[nodiscard]] Subscription subscribe(const Patterns& patterns, Handler&& handler,
                                           const SubscriptionOptions& options = {}) {
    using T = detail::HandledType<std::decay_t<Handler>>;
    static_assert(!std::is_same_v<T, Context>,
                  "a handler takes the event or its payload first, and Context& after it");
    return adopt(detail::make_subscriber<T>(std::forward<Handler>(handler)), patterns, options);
  }

  /// One payload type over many topics: subscribe<PhaseEventData>("phase.*", handler).
  template <class T, class Handler>
  [[nodiscard]] Subscription subscribe(const Patterns& patterns, Handler&& handler,
                                       const SubscriptionOptions& options = {}) {
    return adopt(detail::make_subscriber<T>(std::forward<Handler>(handler)), patterns, options);
  }

  /// The topic is the payload type's own: subscribe<UserCreated>(handler).
  template <class T, class Handler>
  requires std::is_invocable_v < std::decay_t<Handler>
  &, const T& > ||
         std::is_invocable_v<std::decay_t<Handler>&, const T&, Context&> [[nodiscard]] Subscription
         subscribe(Handler&& handler, const SubscriptionOptions& options = {}) {
    static_assert(
        requires { std::string_view(T::topic); },
        "subscribe<T>(handler) needs a payload type with a static constexpr std::string_view "
        "topic; without one write subscribe(\"the.topic\", handler)");
    const Pattern pattern = Pattern::exact(T::topic);
    return adopt(detail::make_subscriber<T>(std::forward<Handler>(handler)), pattern, options);
  }

  /// An object that knows its patterns; its name() and timeout() are used where the options leave
  /// them unset.
  [[nodiscard]] Subscription subscribe(std::shared_ptr<EventHandler> handler,
                                       SubscriptionOptions options = {});

  bool unsubscribe(SubscriptionId id);
  /// Those of an owner that have this pattern, as it was written, among theirs: each ends as a
  /// whole. Returns how many.
  std::size_t unsubscribe(std::string_view pattern, std::string_view owner);
  std::size_t unsubscribe(const SubscriptionQuery& query);
  std::size_t unsubscribe_all(std::string_view owner);
  /// All, or those of one owner.
  [[nodiscard]] std::vector<SubscriptionInfo> subscriptions(std::string_view owner = {}) const;

  // -- Publishing ---------------------------------------------------------------------------------

  /// Publishes an event made elsewhere. A nil id or an unset time is filled in; the cause is that
  /// of the handler this is called in, unless the event names one.
  PublishResult publish(const Event& event);
  PublishResult publish(std::string_view topic, Payload payload = {});
  PublishResult publish(std::string_view topic, Payload payload, const PublishOptions& options);
  PublishResult publish(std::string_view topic, Json payload, const PublishOptions& options = {});
  /// No payload, written {} or nullptr: publish("cache.cleared", {}, {.key = "users"}). Options are
  /// always the third argument: in second place g++ 12 takes {.field = value} for a JSON value.
  PublishResult publish(std::string_view topic, std::nullptr_t,
                        const PublishOptions& options = {}) {
    return publish(topic, Payload(), options);
  }
  /// Typed payloads: busway/typed.hpp.
  template <detail::TypedPayload T>
  PublishResult publish(std::string_view topic, T&& payload);
  template <detail::TypedPayload T>
  PublishResult publish(std::string_view topic, T&& payload, const PublishOptions& options);
  template <detail::TypedPayload T>
  PublishResult publish(T&& payload);
  template <detail::TypedPayload T>
  PublishResult publish(T&& payload, const PublishOptions& options);

  /// Runs nothing here: the synchronous handlers run in priority order on one worker, events of one
  /// thread in order.
  Receipt publish_async(Event event);
  Receipt publish_async(std::string_view topic, Payload payload = {},
                        const PublishOptions& options = {});
  Receipt publish_async(std::string_view topic, Json payload, const PublishOptions& options = {});
  Receipt publish_async(std::string_view topic, std::nullptr_t,
                        const PublishOptions& options = {}) {
    return publish_async(topic, Payload(), options);
  }
  template <detail::TypedPayload T>
  Receipt publish_async(std::string_view topic, const T& payload,
                        const PublishOptions& options = {});
  template <detail::TypedPayload T>
  Receipt publish_async(const T& payload, const PublishOptions& options = {});

  /// One result an event, in order.
  std::vector<PublishResult> publish_batch(std::span<const Event> events);

  /// A handle on a topic, for frequent publishing. Throws Error(invalid_topic).
  [[nodiscard]] Topic topic(std::string_view name);

  /// A handle that publishes in the name of a component.
  [[nodiscard]] Publisher publisher(std::string_view source, Origin origin = Origin::internal);

  /// Publishes and waits for the first context.reply(). Synchronous handlers run first, on this
  /// thread, bounded by their own timeouts alone, and a reply they give late still counts; then it
  /// waits for the asynchronous ones until `timeout` after it was called. Not at all when there are
  /// none. A request is never stored and stays in this process. Ends with `stopped` when the bus is
  /// destroyed, and with `already_exists` when a request with the id given in the options waits.
  RequestResult request(std::string_view topic, Payload payload, std::chrono::nanoseconds timeout,
                        const PublishOptions& options = {});
  RequestResult request(std::string_view topic, Json payload, std::chrono::nanoseconds timeout,
                        const PublishOptions& options = {});
  RequestResult request(std::string_view topic, std::nullptr_t, std::chrono::nanoseconds timeout,
                        const PublishOptions& options = {}) {
    return request(topic, Payload(), timeout, options);
  }
  template <detail::TypedPayload T>
  RequestResult request(std::string_view topic, const T& payload, std::chrono::nanoseconds timeout,
                        const PublishOptions& options = {});
  template <detail::TypedPayload T>
  RequestResult request(const T& payload, std::chrono::nanoseconds timeout,
                        const PublishOptions& options = {});

  /// An event that a filter rejects goes nowhere and is counted as filtered. A filter that throws
  /// rejects. Throws Error(already_exists) when the name is taken.
  void add_filter(std::string name, std::function<bool(const Event&)> predicate);
  bool remove_filter(std::string_view name);

  // -- Durable subscriptions ----------------------------------------------------------------------

  /// Forgets a durable subscription with all it has not settled and its dead letters; its openings
  /// end. Dropping a Subscription never does that. False: there is none of that name.
  bool remove_durable(std::string_view name);
  /// What the store knows of each: cursor, lag, retries, dead letters.
  [[nodiscard]] std::vector<DurableInfo> durables() const;
  /// The store; null while nothing is kept.
  [[nodiscard]] std::shared_ptr<Store> store() const noexcept;

  // -- Looking back -------------------------------------------------------------------------------

  /// Newest first; all that is kept unless limited. since: not older than this.
  [[nodiscard]] std::vector<Event> history(const Patterns& pattern = "*", std::size_t limit = 0,
                                           WallTime since = {}) const;
  /// Past events once more, oldest first, into a prefix of topics or into one subscription; returns
  /// when all have been handed on. replay_request.hpp tells the rest.
  ReplayResult replay(const ReplayRequest& request);
  [[nodiscard]] Stats stats() const;
  /// Of the last BusOptions::status_events events; no value for others.
  [[nodiscard]] std::optional<EventStatusInfo> event_status(const EventId& id) const;
  /// Deliveries that were given up.
  [[nodiscard]] DeadLetters dead_letters() const noexcept;
  [[nodiscard]] const std::string& instance_id() const noexcept;
  [[nodiscard]] const BusOptions& options() const noexcept;

  // -- Running and stopping -----------------------------------------------------------------------

  /// Runs what is ready on the bus's ManualExecutor, retries that are due first, at most max tasks;
  /// returns how many ran. With
  /// another executor there is nothing to pump: 0.
  std::size_t poll(std::size_t max = static_cast<std::size_t>(-1));

  /// Whether no mailbox holds an event, no asynchronous handler runs and no retry waits. wait_idle
  /// waits for it; false at the deadline.
  [[nodiscard]] bool idle() const;
  bool wait_idle(std::chrono::nanoseconds timeout) const;

  /// Refuses publishes from outside handlers from now on, drains the mailboxes, and reports what is
  /// left at the deadline. Inside a handler it begins the stop and returns. A second call waits for
  /// the first.
  StopResult stop(std::chrono::nanoseconds deadline = std::chrono::seconds(30));

 private:
  friend struct detail::Dispatch;
  Subscription adopt(detail::Subscriber* subscriber, const Patterns& patterns,
                     const SubscriptionOptions& options);

  detail::BusCore* core_;
};

}  // namespace busway
