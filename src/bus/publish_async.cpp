// publish_async: queues at once, and runs the synchronous subscriptions later on one worker.
#include <cxxabi.h>

#include <array>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "bus/bus_core.hpp"
#include "bus/payload_size.hpp"
#include "bus/publish_guards.hpp"
#include "bus/strand.hpp"

namespace busway::detail {
namespace {

void add_part(const PublishResult& part, PublishResult& to) {
  to.matched += part.matched;
  to.delivered += part.delivered;
  to.queued += part.queued;
  to.dropped += part.dropped;
  for (const DeliveryFailure& failure : part.failures) to.failures.push_back(failure);
}

}  // namespace

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
  auto* raw = new ReceiptState(*this, ReceiptState::Outcomes::yes);
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
    if (status_ != nullptr) raw->ticket = status_->begin(event.id(), event.topic(), wall_ns());
    // With a store all goes through the strand: what waits for its commit must not be passed by
    // what does not.
    raw->whole = (gate & kStored) != 0;
    if (raw->whole) {
      if (StoreLink& store = *link(); store.keeps(*entry)) {
        store.stamp(event);
        raw->pending = std::make_unique<PendingAppend>(event);
      }
    } else {
      record(state, event);
    }
    // Subscriptions made from now on do not get this event; a replay of theirs finds it recorded,
    // or is still to come when the strand records it.
    {
      const std::lock_guard lock(mutex_);
      raw->before_id = raw->replays_before_id = next_sequence_ << kSlotBits;
      ++entry->published;
    }
    if (!raw->whole) {
      const PublishResult queued = queue_part(*entry, event, state, *guard.frame, *raw);
      const std::lock_guard lock(raw->mutex);
      add_part(queued, result);
    }
    raw->references.fetch_add(1, std::memory_order_relaxed);
    if (worker.push(event, raw, delivery_detail::MayWait::no) !=
        delivery_detail::Pushed::accepted) {
      raw->pending.reset();  // not stored: nobody would deliver it here
      part_failed(*raw, {0, "publish_async", ErrorCode::queue_full,
                         "the queue of publish_async is full (" +
                             std::to_string(worker.options().capacity) +
                             " events): no synchronous subscription got the event"});
      close_part(raw);
    } else if (raw->pending != nullptr) {
      link()->append(*raw->pending);
    }
    return receipt;
  }
  settle_now();
  return receipt;
}

/// Puts the event into the mailboxes of its route.
PublishResult BusCore::queue_part(TopicEntry& entry, const Event& event, ThreadState& state,
                                  Frame& frame, ReceiptState& receipt) {
  PublishResult result;
  Route& route = *route_of(&entry);
  frame.route.store(&route, std::memory_order_release);
  Dispatch dispatch(*this, event);
  const DispatchGuard chain(dispatch);
  dispatch.frame = &frame;
  dispatch.result = &result;
  dispatch.receipt = &receipt;
  run_part(route, route.size(), dispatch, Part::queued_only);
  // A filter that threw has failed its delivery before it was queued.
  result.matched = dispatch.queued + dispatch.refused + dispatch.failed;
  result.queued = dispatch.queued;
  result.dropped = dispatch.dropped;
  bump(state.queued, dispatch.queued + dispatch.refused);
  bump(state.failed, dispatch.failed);
  if (dispatch.refused + dispatch.failed != 0) count_unwell(entry, dispatch);
  const std::lock_guard lock(mutex_);
  entry.matched += result.matched;
  return result;
}

/// What of a publish_async is left to do, on the strand.
void BusCore::run_strand(delivery_detail::Delivery& delivery) {
  auto* receipt = static_cast<ReceiptState*>(delivery.token);
  if (receipt->is_foreign) stored_begun();
  // Not for each place: the feeds read a page of the store for it.
  if (stored_wants_room_.load(std::memory_order_seq_cst) &&
      stored_waiting_.load(std::memory_order_seq_cst) <= stored_max() / 2) {
    stored_wants_room_.store(false, std::memory_order_seq_cst);
    link()->feeds().wake();
  }
  if (receipt->pending != nullptr) {
    (void)receipt->pending->wait(std::chrono::steady_clock::time_point::max());
    PublishResult answer;
    link()->answered_now(receipt->pending->result(), delivery.event.id());
    const bool stored = link()->accept(receipt->pending->result(), delivery.event, answer);
    if (!stored) {
      {
        const std::lock_guard lock(receipt->mutex);
        receipt->result.code = answer.code;
        receipt->result.duplicate = answer.duplicate;
        for (const DeliveryFailure& failure : answer.failures) {
          receipt->result.failures.push_back(failure);
        }
      }
      return close_part(receipt);
    }
  }
  ThreadState& state = thread_state();
  bump(state.strand_runs);
  PublishResult parts;
  {
    const FrameGuard guard(*this, state);
    const KeptGuard note(*guard.frame, receipt->pending != nullptr
                                           ? receipt->pending->result().sequence
                                           : receipt->kept_as);
    TopicEntry* entry = topics_.find(delivery.event.topic(), hash_text(delivery.event.topic()));
    if (entry == nullptr) entry = find_or_add_now(delivery.event.topic());
    if (receipt->is_foreign) {
      {
        const std::lock_guard lock(mutex_);
        ++entry->published;
      }
      const bool filters = (gate_.load(std::memory_order_acquire) & kFilters) != 0;
      if (filters && !admit(delivery.event, state, parts)) return close_part(receipt);
    }
    if (receipt->whole) {
      record(state, delivery.event);
      // A replay that begins from now on finds it; one that has begun before must get it live.
      if (!receipt->is_foreign) {
        const std::lock_guard lock(mutex_);
        receipt->replays_before_id = next_sequence_ << kSlotBits;
      }
      parts = queue_part(*entry, delivery.event, state, *guard.frame, *receipt);
    }
    PublishResult sync_result;
    Route& route = *route_of(entry);
    guard.frame->route.store(&route, std::memory_order_release);
    {
      Dispatch dispatch(*this, delivery.event);
      const DispatchGuard chain(dispatch);
      dispatch.frame = guard.frame;
      dispatch.result = &sync_result;
      dispatch.receipt = receipt;
      run_part(route, route.size(), dispatch, Part::sync_only);
      bump(state.failed, dispatch.failed);
      bump(state.timed_out, dispatch.timed_out);
      if (dispatch.failed != 0) count_unwell(*route.entry, dispatch);
    }
    add_part(sync_result, parts);
    const std::lock_guard lock(mutex_);
    route.entry->matched += sync_result.matched;
  }
  bool unmatched = false;
  {
    const std::lock_guard lock(receipt->mutex);
    add_part(parts, receipt->result);
    unmatched = receipt->result.matched == 0;
  }
  if (unmatched) {
    const std::lock_guard lock(mutex_);
    ++folded_.unmatched;
  }
  close_part(receipt);
}

