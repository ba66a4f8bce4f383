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
#include "bus/publish_guards.hpp"
#include "bus/run_route.hpp"
#include "busway/topic_name.hpp"
#include "event/text_field.hpp"
#include "platform/fast_clock.hpp"

namespace busway::detail {

constinit thread_local ThreadLocals thread_locals;

namespace {

constexpr std::uint32_t kSampleEvery = 256;

/// One publish in 256 takes the time of its handlers.
bool is_sample_due(ThreadState& state) noexcept {
  if (state.until_sample == 0) {
    state.until_sample = kSampleEvery;
    return true;
  }
  --state.until_sample;
  return false;
}

}  // namespace

ThreadState& BusCore::thread_state() {
  const ThreadLocals::Known& known = thread_locals.known[known_at_];
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

void BusCore::finish(ThreadState& state, const Dispatch& dispatch, std::uint32_t size,
                     PublishResult& result) {
  result.matched = size;
  result.delivered = size;
  if (!dispatch.adjusted.load(std::memory_order_relaxed)) [[likely]]
    return;
  result.matched -= dispatch.passed_over;
  result.queued = dispatch.queued;
  result.dropped = dispatch.dropped;
  result.delivered =
      size - dispatch.passed_over - dispatch.queued - dispatch.failed - dispatch.refused;
  bump(state.passed_over, dispatch.passed_over);
  bump(state.queued, dispatch.queued + dispatch.refused);
  bump(state.failed, dispatch.failed);
  bump(state.timed_out, dispatch.timed_out);
  if (dispatch.failed + dispatch.refused != 0) [[unlikely]] {
    count_unwell(*dispatch.frame->route.load(std::memory_order_relaxed)->entry, dispatch);
  }
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
  dispatch.receipt = frame.dispatch.receipt;  // null, unless deliver_tracked() called
  if (sampled) {
    run_sampled(route, size, dispatch);
  } else if (!platform_detail::kThreadSanitizer &&
             platform_detail::light_slots.load(std::memory_order_relaxed)) [[likely]] {
    run_route<true>(route, size, frame, event, dispatch);
  } else {
    run_route<false>(route, size, frame, event, dispatch);
  }
  finish(state, dispatch, size, result);
}

void BusCore::begin_ring_write(ThreadState& state) {
  for (;;) {
    platform_detail::publish_slot(state.ring_busy, std::uint32_t{1});
    if (!history_reading_.load(std::memory_order_acquire)) [[likely]]
      return;
    state.ring_busy.store(0, std::memory_order_release);
    const std::lock_guard until_read(history_mutex_);
  }
}

void BusCore::record(ThreadState& state, const Event& event) {
  if (state.ring_shown == 0) return;
  begin_ring_write(state);
  Event& slot = state.next_slot();
  EventAccess::assign(slot, event);
  if (!EventAccess::is_plain(slot)) state.note_unclean();
  state.advance_ring();
  state.ring_busy.store(0, std::memory_order_release);
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

void BusCore::filter_and_deliver(std::uint32_t gate, TopicEntry& entry, Event& event,
                                 ThreadState& state, Frame& frame, PublishResult& result) {
  if ((gate & kFilters) != 0 && !admit(event, state, result)) return;
  std::uint64_t kept_as = 0;
  if ((gate & kStored) != 0 && !keep(entry, event, result, kept_as)) return;
  const KeptGuard note(frame, kept_as);
  if ((gate & kTracked) != 0) return deliver_tracked(entry, event, state, frame, result);
  record_and_deliver(entry, event, state, frame, result);
}

/// The status of the event is kept: its queued deliveries tell a receipt that nobody holds, the
/// synchronous ones have ended here.
void BusCore::deliver_tracked(TopicEntry& entry, const Event& event, ThreadState& state,
                              Frame& frame, PublishResult& result) {
  auto* receipt = new ReceiptState(*this, ReceiptState::Outcomes::no);
  struct Close {
    Frame& frame;
    ReceiptState* mine;
    ~Close() {
      frame.dispatch.receipt = nullptr;
      close_part(mine);
    }
  } const close{frame, receipt};
  frame.dispatch.receipt = receipt;
  const StatusBook::Ticket ticket = status_->begin(event.id(), event.topic(), wall_ns());
  receipt->ticket = ticket;
  record(state, event);
  Route& route = *route_of(&entry);
  frame.route.store(&route, std::memory_order_release);
  bool expects = false;
  for (std::uint32_t i = route.size(); i-- > 0 && !expects;) {
    const Subscriber& one = *route.subscribers()[i].load(std::memory_order_acquire);
    expects = (one.extra == nullptr || one.extra->mailbox == nullptr) &&
              state_of(one) == SubscriberState::active;
  }
  if (expects) status_->expect(ticket, wall_ns());
  deliver(route, event, state, frame, result);
  bool called = result.delivered != 0;
  for (const DeliveryFailure& failure : result.failures) {
    if (failure.code == ErrorCode::queue_full) continue;  // told to the receipt
    called = called || failure.code != ErrorCode::breaker_open;
    status_->failed(ticket, failure.name, failure.reason);
  }
  if (called) {
    status_->attempted(ticket, 1);
  } else if (expects) {
    status_->withdraw(ticket);
  }
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
    if (draft.type->fits_inline() || draft.type->share == nullptr || state.ring_shown == 0) {
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

  const Dispatch* const cause = thread_locals.current;
  if (cause != nullptr) {
    EventAccess::set_cause(event, cause->event().id(),
                           static_cast<std::uint16_t>(cause->event().hops() + 1));
    if (event.hops() > options_.max_hops) [[unlikely]] {
      refuse_hops(event, state, result);
      return result;
    }
  }

  const bool traced = is_traced(gate, cause);
  RareHandle rare;
  const auto trace_now = [&] {
    const Event* const from = cause != nullptr ? &cause->event() : nullptr;
    if (RareFields* const with = trace_fields(rare.get(), from, *state.ids)) rare.reset(with);
  };

  if (draft.options == nullptr) [[likely]] {
    if (traced) [[unlikely]] {
      trace_now();
      EventAccess::borrow_rare(event, rare.get());
    }
    if ((gate & (kFilters | kTracked | kStored)) != 0) [[unlikely]] {
      filter_and_deliver(gate, entry, event, state, *guard.frame, result);
      return result;
    }
    record_and_deliver(entry, event, state, *guard.frame, result);
    return result;
  }
  const EventOptions& options = *draft.options;
  require_text_field("source", options.source);
  const Text source(options.source);
  rare.reset(RareFields::make(options));
  if (traced) [[unlikely]]
    trace_now();
  EventAccess::set_identity(event, options.id.value_or(event.id()),
                            options.time ? options.time->time_since_epoch().count() : now,
                            entry.text, source.rep());
  EventAccess::borrow_rare(event, rare.get());
  EventAccess::set_priority(event, options.priority);
  EventAccess::set_origin(event, options.origin);
  if (options.schema_version != 0) EventAccess::set_schema_version(event, options.schema_version);
  if ((gate & (kFilters | kTracked | kStored)) != 0) [[unlikely]] {
    filter_and_deliver(gate, entry, event, state, *guard.frame, result);
    return result;
  }
  record_and_deliver(entry, event, state, *guard.frame, result);
  return result;
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
void complete(BusCore& core, Event& event, event_detail::IdGenerator& ids) {
  const std::int64_t now = core.wall_ns();
  if (event.id().is_nil()) EventAccess::set_id(event, ids.next(now));
  if (EventAccess::time_ns(event) == 0) EventAccess::set_time(event, now);
  const Dispatch* const cause = thread_locals.current;
  if (cause != nullptr) {
    const auto hops = static_cast<std::uint16_t>(cause->event().hops() + 1);
    EventAccess::set_cause(
        event, event.causation_id().is_nil() ? cause->event().id() : event.causation_id(),
        std::max(hops, event.hops()));
  }
  core.trace(event, cause != nullptr ? &cause->event() : nullptr, ids);
}

/// Fills in an event made elsewhere and checks its limits; false: the result says why it is
/// refused.
bool BusCore::prepare(Event& event, ThreadState& state, PublishResult& result) {
  complete(*this, event, *state.ids);
  result.id = event.id();
  if (event.hops() > options_.max_hops) {
    refuse_hops(event, state, result);
    return false;
  }
  if (const PayloadBlock* block = EventAccess::block(event);
      block != nullptr && payload_exceeds(*block, options_.max_payload)) {
    refuse_size(event, payload_bytes(*block), state, result);
    return false;
  }
  return true;
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
  if (!prepare(event, state, result)) return result;
  if ((gate & (kFilters | kTracked | kStored)) != 0) [[unlikely]] {
    filter_and_deliver(gate, *entry, event, state, *guard.frame, result);
    return result;
  }
  record_and_deliver(*entry, event, state, *guard.frame, result);
  return result;
}

/// The handler of an asynchronous subscription, or of a synchronous one with a timeout.
void BusCore::run_queued(Subscriber& subscriber, const delivery_detail::Delivery& delivery,
                         const Call& call, std::optional<DeliveryFailure>& failure,
                         Outcome& asked) {
  Dispatch dispatch(*this, delivery.event);
  const DispatchGuard guard(dispatch);
  dispatch.subscriber = &subscriber;
  dispatch.failure = &failure;
  dispatch.asked = &asked;
  dispatch.call = call.slot;
  if (call.deadline != SteadyTime::max()) dispatch.set_deadline(call.deadline);
  dispatch.set_attempt(call.attempt);
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
