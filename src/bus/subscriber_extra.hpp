// bus/subscriber_extra.hpp -- what a subscription has beyond a plain handler on one exact topic.
// Layer: bus
//
// Model      Patterns and their places in the index, names, policies, and for asynchronous ones the
//            mailbox with its sink.
// Threads    Constant once subscribed, except what says otherwise.
// Ownership  Belongs to its Subscriber.
// Errors     None.
// Cost       One allocation for subscriptions that need it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "bus/latency_histogram.hpp"
#include "bus/subscriber_sink.hpp"
#include "busway/detail/subscriber.hpp"
#include "busway/pattern.hpp"
#include "busway/subscription_options.hpp"
#include "delivery/breaker.hpp"
#include "delivery/mailbox.hpp"
#include "delivery/seen_ids.hpp"
#include "match/pattern_index.hpp"

namespace busway::detail {

class DurableFeed;
class LivePast;

/// The life of a subscription. ended: no handler starts any more.
enum class SubscriberState : std::uint8_t { active, paused, replaying, ended };

struct SubscriberExtra {
  std::vector<Pattern> patterns;  // empty: the entry's topic
  std::vector<PatternIndex::Handle> handles;
  std::string name;
  std::string owner;
  std::function<bool(const Event&)> filter;
  std::unique_ptr<delivery_detail::SeenIds> dedupe;
  std::optional<RetryPolicy> retry;       // none: a failure is final
  std::atomic<std::uint64_t> retried{0};  // of a synchronous subscription
  /// Given by an option, or made when max_abandoned calls are left behind.
  std::atomic<delivery_detail::Breaker*> breaker{nullptr};
  /// Of one call. none: it runs on the publisher's thread, or as long as it likes.
  std::optional<std::chrono::nanoseconds> timeout;
  /// Of a synchronous subscription of a plugin, whose call keeps this deadline itself. 0: none.
  std::atomic<std::chrono::nanoseconds> own_timeout{std::chrono::nanoseconds(0)};
  std::atomic<std::uint32_t> left_behind{0};  // calls given up that have not returned
  std::atomic<std::uint32_t> suspended{0};    // calls of a coroutine that have not ended
  std::atomic<bool> orphaned{false};          // ended; the last of them destroys the callable
  std::atomic<std::uint32_t> timed_out{0};    // deliveries of a synchronous subscription
  bool once = false;
  bool replays = false;  // begins with past events, and is not durable
  /// Its replay has what the store has up to here.
  std::atomic<std::uint64_t> replayed_to{0};
  std::unique_ptr<LivePast>
      past;  // what is still to be replayed; of begin_replay(), then of a pump
  std::atomic<bool> taken{false};  // once: an event has claimed it
  std::atomic<LatencyHistogram*> latency{nullptr};
  /// Gets what is coming, where handlers may know it before their turn, and how long each of them
  /// will have from its turn on.
  std::function<bool(std::span<const delivery_detail::Delivery>,
                     std::optional<std::chrono::nanoseconds>)>
      ahead;
  std::unique_ptr<SubscriberSink> sink;
  std::unique_ptr<delivery_detail::Mailbox> mailbox;  // asynchronous only
  std::shared_ptr<DurableFeed> feed;                  // durable only
  std::size_t async_place = 0;                        // guarded by the bus's async lock

  SubscriberExtra();
  ~SubscriberExtra();
};

/// Whether a synchronous call of it ends at a deadline.
inline bool keeps_deadlines(const SubscriberExtra& extra) noexcept {
  return extra.timeout || extra.own_timeout.load(std::memory_order_relaxed).count() != 0;
}

inline SubscriberState state_of(const Subscriber& subscriber) noexcept {
  return static_cast<SubscriberState>(subscriber.state.load(std::memory_order_acquire));
}

inline void retain(Subscriber* subscriber) noexcept {
  subscriber->references.fetch_add(1, std::memory_order_relaxed);
}
void destroy_subscriber(Subscriber* subscriber) noexcept;
inline void release(Subscriber* subscriber) noexcept {
  if (subscriber->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    destroy_subscriber(subscriber);
  }
}

/// Destroys the handler, once.
void end_callable(Subscriber& subscriber) noexcept;
/// A call of it that was left behind, and counted, has returned; it was made on that thread.
void came_back(Subscriber& subscriber, std::thread::id thread) noexcept;
/// Calls of it go on of which its mailbox knows nothing, or no thread.
[[nodiscard]] bool has_calls_elsewhere(const Subscriber& subscriber) noexcept;
/// One of them has ended: the last one destroys the handler of a subscription that has ended.
void call_elsewhere_ended(Subscriber& subscriber, std::atomic<std::uint32_t>& count) noexcept;

// breaking.cpp. A change of state is logged and published, as caused by the event that is handled:
// at once, or later where this thread must not run handlers.
enum class Tell : unsigned char { at_once, later };
[[nodiscard]] delivery_detail::Breaker::Verdict ask_breaker(Subscriber& subscriber,
                                                            const Event& event);
/// What a call's end tells its breaker.
void tell_breaker(Subscriber& subscriber, const Event& event,
                  delivery_detail::Breaker::Verdict verdict, bool well, Tell tell = Tell::at_once);
/// The breaker is in this state now; for those who change it by other ways. No lock is held.
void breaker_changed(Subscriber& subscriber, const Event& event,
                     delivery_detail::Breaker::State state, std::string_view reason,
                     Tell tell = Tell::at_once);
/// Why a call was refused.
[[nodiscard]] std::string breaker_words(const Subscriber& subscriber);

/// Whether one of the topic's route takes events now and names the topic, alone or in a list.
[[nodiscard]] bool takes_by_name(const Subscriber& subscriber, std::string_view topic) noexcept;

/// The name, or the first pattern: for people.
[[nodiscard]] std::string subscriber_name(const Subscriber& subscriber);
[[nodiscard]] std::string_view owner_of(const Subscriber& subscriber) noexcept;
[[nodiscard]] std::vector<std::string> pattern_texts(const Subscriber& subscriber);

}  // namespace busway::detail
