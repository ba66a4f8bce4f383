// The way of a small event when all is as usual: everything is known and nothing is to be asked.
#include "bus/bus_core.hpp"
#include "bus/run_route.hpp"
#include "platform/fast_clock.hpp"

namespace busway::detail {
namespace {

/// As publish_slot(), where the bus has made sure that the kernel is the barrier.
template <class T>
[[gnu::always_inline]] inline void fill_slot(std::atomic<T>& slot, T value) noexcept {
  if constexpr (platform_detail::kThreadSanitizer) {
    (void)slot.exchange(value, std::memory_order_seq_cst);
  } else {
    slot.store(value, std::memory_order_relaxed);
    platform_detail::light_barrier();
  }
}

/// Leaves a frame, also when the thread is cancelled.
struct LeaveFrame {
  LeaveFrame(ThreadState& owner, Frame* entered) noexcept : state(owner), frame(entered) {}
  LeaveFrame(const LeaveFrame&) = delete;
  LeaveFrame& operator=(const LeaveFrame&) = delete;
  // Inlined where an exception passes as well, so that the guard needs no memory.
  [[gnu::always_inline]] ~LeaveFrame() {
    frame->current.store(nullptr, std::memory_order_release);
    state.top = frame;  // before the bus may take the state away
    frame->route.store(nullptr, std::memory_order_release);
  }
  ThreadState& state;
  Frame* const frame;
};

struct LeaveChain {
  LeaveChain(ThreadLocals& owner, Dispatch* before) noexcept : locals(owner), outer(before) {}
  LeaveChain(const LeaveChain&) = delete;
  LeaveChain& operator=(const LeaveChain&) = delete;
  [[gnu::always_inline]] ~LeaveChain() { locals.current = outer; }
  ThreadLocals& locals;
  Dispatch* const outer;
};

}  // namespace

/// publish_with() in a straight line. Each check that fails leaves with false before anything has
/// happened.
template <bool kPayload, class Locate>
[[gnu::always_inline]] inline bool BusCore::publish_straight(Locate&& locate,
                                                             const PayloadType* type,
                                                             const void* padded,
                                                             PublishResult& result) {
  ThreadLocals& locals = thread_locals;
  const ThreadLocals::Known& known = locals.known[known_at_];
  if (known.bus != serial_) [[unlikely]]
    return false;
  ThreadState& state = *known.state;
  Dispatch* const cause = locals.current;
  Frame* const frame = state.top;
  if (state.until_sample == 0) [[unlikely]]
    return false;
  // What only happens inside handlers: frames run out, and a trace is to be continued.
  if (cause != nullptr) {
    const Event& causing = cause->event();
    if (frame == state.frames_end || causing.hops() >= options_.max_hops ||
        EventAccess::has_traceparent(causing)) [[unlikely]] {
      return false;
    }
  }
  frame->epoch.store(epoch_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  fill_slot(frame->route, kSearching);
  state.top = frame + 1;
  const LeaveFrame leave(state, frame);
  Dispatch& dispatch = frame->dispatch;
  if (gate_.load(std::memory_order_acquire) != 0) [[unlikely]]
    return false;
  TopicEntry* const entry = locate();
  if (entry == nullptr) [[unlikely]]
    return false;
  const TextRep* const text = entry->plain_text;
  if (text == nullptr) [[unlikely]]
    return false;
  --state.until_sample;

  // The event is written into the history and read by its handlers there.
  fill_slot(state.ring_busy, std::uint32_t{1});
  if (history_reading_.load(std::memory_order_acquire)) [[unlikely]]
    begin_ring_write(state);
  Event& event = state.next_slot();
  const std::int64_t now = platform_detail::thread_clock().wall_ns();
  const EventId id = state.ids->next(now);
  if constexpr (kPayload) {
    EventAccess::write_plain(event, id, now, text, *type, padded);
  } else {
    EventAccess::write_plain(event, id, now, text);
  }
  if (cause != nullptr) {
    EventAccess::set_cause(event, cause->event().id(),
                           static_cast<std::uint16_t>(cause->event().hops() + 1));
  }
  dispatch.set_event(&event);
  state.advance_ring();
  state.ring_busy.store(0, std::memory_order_release);
  platform_detail::light_barrier();
  result.id = id;

  // Recorded first, routed then: see record_and_deliver().
  Route* const route = entry->route.load(std::memory_order_acquire);
  if (route == nullptr || route->checked.load(std::memory_order_relaxed) !=
                              wild_epoch_.load(std::memory_order_acquire)) [[unlikely]] {
    deliver_recorded(*entry, event, state, *frame, result);
    return true;
  }
  frame->route.store(route, std::memory_order_release);
  const std::uint64_t key = route->key.load(std::memory_order_acquire);
  const std::uint32_t index = route->index;
  if (index >= state.counts_size || state.counts[index].key.load(std::memory_order_relaxed) != key)
      [[unlikely]] {
    deliver(*route, event, state, *frame, result);
    return true;
  }
  bump(state.counts[index].count);
  const auto size = static_cast<std::uint32_t>(key);
  if (size == 0) return true;
  dispatch.outer = cause;
  dispatch.result = &result;
  locals.current = &dispatch;
  const LeaveChain unlink(locals, cause);
  run_route<!platform_detail::kThreadSanitizer>(*route, size, *frame, event, dispatch);
  result.matched = size;
  result.delivered = size;
  if (dispatch.adjusted.load(std::memory_order_relaxed)) [[unlikely]] {
    finish(state, dispatch, size, result);
    dispatch.reset_adjusted();
  }
  return true;
}

template <bool kPayload>
[[gnu::always_inline]] inline PublishResult BusCore::publish_by_name(std::string_view topic,
                                                                     const PayloadType* type,
                                                                     const void* padded) {
  PublishResult result;
  if (!publish_straight<kPayload>([&] { return topics_.find(topic, hash_text(topic)); }, type,
                                  padded, result)) [[unlikely]] {
    result = publish(topic, {type, padded, nullptr, nullptr});
  }
  return result;
}

template <bool kPayload>
[[gnu::always_inline]] inline PublishResult BusCore::publish_by_entry(TopicEntry* entry,
                                                                      const PayloadType* type,
                                                                      const void* padded) {
  PublishResult result;
  if (!publish_straight<kPayload>([=] { return entry; }, type, padded, result)) [[unlikely]] {
    result = publish(entry, {type, padded, nullptr, nullptr});
  }
  return result;
}

PublishResult BusCore::publish_empty(std::string_view topic) {
  return publish_by_name<false>(topic, nullptr, nullptr);
}
PublishResult BusCore::publish_empty(TopicEntry* entry) {
  return publish_by_entry<false>(entry, nullptr, nullptr);
}

// What busway/typed.hpp calls.
PublishResult publish_small(BusCore& core, std::string_view topic, const PayloadType& type,
                            const void* padded) {
  return core.publish_by_name<true>(topic, &type, padded);
}
PublishResult publish_small(BusCore& core, TopicEntry* entry, const PayloadType& type,
                            const void* padded) {
  return core.publish_by_entry<true>(entry, &type, padded);
}

}  // namespace busway::detail
