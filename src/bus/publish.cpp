// The way of an event through the bus: admit, record, route, deliver.
#include <cxxabi.h>

#include <algorithm>
#include <array>
#include <exception>
#include <optional>
#include <string>
#include <utility>

#include "base/escape.hpp"
#include "bus/bus_core.hpp"
#include "bus/payload_size.hpp"
#include "bus/strand.hpp"
#include "busway/topic_name.hpp"
#include "platform/fast_clock.hpp"

namespace busway::detail {

constinit thread_local ThreadLocals thread_locals;

/// A publish's place among the frames of its thread; from here on nothing it may see is freed.
struct FrameGuard {
  FrameGuard(BusCore& core, ThreadState& owner) : state(owner), frame(owner.top) {
    // The hop limit ends chains long before the frames do.
    if (frame == state.frames_end)
      throw Error(ErrorCode::internal, "publishes are nested too deeply");
    state.top = frame + 1;
    frame->epoch.store(core.epoch_.load(std::memory_order_relaxed), std::memory_order_relaxed);
    platform_detail::publish_slot(frame->route, kSearching);
  }
  FrameGuard(const FrameGuard&) = delete;
  FrameGuard& operator=(const FrameGuard&) = delete;
  ~FrameGuard() {
    frame->current.store(nullptr, std::memory_order_release);
    frame->route.store(nullptr, std::memory_order_release);
    state.top = frame;
  }