bool BusCore::has_room_for_stored() {
  const auto has_room = [this] {
    if (stored_waiting_.load(std::memory_order_seq_cst) >= stored_max()) return false;
    const std::lock_guard lock(pool_mutex_);
    return strand_ == nullptr || strand_->mailbox().waiting() < options_.queue_capacity;
  };
  if (has_room()) return true;
  stored_wants_room_.store(true, std::memory_order_seq_cst);
  return has_room();  // whoever made it meanwhile has not seen that it is wanted
}

bool BusCore::deliver_stored(const StoredEvent& stored) {
  if (!has_room_for_stored()) return false;
  delivery_detail::Mailbox& worker = strand();
  auto* const receipt = new ReceiptState(*this, ReceiptState::Outcomes::no);
  receipt->whole = true;
  receipt->is_foreign = true;
  receipt->kept_as = stored.sequence;
  receipt->result.id = stored.event.id();
  receipt->before_id = receipt->replays_before_id = std::numeric_limits<std::uint64_t>::max();
  stored_waiting_.fetch_add(1, std::memory_order_seq_cst);
  if (worker.push(stored.event, receipt, delivery_detail::MayWait::no) ==
      delivery_detail::Pushed::accepted) {
    return true;
  }
  // Events from here have just taken the rest; when they have gone this is to be tried again.
  stored_waiting_.fetch_sub(1, std::memory_order_seq_cst);
  stored_wants_room_.store(true, std::memory_order_seq_cst);
  detail::release(*receipt);
  return false;
}

void BusCore::stored_begun() noexcept { stored_waiting_.fetch_sub(1, std::memory_order_seq_cst); }

/// Runs only the queueing or only the synchronous part, and only subscriptions older than an id.
void BusCore::run_part(Route& route, std::uint32_t size, Dispatch& dispatch, Part part) {
  const ReceiptState& receipt = *dispatch.receipt;
  for (std::uint32_t i = 0; i < size; ++i) {
    Subscriber* const subscriber = route.subscribers()[i].load(std::memory_order_acquire);
    const bool queued = subscriber->extra != nullptr && subscriber->extra->mailbox != nullptr;
    const bool replays = subscriber->extra != nullptr && subscriber->extra->replays;
    const std::uint64_t before_id = replays ? receipt.replays_before_id : receipt.before_id;
    if (queued != (part == Part::queued_only) || subscriber->id >= before_id) continue;
    platform_detail::publish_slot(dispatch.frame->current, subscriber);
    const std::uint32_t failed = dispatch.failed;
    const std::uint32_t passed = dispatch.passed_over;
    if (part == Part::sync_only && state_of(*subscriber) == SubscriberState::active) {
      began(*dispatch.receipt);
    }
    try {
      subscriber->invoke.load(std::memory_order_acquire)(subscriber, dispatch.event(), dispatch);
    } catch (const abi::__forced_unwind&) {
      throw;
    } catch (...) {
      dispatch.record_exception();
    }
    const bool well = dispatch.failed == failed;
    if (part == Part::sync_only && dispatch.passed_over == passed) {
      ++dispatch.result->matched;
      subscriber->async_matched.fetch_add(1, std::memory_order_relaxed);
      if (well) ++dispatch.result->delivered;
    } else if (part != Part::queued_only || well) {
      continue;
    }
    if (dispatch.receipt == nullptr) continue;
    if (!well) {
      // Nobody may ever look at the receipt.
      const std::string name = subscriber_name(*subscriber);
      const std::array fields{LogField{"subscription", name},
                              LogField{"topic", dispatch.event().topic()},
                              LogField{"reason", dispatch.result->failures.back().reason}};
      log(LogLevel::warning, "a handler of an event from publish_async failed", fields);
    }
    ended(*dispatch.receipt, *subscriber,
          well ? DeliveryOutcome::Kind::delivered
          : dispatch.result->failures.back().code == ErrorCode::timed_out
              ? DeliveryOutcome::Kind::timed_out
              : DeliveryOutcome::Kind::failed,
          well ? std::string() : dispatch.result->failures.back().reason, 1);
  }
}

}  // namespace busway::detail
