#include "bus/watchdog.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <exception>
#include <utility>

#include "base/escape.hpp"
#include "bus/bus_core.hpp"
#include "busway/events/system_event_data.hpp"
#include "delivery/later.hpp"
#include "platform/membarrier.hpp"

namespace busway::detail {

void Watchdog::begin() {
  constexpr std::chrono::nanoseconds kNever = std::chrono::nanoseconds::max();
  const std::chrono::nanoseconds stuck_after = core_.options().stuck_after;
  if (stuck_after == kNever || begun_.exchange(true, std::memory_order_relaxed)) return;
  const auto step =
      std::max<std::chrono::nanoseconds>(stuck_after / 4, std::chrono::milliseconds(1));
  try {
    (void)core_.timekeeper().schedule(*this, delivery_detail::later(core_.steady_now(), step));
  } catch (const std::exception&) {
    begun_.store(false, std::memory_order_relaxed);  // no thread can be had now
  }
}

void Watchdog::due() noexcept {
  const NeverBlock here;
  try {
    for (const Stuck& stuck : look()) report(stuck);
  } catch (const std::exception& error) {
    const std::array fields{LogField{"reason", error.what()}};
    core_.log(LogLevel::error, "the watchdog could not report a stuck handler", fields);
  }
  const auto step = std::max<std::chrono::nanoseconds>(core_.options().stuck_after / 4,
                                                       std::chrono::milliseconds(1));
  (void)core_.timekeeper().schedule(*this, delivery_detail::later(core_.steady_now(), step));
}

std::vector<Watchdog::Stuck> Watchdog::look() {
  std::vector<Stuck> stuck;
  std::vector<Seen> seen;
  const SteadyTime now = core_.steady_now();
  core_.for_each_call([&](const Frame& frame, const Subscriber& subscriber, const Route& route,
                          std::uint64_t count) {
    const SubscriberExtra* extra = subscriber.extra;
    // These have deadlines of their own.
    if (extra != nullptr && (extra->timeout || extra->mailbox != nullptr)) return;
    const std::uint32_t waits = frame.waits.load(std::memory_order_acquire);
    if (waits % 2 != 0) return;
    Seen one{{&frame, &subscriber, route.serial, count, waits}, now, false};
    const auto before = std::find_if(seen_.begin(), seen_.end(),
                                     [&](const Seen& earlier) { return earlier.call == one.call; });
    if (before != seen_.end()) {
      one = *before;
      std::chrono::nanoseconds over = now - one.since;
      if (extra != nullptr) over -= extra->own_timeout.load(std::memory_order_relaxed);
      if (!one.reported && over >= core_.options().stuck_after) {
        one.reported = true;
        stuck.push_back({one.call, subscriber.id, subscriber_name(subscriber),
                         std::string(owner_of(subscriber)), std::string(route.entry->text->view()),
                         one.since});
      }
    }
    seen.push_back(one);
  });
  seen_.swap(seen);
  // Those that no handler has asked for, of calls that have returned.
  const std::lock_guard lock(mutex_);
  std::erase_if(stops_, [&](const Stop& stop) {
    return !stop.asked && std::none_of(seen_.begin(), seen_.end(),
                                       [&](const Seen& one) { return one.call == stop.call; });
  });
  return stuck;
}

void Watchdog::report(const Stuck& stuck) {
  (void)source_of(stuck.call).request_stop();
  const auto for_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(core_.steady_now() - stuck.since)
          .count();
  const std::string duration = std::to_string(for_ms) + "ms";
  const std::string id = std::to_string(stuck.id);
  const std::array fields{LogField{"subscription", stuck.name}, LogField{"id", id},
                          LogField{"owner", stuck.owner}, LogField{"topic", stuck.topic},
                          LogField{"for", duration}};
  core_.log(LogLevel::warning, "a synchronous handler does not return", fields);
  reported_.fetch_add(1, std::memory_order_release);  // whoever sees the count finds the line
  std::string words = "the synchronous handler of " + quote(stuck.name);
  if (!stuck.owner.empty()) words += " (owner " + quote(stuck.owner) + ')';
  words +=
      " has not returned from an event of the topic " + quote(stuck.topic) + " for " + duration;
  (void)core_.publish_async(system_error("busway", words, {.source = "busway"}));
}

/// The call may have returned meanwhile, and the same frame may hold a later one of the same
/// subscriber: that one has a greater count, and is left alone.
std::stop_source Watchdog::source_of(const Call& call) {
  const std::lock_guard lock(mutex_);
  for (const Stop& stop : stops_) {
    if (stop.call.frame == call.frame && stop.call.subscriber == call.subscriber &&
        stop.call.route == call.route && stop.call.count <= call.count &&
        stop.call.waits == call.waits) {
      return stop.source;
    }
  }
  stops_.push_back({call, false, {}});  // for a handler that asks from now on
  return stops_.back().source;
}

std::stop_token Watchdog::stop_token(const Frame* frame, const Subscriber* subscriber) {
  Call call{frame, subscriber, 0, 0, 0};
  if (frame != nullptr) {
    call.route = frame->route.load(std::memory_order_acquire)->serial;
    call.count = core_.publishes_along_route_of(*frame);
    call.waits = frame->waits.load(std::memory_order_acquire);
  }
  std::stop_source source = asked_source_of(call);
  // Whoever ended the subscription before that has not seen this token.
  if (all_stop_.load(std::memory_order_seq_cst) ||
      (subscriber != nullptr && state_of(*subscriber) == SubscriberState::ended)) {
    (void)source.request_stop();
  }
  return source.get_token();
}

std::stop_source Watchdog::asked_source_of(const Call& call) {
  const std::lock_guard lock(mutex_);
  for (Stop& stop : stops_) {
    if (stop.call.frame != call.frame || stop.call.subscriber != call.subscriber ||
        stop.call.waits != call.waits) {
      continue;
    }
    // One that was asked for is of this call: at the end of each publish they are forgotten.
    if (stop.asked || stop.call == call) {
      stop.asked = true;
      return stop.source;
    }
  }
  stops_.push_back({call, true, {}});
  return stops_.back().source;
}

void Watchdog::forget(const Frame* frame) noexcept {
  std::vector<Stop> gone;  // destroyed without the lock
  const std::lock_guard lock(mutex_);
  std::erase_if(stops_, [&](Stop& stop) {
    if (stop.call.frame != frame) return false;
    gone.push_back(stop);
    return true;
  });
}

void Watchdog::request_stop(const Subscriber* subscriber) {
  if (subscriber == nullptr) all_stop_.store(true, std::memory_order_seq_cst);
  std::vector<std::stop_source> mine;
  {
    const std::lock_guard lock(mutex_);
    for (const Stop& stop : stops_) {
      if (subscriber == nullptr || stop.call.subscriber == subscriber) mine.push_back(stop.source);
    }
  }
  for (std::stop_source& stop : mine) (void)stop.request_stop();
}

}  // namespace busway::detail
