// simulation/records.hpp -- what the reference model writes down: subscriptions, events,
// deliveries, dead letters.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "busway/bus.hpp"
#include "listening.hpp"

namespace busway::simulation {

struct Profile;

/// What a subscription's filter says, by the number of the event.
enum class FilterKind : unsigned char { none, all, odd_ones, throws_at_times };
enum class Verdict : unsigned char { pass, no, threw };
[[nodiscard]] inline Verdict verdict(FilterKind filter, std::uint64_t serial) noexcept {
  if (filter == FilterKind::odd_ones && serial % 2 == 0) return Verdict::no;
  if (filter == FilterKind::throws_at_times && serial % 5 == 0) return Verdict::threw;
  return Verdict::pass;
}

/// What a policy's retry_if says.
enum class RetryIf : unsigned char { unset, no, throws };

/// How a subscription is made.
struct Spec {
  std::vector<Listening> patterns;
  SubscriptionOptions options;  // filter and retry_if are put in by the world
  FilterKind filter = FilterKind::none;
  RetryIf retry_if = RetryIf::unset;
  const Profile* profile = nullptr;  // of its handler
  bool coroutine = false;
  bool deaf = false;  // a coroutine that does not hear when it is cancelled
};

struct Sub;
struct Delivery;

struct EventRecord {
  std::uint64_t serial = 0;  // its payload
  std::string topic;
  std::string key;
  Priority priority = Priority::normal;
  bool by_async = false;  // publish_async
  EventId id{};           // nil until it was seen
  unsigned hops = 0;
  ErrorCode code = ErrorCode::ok;  // what the publish must answer
  bool begun = false;
  std::uint64_t tick = 0;  // of its publish
  WallTime time{};
  SteadyTime steady{};
  /// It may pass events published from this tick on: it was published by a handler that ran while
  /// such a publish was still going on.
  std::uint64_t loose_from = std::numeric_limits<std::uint64_t>::max();
  std::vector<const Sub*> queued_to;
  std::vector<const Sub*> called;  // synchronous
  bool sync_part_refused = false;  // of a publish_async
  // What the publish's result must say.
  std::uint32_t accepted = 0;
  std::uint32_t refused = 0;
  std::uint32_t displaced = 0;
  std::uint32_t delivered = 0;
  std::uint32_t failed = 0;
  std::uint32_t named_failures = 0;
  Sub* waits_for_room = nullptr;  // overflow `block`
  std::vector<Delivery*> live;    // its deliveries, replays and redrives aside

  [[nodiscard]] bool must_precede(const EventRecord& later) const noexcept {
    return tick < later.tick && later.loose_from > tick;
  }
};

enum class State : unsigned char {
  queued,
  running,
  waiting,  // for its next attempt, or on its way to it
  delivered,
  failed,
  timed_out,
  dead_lettered,
  dropped
};
inline constexpr std::size_t kStates = 8;
[[nodiscard]] constexpr bool is_final(State state) noexcept { return state >= State::delivered; }

enum class Origin : unsigned char { live, replayed, redriven };

struct Delivery {
  Sub* sub = nullptr;
  EventRecord* event = nullptr;
  Origin origin = Origin::live;
  State state = State::queued;
  std::uint64_t pushed = 0;
  unsigned attempts = 0;
  bool probe = false;   // this call decides whether its breaker closes
  SteadyTime began{};   // of the first attempt
  SteadyTime due{};     // of the next, while it waits: not before
  SteadyTime due_by{};  // and not later; the same where nothing is left to chance
  DeadLetterId letter = 0;
};

/// A call of a handler, from its first step to its last.
struct Call {
  Delivery* delivery = nullptr;
  bool task = false;  // no publish made it
  SteadyTime began{};
  SteadyTime deadline = SteadyTime::max();
  std::stop_token stop;    // of an asynchronous one
  bool given_up = false;   // at its deadline: its delivery is settled without it
  bool told = false;       // that it shall end: its token tells nothing more
  bool suspended = false;  // on no thread
};

/// A breaker in its plainest form.
struct ModelBreaker {
  unsigned in_a_row = 0;
  bool open = false;
  bool probing = false;
  SteadyTime until{};
  std::uint64_t opened = 0;
  std::uint64_t refused = 0;
};

struct Sub {
  std::size_t number = 0;
  SubscriptionId id = 0;
  Spec spec;
  bool async = false;
  std::optional<RetryPolicy> retry;
  std::chrono::nanoseconds timeout = std::chrono::nanoseconds::max();
  bool active = true;
  bool paused = false;
  std::uint64_t since = 0;    // tick of its subscribe
  std::uint64_t changed = 0;  // tick of the last pause, resume or end
  bool taken = false;         // once: an event has claimed it
  const EventRecord* handled = nullptr;
  ModelBreaker breaker;
  std::vector<std::pair<const EventRecord*, SteadyTime>> seen;  // dedupe
  std::vector<const EventRecord*> replayed;
  std::vector<Delivery*> open;  // not settled
  std::array<std::uint64_t, kStates> count{};
  std::uint64_t retried = 0;

  [[nodiscard]] std::uint64_t in(State state) const noexcept {
    return count[static_cast<std::size_t>(state)];
  }
  [[nodiscard]] bool matches(std::string_view topic) const {
    for (const Listening& one : spec.patterns) {
      if (one.matches(topic)) return true;
    }
    return false;
  }
  [[nodiscard]] bool by_key() const noexcept {
    return spec.options.order_by == OrderBy::key && !spec.options.once;
  }
  [[nodiscard]] bool is_strict() const noexcept {
    return retry && (retry->order == RetryOrder::strict || spec.options.once);
  }
  [[nodiscard]] std::string text() const { return "s" + std::to_string(number); }
};

struct Letter {
  DeadLetterId id = 0;
  EventRecord* event = nullptr;
  SubscriptionId sub = 0;
  std::string name;
  std::string owner;
  std::size_t deaths = 1;
  unsigned attempts = 0;
  bool late = false;  // its last attempt was
  bool redriving = false;
};

/// How a call of a handler ended. late: after its deadline, or not at all.
enum class Ending : unsigned char {
  done,
  fails,
  throws,
  throws_int,
  asks_again,
  dead_letters,
  late
};

}  // namespace busway::simulation
