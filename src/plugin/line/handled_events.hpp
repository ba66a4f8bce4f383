// plugin/line/handled_events.hpp -- which events of a synchronous subscription have been handled,
// when they come both from a publisher and from the store.
// Layer: plugin
//
// Model      A subscription that makes its publishers wait and is durable too has two ways in:
//            live, and from the store, where each event stays until its delivery has been settled.
//            Both ways end on the plugin's worker, so one of them is first. The other finds out
//            here: what was done is not done again, and what failed is told the publisher and
//            becomes a dead letter, since its attempts were made. An event that is unknown here is
//            of an earlier life of the program, or of a publisher that was killed.
// Threads    [any-thread]; calls of one event are made one after the other, but for those that were
//            left behind.
// Ownership  Owns the ids of the last kLiveMax events that came live and have not come from the
//            store, and of the last kStoredMax that came from the store first.
// Errors     None. An event that is older than those is handled a second time.
// Cost       A lock and a look-up a call.
#pragma once

#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "busway/error.hpp"
#include "busway/event_id.hpp"
#include "busway/outcome.hpp"

namespace busway::plugin_host_detail {

class HandledEvents {
 public:
  static constexpr std::size_t kLiveMax = 65'536;
  static constexpr std::size_t kStoredMax = 65'536;

  /// final: a live call that fails is not tried again by its publisher.
  enum class Failures : unsigned char { final, tried_again };
  explicit HandledEvents(Failures failures) noexcept : failures_(failures) {}

  /// The call on behalf of a publisher.
  template <class Call>
  [[nodiscard]] Outcome call_live(const EventId& id, const Call& call) {
    if (const auto before = take(stored_, id)) {
      return *before ? Outcome::fail(**before) : Outcome::done();
    }
    return noted(live_, kLiveMax, id, call);
  }

  /// The call for an event that the store has given out.
  template <class Call>
  [[nodiscard]] Outcome call_stored(const EventId& id, const Call& call) {
    if (const auto before = take(live_, id)) {
      return *before ? Outcome::dead_letter(**before) : Outcome::done();
    }
    return noted(stored_, kStoredMax, id, call);
  }

  /// Whether it was done live; says so once.
  [[nodiscard]] bool was_done_live(const EventId& id) {
    const std::lock_guard lock(mutex_);
    const auto found = live_.known.find(id);
    if (found == live_.known.end() || found->second) return false;
    live_.known.erase(found);
    return true;
  }

 private:
  using Failure = std::optional<std::string>;  // none: it went well
  struct Ids {
    std::unordered_map<EventId, Failure> known;
    std::deque<EventId> order;  // those that are known no more, too
  };

  /// Makes the call and notes what became of it, for the other way.
  template <class Call>
  [[nodiscard]] Outcome noted(Ids& ids, std::size_t max, const EventId& id, const Call& call) {
    try {
      Outcome outcome = call();
      if (outcome.kind() == Outcome::Kind::done) {
        note(ids, id, {}, max);
      } else {
        note_failure(ids, max, id,
                     outcome.kind() == Outcome::Kind::retry ? "the plugin asked for a retry"
                                                            : outcome.reason());
      }
      return outcome;
    } catch (const Error& error) {
      note_failure(ids, max, id, error.what());
      throw;
    }
  }

  /// One that is tried again is no end: the other way has its own call.
  void note_failure(Ids& ids, std::size_t max, const EventId& id, std::string reason) {
    if (failures_ == Failures::final) note(ids, id, std::move(reason), max);
  }

  void note(Ids& ids, const EventId& id, Failure failure, std::size_t max) {
    const std::lock_guard lock(mutex_);
    if (ids.known.insert_or_assign(id, std::move(failure)).second) ids.order.push_back(id);
    while (!ids.order.empty() &&
           (ids.known.size() > max || !ids.known.contains(ids.order.front()))) {
      ids.known.erase(ids.order.front());
      ids.order.pop_front();
    }
  }

  [[nodiscard]] std::optional<Failure> take(Ids& ids, const EventId& id) {
    const std::lock_guard lock(mutex_);
    auto found = ids.known.extract(id);
    if (found.empty()) return std::nullopt;
    return std::move(found.mapped());
  }

  const Failures failures_;
  std::mutex mutex_;
  Ids live_;    // guarded by mutex_
  Ids stored_;  // guarded by mutex_
};

}  // namespace busway::plugin_host_detail