  ThreadState& state;
  Frame* const frame;
};

namespace {

/// Links a Dispatch into this thread's chain for as long as its handlers run.
struct DispatchGuard {
  explicit DispatchGuard(Dispatch& dispatch) noexcept : mine(dispatch) {
    dispatch.outer = thread_locals.current;
    thread_locals.current = &dispatch;
  }
  DispatchGuard(const DispatchGuard&) = delete;
  DispatchGuard& operator=(const DispatchGuard&) = delete;
  ~DispatchGuard() {
    thread_locals.current = mine.outer;
    if (mine.stop != nullptr) [[unlikely]]
      delete mine.stop;
  }
  Dispatch& mine;
};

struct BlockGuard {
  explicit BlockGuard(PayloadBlock* block) noexcept : mine(block) {}
  BlockGuard(const BlockGuard&) = delete;
  BlockGuard& operator=(const BlockGuard&) = delete;
  ~BlockGuard() {
    if (mine != nullptr) release(mine);
  }
  PayloadBlock* mine;
};

constexpr std::uint32_t kSampleEvery = 256;

/// One publish in 256 takes the time of its handlers; also allows the next ones the straight way,
/// if it is free.
bool is_sample_due(ThreadState& state) noexcept {
  if (state.ring_counted == 0) {
    if (state.straight_left != 0) return false;
    state.straight_left = kSampleEvery;
    return true;
  }
  if (--state.until_sample != 0) return false;
  state.until_sample = kSampleEvery;
  return true;
}

}  // namespace

ThreadState& BusCore::thread_state() {
  const ThreadLocals::Known& known = thread_locals.known[serial_ % ThreadLocals::kKnown];
  if (known.bus == serial_) [[likely]]
    return *known.state;
  return register_thread();
}

bool BusCore::refuse(std::uint32_t gate, ThreadState& state, PublishResult& result) const {
  const bool inside = thread_locals.current != nullptr;
  if ((gate & kDisabled) != 0) {
    result.code = ErrorCode::disabled;
  } else if ((gate & (kClosed | kStopped)) != 0 || ((gate & kStopping) != 0 && !inside)) {
    result.code = ErrorCode::stopped;
  } else {
    return false;
  }
  bump(state.refused);
  result.failures.push_back({0, {}, result.code, std::string(explain(result.code))});
  return true;
}

void BusCore::refuse_hops(const Event& event, ThreadState& state, PublishResult& result) {
  bump(state.refused);
  result.code = ErrorCode::hop_limit;
  std::string reason = quote(event.topic()) + " would be hop " + std::to_string(event.hops()) +
                       " of a chain of events that cause each other; max_hops is " +
                       std::to_string(options_.max_hops);
  const std::array fields{LogField{"topic", event.topic()}};
  log(LogLevel::warning, reason, fields);
  result.failures.push_back({0, {}, ErrorCode::hop_limit, std::move(reason)});
}

void BusCore::refuse_size(const Event& event, std::size_t size, ThreadState& state,
                          PublishResult& result) {
  bump(state.refused);
  result.code = ErrorCode::payload_too_large;
  result.failures.push_back({0,
                             {},
                             result.code,
                             "the payload of " + quote(event.topic()) + " has " +
                                 (size == 0 ? "more than max_payload" : std::to_string(size)) +
                                 " bytes; max_payload is " + std::to_string(options_.max_payload)});
}

/// Runs the bus's filters; false when one rejects.
bool BusCore::admit(const Event& event, ThreadState& state, PublishResult& result) {
  const std::shared_ptr<const std::vector<BusFilter>> filters = [this] {
    const std::lock_guard lock(mutex_);
    return filters_;
  }();
  if (filters == nullptr) return true;
  for (const BusFilter& filter : *filters) {
    std::string reason;
    try {
      if (filter.predicate(event)) continue;
      reason = "the filter " + quote(filter.name) + " of the bus rejected it";
    } catch (const std::exception& error) {
      reason = "the filter " + quote(filter.name) + " of the bus threw: " + escape(error.what());
    } catch (const abi::__forced_unwind&) {
      throw;
    } catch (...) {
      reason = "the filter " + quote(filter.name) + " of the bus threw what is no std::exception";
    }
    bump(state.filtered);
    result.code = ErrorCode::filtered;
    result.failures.push_back({0, filter.name, ErrorCode::filtered, std::move(reason)});
    return false;
  }
  return true;
}

template <bool kLight>
[[gnu::always_inline]] inline void BusCore::run(Route& route, std::uint32_t size,
                                                Dispatch& dispatch) {
  std::atomic<Subscriber*>* at = route.subscribers();
  std::atomic<Subscriber*>* const end = at + size;
  Frame& frame = *dispatch.frame;
  const Event& event = dispatch.event();
  while (at != end) {
    try {
      do {
        Subscriber* const subscriber = at->load(std::memory_order_acquire);
        ++at;
        if constexpr (kLight) {
          frame.current.store(subscriber, std::memory_order_relaxed);
          platform_detail::light_barrier();
        } else {
          platform_detail::publish_slot(frame.current, subscriber);
        }
        subscriber->invoke.load(std::memory_order_acquire)(subscriber, event, dispatch);
      } while (at != end);
    } catch (const abi::__forced_unwind&) {
      throw;
    } catch (...) {
      dispatch.record_exception();
    }
  }
}

/// As run(), and takes the time of each handler.
void BusCore::run_sampled(Route& route, std::uint32_t size, Dispatch& dispatch) {
  platform_detail::FastClock& clock = platform_detail::thread_clock();
  for (std::uint32_t i = 0; i < size; ++i) {
    Subscriber* const subscriber = route.subscribers()[i].load(std::memory_order_acquire);
    platform_detail::publish_slot(dispatch.frame->current, subscriber);
    const Invoke invoke = subscriber->invoke.load(std::memory_order_acquire);
    const std::int64_t begin = clock.steady_ns();
    try {
      invoke(subscriber, dispatch.event(), dispatch);
    } catch (const abi::__forced_unwind&) {
      throw;
    } catch (...) {
      dispatch.record_exception();
    }
    if (invoke != &invoke_queue && invoke != &invoke_ended && invoke != &invoke_paused) {
      const std::int64_t took = clock.steady_ns() - begin;
      sample_latency(*subscriber, static_cast<std::uint64_t>(std::max<std::int64_t>(took, 0)));
    }
  }
}

/// Runs only the queueing or only the synchronous part, and only subscriptions older than an id.
void BusCore::run_part(Route& route, std::uint32_t size, Dispatch& dispatch, Part part,
                       std::uint64_t before_id) {
  for (std::uint32_t i = 0; i < size; ++i) {
    Subscriber* const subscriber = route.subscribers()[i].load(std::memory_order_acquire);
    const bool queued = subscriber->extra != nullptr && subscriber->extra->mailbox != nullptr;
    if (queued != (part == Part::queued_only) || subscriber->id >= before_id) continue;
    platform_detail::publish_slot(dispatch.frame->current, subscriber);
    const std::uint32_t failed = dispatch.failed;
    const std::uint32_t passed = dispatch.passed_over;
    try {
      subscriber->invoke.load(std::memory_order_acquire)(subscriber, dispatch.event(), dispatch);
    } catch (const abi::__forced_unwind&) {
      throw;
    } catch (...) {
      dispatch.record_exception();
    }
    if (part == Part::sync_only && dispatch.passed_over == passed) {
      ++dispatch.result->matched;
      subscriber->async_matched.fetch_add(1, std::memory_order_relaxed);
      if (dispatch.failed == failed) ++dispatch.result->delivered;
      if (dispatch.receipt != nullptr) {
        const bool well = dispatch.failed == failed;
        ended(*dispatch.receipt, *subscriber,
              well ? DeliveryOutcome::Kind::delivered : DeliveryOutcome::Kind::failed,
              well ? std::string() : dispatch.result->failures.back().reason);
      }
    }
  }
}

void BusCore::finish(ThreadState& state, const Dispatch& dispatch, std::uint32_t size,
                     PublishResult& result) {
  result.matched = size;
  result.delivered = size;
  if (!dispatch.adjusted) [[likely]]
    return;
  result.matched -= dispatch.passed_over;
  result.queued = dispatch.queued;
  result.dropped = dispatch.dropped;
  result.delivered =
      size - dispatch.passed_over - dispatch.queued - dispatch.failed - dispatch.refused;
  bump(state.passed_over, dispatch.passed_over);
  bump(state.queued, dispatch.queued + dispatch.refused);
  bump(state.failed, dispatch.failed);
}

void BusCore::deliver(Route& route, const Event& event, ThreadState& state, Frame& frame,
                      PublishResult& result) {
  const std::uint64_t key = route.key.load(std::memory_order_acquire);
  const auto size = static_cast<std::uint32_t>(key);
  count(state, route, key);
  result.id = event.id();
  const bool sampled = is_sample_due(state);
  if (size == 0) return;
  Dispatch dispatch(*this, event);
  const DispatchGuard guard(dispatch);
  dispatch.frame = &frame;
  dispatch.result = &result;
  if (sampled) {
    run_sampled(route, size, dispatch);
  } else if (!platform_detail::kThreadSanitizer &&
             platform_detail::light_slots.load(std::memory_order_relaxed)) [[likely]] {
    run<true>(route, size, dispatch);
  } else {
    run<false>(route, size, dispatch);
  }
  finish(state, dispatch, size, result);
}

void BusCore::write_ring(ThreadState& state, const Event& event) {
  Event& slot = *state.ring_at;
  if (!EventAccess::is_plain(slot)) --state.ring_counted;
  EventAccess::assign(slot, event);
  if (++state.ring_at == state.ring_end) state.wrap_ring();
  if (!EventAccess::is_plain(slot)) {
    ++state.ring_counted;
    state.straight_left = 0;
  }
}

void BusCore::record(ThreadState& state, const Event& event) {
  if (state.ring == nullptr) return;
  platform_detail::publish_slot(state.ring_busy, std::uint32_t{1});
  if (history_reading_.load(std::memory_order_acquire)) [[unlikely]] {
    state.ring_busy.store(0, std::memory_order_release);
    record_slow(state, event);
    return;
  }
  write_ring(state, event);
  state.ring_busy.store(0, std::memory_order_release);
}

void BusCore::record_slow(ThreadState& state, const Event& event) {
  const std::lock_guard lock(history_mutex_);
  write_ring(state, event);
}

/// An event is recorded before its route is looked at: a subscription that replays is listed first
/// and reads the history then, so it finds the event in one of the two.
void BusCore::record_and_deliver(TopicEntry& entry, const Event& event, ThreadState& state,
                                 Frame& frame, PublishResult& result) {
  record(state, event);
  deliver_recorded(entry, event, state, frame, result);
}

void BusCore::deliver_recorded(TopicEntry& entry, const Event& event, ThreadState& state,
                               Frame& frame, PublishResult& result) {
  Route& route = *route_of(&entry);
  frame.route.store(&route, std::memory_order_release);
  deliver(route, event, state, frame, result);
}

template <class Locate>
PublishResult BusCore::publish_with(Locate&& locate, const Draft& draft) {
  PublishResult result;
  ThreadState& state = thread_state();
  const FrameGuard guard(*this, state);
  const std::uint32_t gate = gate_.load(std::memory_order_acquire);
  if (gate != 0 && refuse(gate, state, result)) [[unlikely]]
    return result;
  TopicEntry& entry = *locate();

  const std::int64_t now = manual_clock_ ? wall_ns() : platform_detail::thread_clock().wall_ns();
  Event event;
  EventAccess::begin(event, state.ids->next(now), now, entry.text, nullptr);

  PayloadBlock* made = nullptr;
  if (draft.type != nullptr) {
    if (draft.type->fits_inline() || draft.type->share == nullptr || state.ring == nullptr) {
      EventAccess::borrow_typed(event, draft.type, draft.object);
    } else {
      // Someone may keep the event: share the payload once, before anyone sees it.
      made = draft.type->share(draft.object);
      EventAccess::borrow_block(event, made);
      EventAccess::set_schema_version(event, static_cast<std::uint16_t>(draft.type->version));
    }
  } else if (draft.block != nullptr) {
    EventAccess::borrow_block(event, draft.block);
    EventAccess::set_schema_version(event, static_cast<std::uint16_t>(draft.block->type->version));
    if (payload_exceeds(*draft.block, options_.max_payload)) [[unlikely]] {
      refuse_size(event, payload_bytes(*draft.block), state, result);
      return result;
    }
  }
  const BlockGuard block_guard(made);

  if (const Dispatch* cause = thread_locals.current) {
    EventAccess::set_cause(event, cause->event().id(),
                           static_cast<std::uint16_t>(cause->event().hops() + 1));
    if (event.hops() > options_.max_hops) [[unlikely]] {
      refuse_hops(event, state, result);
      return result;
    }
  }

  if (draft.options == nullptr) [[likely]] {
    if ((gate & kFilters) != 0 && !admit(event, state, result)) return result;
    record_and_deliver(entry, event, state, *guard.frame, result);
    return result;
  }
  const EventOptions& options = *draft.options;
  const Text source(options.source);
  const RareHandle rare(RareFields::make(options));
  EventAccess::set_identity(event, options.id.value_or(event.id()),
                            options.time ? options.time->time_since_epoch().count() : now,
                            entry.text, source.rep());
  EventAccess::borrow_rare(event, rare.get());
  EventAccess::set_priority(event, options.priority);
  EventAccess::set_origin(event, options.origin);
  if (options.schema_version != 0) EventAccess::set_schema_version(event, options.schema_version);
  if ((gate & kFilters) != 0 && !admit(event, state, result)) return result;
  record_and_deliver(entry, event, state, *guard.frame, result);
  return result;
}

/// publish_with() for the usual case: everything is known and nothing is to be asked. Each check
/// that fails leaves with false before anything has happened.
template <class Locate>
[[gnu::always_inline]] inline bool BusCore::publish_straight(Locate&& locate,
                                                             const PayloadType* type,
                                                             const SmallPayload& payload,
                                                             PublishResult& result) {
  ThreadLocals& locals = thread_locals;
  const ThreadLocals::Known& known = locals.known[serial_ % ThreadLocals::kKnown];
  if (known.bus != serial_) [[unlikely]]
    return false;
  ThreadState& state = *known.state;
  Dispatch* const cause = locals.current;
  if (cause != nullptr && cause->event().hops() >= options_.max_hops) [[unlikely]]
    return false;
  Frame* const frame = state.top;
  if (frame == state.frames_end) [[unlikely]]
    return false;
  frame->epoch.store(epoch_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  frame->route.store(kSearching, std::memory_order_relaxed);
  platform_detail::light_barrier();
  struct Leave {
    ThreadState& state;
    Frame* frame;
    ~Leave() {
      frame->current.store(nullptr, std::memory_order_release);
      frame->route.store(nullptr, std::memory_order_release);
      state.top = frame;
    }
  };
  state.top = frame + 1;
  const Leave leave{state, frame};
  if (gate_.load(std::memory_order_acquire) != 0) [[unlikely]]
    return false;
  TopicEntry* const entry = locate();
  if (entry == nullptr || state.straight_left == 0) [[unlikely]]
    return false;
  const TextRep* const text = entry->plain_text;
  if (text == nullptr) [[unlikely]]
    return false;
  --state.straight_left;

  const std::int64_t now = platform_detail::thread_clock().wall_ns();
  const EventId id = state.ids->next(now);
  result.id = id;
  Event event;
  EventAccess::begin(event, id, now, text, nullptr);
  if (type != nullptr) EventAccess::put_inline(event, type, payload.bytes);
  if (cause != nullptr) {
    EventAccess::set_cause(event, cause->event().id(),
                           static_cast<std::uint16_t>(cause->event().hops() + 1));
  }
  if (state.ring != nullptr) {
    state.ring_busy.store(1, std::memory_order_relaxed);
    platform_detail::light_barrier();
    if (history_reading_.load(std::memory_order_acquire)) [[unlikely]] {
      state.ring_busy.store(0, std::memory_order_release);
      record_slow(state, event);
    } else {
      EventAccess::assign_plain(*state.ring_at, event);
      if (++state.ring_at == state.ring_end) [[unlikely]]
        state.wrap_ring();
      state.ring_busy.store(0, std::memory_order_release);
    }
    platform_detail::light_barrier();
  }
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
  Dispatch dispatch(*this, event);
  dispatch.outer = cause;
  locals.current = &dispatch;
  struct Unlink {
    ThreadLocals& locals;
    Dispatch& dispatch;
    ~Unlink() {
      locals.current = dispatch.outer;
      if (dispatch.stop != nullptr) [[unlikely]]
        delete dispatch.stop;
    }
  } const unlink{locals, dispatch};
  dispatch.frame = frame;
  dispatch.result = &result;
  run<true>(*route, size, dispatch);
  result.matched = size;
  result.delivered = size;
  if (dispatch.adjusted) [[unlikely]]
    finish(state, dispatch, size, result);
  return true;
}

// What busway/typed.hpp calls.
bool publish_small(BusCore& core, std::string_view topic, const PayloadType& type,
                   const SmallPayload& payload, PublishResult& result) {
  return core.publish_straight([&] { return core.topics_.find(topic, hash_text(topic)); }, &type,
                               payload, result);
}
bool publish_small(BusCore& core, TopicEntry* entry, const PayloadType& type,
                   const SmallPayload& payload, PublishResult& result) {
  return core.publish_straight([=] { return entry; }, &type, payload, result);
}

bool BusCore::publish_small(std::string_view topic, const PayloadType* type,
                            const SmallPayload& payload, PublishResult& result) {
  return publish_straight([&] { return topics_.find(topic, hash_text(topic)); }, type, payload,
                          result);
}

bool BusCore::publish_small(TopicEntry* entry, const PayloadType* type, const SmallPayload& payload,
                            PublishResult& result) {
  return publish_straight([=] { return entry; }, type, payload, result);
}

PublishResult BusCore::publish(std::string_view topic, const Draft& draft) {
  return publish_with(
      [this, topic] {
        TopicEntry* entry = topics_.find(topic, hash_text(topic));
        return entry != nullptr ? entry : find_or_add_now(topic);
      },
      draft);
}

PublishResult BusCore::publish(TopicEntry* entry, const Draft& draft) {
  return publish_with([entry] { return entry; }, draft);
}

/// Fills in what an event made elsewhere lacks, as of now.
static void complete(BusCore& core, Event& event, event_detail::IdGenerator& ids) {
  const std::int64_t now = core.wall_ns();
  if (event.id().is_nil()) EventAccess::set_id(event, ids.next(now));
  if (EventAccess::time_ns(event) == 0) EventAccess::set_time(event, now);
  if (const Dispatch* cause = thread_locals.current) {
    const auto hops = static_cast<std::uint16_t>(cause->event().hops() + 1);
    EventAccess::set_cause(
        event, event.causation_id().is_nil() ? cause->event().id() : event.causation_id(),
        std::max(hops, event.hops()));
  }
}

PublishResult BusCore::publish(const Event& original) {
  PublishResult result;
  ThreadState& state = thread_state();
  const FrameGuard guard(*this, state);
  const std::uint32_t gate = gate_.load(std::memory_order_acquire);
  if (gate != 0 && refuse(gate, state, result)) return result;
  TopicEntry* entry = topics_.find(original.topic(), hash_text(original.topic()));
  if (entry == nullptr) entry = find_or_add_now(original.topic());

  // An owning copy: the caller's event may be shared with other threads, and handlers may keep
  // ours.
  Event event = original;
  complete(*this, event, *state.ids);
  result.id = event.id();
  if (event.hops() > options_.max_hops) {
    refuse_hops(event, state, result);
    return result;
  }
  if (const PayloadBlock* block = EventAccess::block(event);
      block != nullptr && payload_exceeds(*block, options_.max_payload)) {
    refuse_size(event, payload_bytes(*block), state, result);
    return result;
  }
  if ((gate & kFilters) != 0 && !admit(event, state, result)) return result;
  record_and_deliver(*entry, event, state, *guard.frame, result);
  return result;
}

Event BusCore::make_event(std::string_view topic, const Draft& draft) {
  Payload payload;
  if (draft.block != nullptr) {
    acquire(draft.block);
    payload = Payload::adopt(draft.block);
  } else if (draft.type != nullptr) {
    payload = Payload::adopt(draft.type->share(draft.object));
  }
  return draft.options != nullptr ? Event(topic, std::move(payload), *draft.options)
                                  : Event(topic, std::move(payload));
}

Receipt BusCore::publish_async(Event event) {
  auto* raw = new ReceiptState;
  raw->core = this;
  retain();
  std::shared_ptr<ReceiptState> shared(raw, [](ReceiptState* one) { detail::release(*one); });
  Receipt receipt = Dispatch::make_receipt(shared);
  PublishResult& result = raw->result;

  ThreadState& state = thread_state();
  const FrameGuard guard(*this, state);
  const auto settle_now = [&] {
    const std::lock_guard lock(raw->mutex);
    raw->open = 0;
    raw->changed.notify_all();
  };
  const std::uint32_t gate = gate_.load(std::memory_order_acquire);
  if (gate != 0 && refuse(gate, state, result)) {
    settle_now();
    return receipt;
  }
  TopicEntry* entry = topics_.find(event.topic(), hash_text(event.topic()));
  if (entry == nullptr) entry = find_or_add_now(event.topic());
  complete(*this, event, *state.ids);
  result.id = event.id();
  const PayloadBlock* block = EventAccess::block(event);
  if (event.hops() > options_.max_hops) {
    refuse_hops(event, state, result);
  } else if (block != nullptr && payload_exceeds(*block, options_.max_payload)) {
    refuse_size(event, payload_bytes(*block), state, result);
  } else if ((gate & kFilters) == 0 || admit(event, state, result)) {
    delivery_detail::Mailbox& worker = strand();
    record(state, event);
    // Subscriptions made from now on do not get this event; a replay of theirs finds it recorded.
    std::uint64_t before_id = 0;
    {
      const std::lock_guard lock(mutex_);
      before_id = next_sequence_ << kSlotBits;
      ++entry->published;
    }
    Route& route = *route_of(entry);
    guard.frame->route.store(&route, std::memory_order_release);
    const std::uint32_t size = route.size();
    PublishResult queued_result;
    {
      Dispatch dispatch(*this, event);
      const DispatchGuard chain(dispatch);
      dispatch.frame = guard.frame;
      dispatch.result = &queued_result;
      dispatch.receipt = raw;
      run_part(route, size, dispatch, Part::queued_only, before_id);
      queued_result.matched = dispatch.queued + dispatch.refused;
      queued_result.queued = dispatch.queued;
      bump(state.queued, queued_result.matched);
      const std::lock_guard lock(mutex_);
      entry->matched += queued_result.matched;
      queued_result.dropped = dispatch.dropped;
    }
    {
      const std::lock_guard lock(raw->mutex);
      result.matched += queued_result.matched;
      result.queued += queued_result.queued;
      result.dropped += queued_result.dropped;
      for (const DeliveryFailure& failure : queued_result.failures) {
        result.failures.push_back(failure);
      }
    }
    raw->before_id = before_id;
    raw->references.fetch_add(1, std::memory_order_relaxed);
    if (worker.push(event, raw, delivery_detail::MayWait::no) !=
        delivery_detail::Pushed::accepted) {
      {
        const std::lock_guard lock(raw->mutex);
        result.failures.push_back({0, "publish_async", ErrorCode::queue_full,
                                   "the queue of publish_async is full (" +
                                       std::to_string(worker.options().capacity) +
                                       " events): no synchronous subscription got the event"});
      }
      close_part(raw);
    }
    return receipt;
  }
  settle_now();
  return receipt;
}

/// The synchronous part of a publish_async, on the strand.
void BusCore::run_strand(delivery_detail::Delivery& delivery) {
  auto* receipt = static_cast<ReceiptState*>(delivery.token);
  {
    const std::lock_guard lock(receipt->mutex);
    receipt->begun = true;
  }
  ThreadState& state = thread_state();
  PublishResult sync_result;
  {
    const FrameGuard guard(*this, state);
    TopicEntry* entry = topics_.find(delivery.event.topic(), hash_text(delivery.event.topic()));
    if (entry == nullptr) entry = find_or_add_now(delivery.event.topic());
    Route& route = *route_of(entry);
    guard.frame->route.store(&route, std::memory_order_release);
    Dispatch dispatch(*this, delivery.event);
    const DispatchGuard chain(dispatch);
    dispatch.frame = guard.frame;
    dispatch.result = &sync_result;
    dispatch.receipt = receipt;
    run_part(route, route.size(), dispatch, Part::sync_only, receipt->before_id);
    bump(state.failed, dispatch.failed);
    const std::lock_guard lock(mutex_);
    route.entry->matched += sync_result.matched;
  }
  bool unmatched = false;
  {
    const std::lock_guard lock(receipt->mutex);
    receipt->result.matched += sync_result.matched;
    unmatched = receipt->result.matched == 0;
    receipt->result.delivered += sync_result.delivered;
    for (const DeliveryFailure& failure : sync_result.failures) {
      receipt->result.failures.push_back(failure);
    }
  }
  if (unmatched) {
    const std::lock_guard lock(mutex_);
    ++folded_.unmatched;
  }
  close_part(receipt);
}

/// The handler of an asynchronous subscription.
void BusCore::run_queued(Subscriber& subscriber, delivery_detail::Delivery& delivery,
                         std::optional<DeliveryFailure>& failure) {
  Dispatch dispatch(*this, delivery.event);
  const DispatchGuard guard(dispatch);
  dispatch.subscriber = &subscriber;
  dispatch.failure = &failure;
  dispatch.set_history_was_cut(delivery.history_was_cut);
  try {
    subscriber.call(&subscriber, delivery.event, dispatch);
  } catch (const abi::__forced_unwind&) {
    throw;
  } catch (...) {
    dispatch.record_exception();
  }
}

}  // namespace busway::detail
