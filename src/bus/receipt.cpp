#include "busway/receipt.hpp"

#include <array>
#include <utility>

#include "base/deadline.hpp"
#include "bus/bus_core.hpp"
#include "bus/strand.hpp"
#include "delivery/wait_graph.hpp"

namespace busway {
namespace detail {

namespace {

/// One reference more, as a handle.
Receipt handle_on(ReceiptState& receipt) {
  receipt.references.fetch_add(1, std::memory_order_relaxed);
  return Dispatch::make_receipt(
      std::shared_ptr<ReceiptState>(&receipt, [](ReceiptState* one) { release(*one); }));
}

}  // namespace

ReceiptState::ReceiptState(BusCore& bus, Outcomes kept) : core(&bus), keeps(kept) { bus.retain(); }

void began(ReceiptState& receipt) {
  {
    const std::lock_guard lock(receipt.mutex);
    if (std::exchange(receipt.begun, true)) return;
  }
  if (receipt.ticket == 0) return;
  receipt.core->status_book()->began(receipt.ticket, receipt.core->wall_ns());
}

void ended(ReceiptState& receipt, const Subscriber& subscriber, DeliveryOutcome::Kind kind,
           std::string reason, unsigned attempts) {
  if (receipt.ticket != 0) {
    StatusBook& book = *receipt.core->status_book();
    book.attempted(receipt.ticket, attempts);
    if (kind != DeliveryOutcome::Kind::delivered) {
      book.failed(receipt.ticket, subscriber_name(subscriber), reason);
    }
  }
  if (receipt.keeps == ReceiptState::Outcomes::no) return;
  DeliveryOutcome outcome{subscriber.id, subscriber_name(subscriber), kind, std::move(reason)};
  const std::lock_guard lock(receipt.mutex);
  receipt.begun = true;
  receipt.outcomes.push_back(std::move(outcome));
}

void part_failed(ReceiptState& receipt, DeliveryFailure failure) {
  if (receipt.ticket != 0) {
    receipt.core->status_book()->failed(receipt.ticket, failure.name, failure.reason);
  }
  const std::lock_guard lock(receipt.mutex);
  receipt.result.failures.push_back(std::move(failure));
}

void close_part(ReceiptState* receipt) {
  BusCore& core = *receipt->core;
  std::vector<SettledCallback> callbacks;
  const std::int64_t now = receipt->ticket != 0 ? core.wall_ns() : 0;
  {
    const std::lock_guard lock(receipt->mutex);
    if (--receipt->open == 0) {
      // Before anyone can see here that it has settled.
      if (receipt->ticket != 0) core.status_book()->settled(receipt->ticket, now);
      callbacks.swap(receipt->callbacks);
    }
    receipt->changed.notify_all();
  }
  if (!callbacks.empty()) {
    core.receipt_callbacks().call_later(core, handle_on(*receipt), std::move(callbacks));
  }
  release(*receipt);
}

void release(ReceiptState& receipt) noexcept {
  if (receipt.references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  BusCore* core = receipt.core;
  delete &receipt;
  core->release();
}

}  // namespace detail

std::string_view to_string(DeliveryOutcome::Kind kind) noexcept {
  switch (kind) {
    case DeliveryOutcome::Kind::delivered: return "delivered";
    case DeliveryOutcome::Kind::failed: return "failed";
    case DeliveryOutcome::Kind::timed_out: return "timed_out";
    case DeliveryOutcome::Kind::dropped: return "dropped";
    case DeliveryOutcome::Kind::dead_lettered: return "dead_lettered";
  }
  return "failed";
}

namespace detail {

std::vector<delivery_detail::WaitFor> BusCore::what_settles(const ReceiptState& receipt,
                                                            std::vector<Subscriber*>& held) {
  std::vector<SubscriptionId> open;
  bool part_open = false;
  {
    const std::lock_guard lock(receipt.mutex);
    open = receipt.queued_into;
    for (const DeliveryOutcome& outcome : receipt.outcomes) {
      std::erase(open, outcome.subscription);
    }
    part_open = receipt.open > open.size();
  }
  std::vector<delivery_detail::WaitFor> what;
  {
    const std::lock_guard lock(mutex_);
    for (const SubscriptionId id : open) {
      const std::size_t slot = id & ((std::uint64_t{1} << kSlotBits) - 1);
      if (slot >= slots_.size() || slots_[slot] == nullptr || slots_[slot]->id != id) continue;
      detail::retain(slots_[slot]);
      held.push_back(slots_[slot]);
      what.push_back(delivery_detail::WaitFor::mailbox(*slots_[slot]->extra->mailbox));
    }
  }
  const std::lock_guard lock(pool_mutex_);
  if (part_open && strand_ != nullptr) {
    what.push_back(delivery_detail::WaitFor::mailbox(strand_->mailbox()));
  }
  return what;
}

}  // namespace detail

EventId Receipt::id() const noexcept { return state_->result.id; }

EventStatus Receipt::status() const {
  const std::lock_guard lock(state_->mutex);
  bool failed = state_->result.code != ErrorCode::ok || !state_->result.failures.empty();
  for (const DeliveryOutcome& outcome : state_->outcomes) {
    failed = failed || outcome.kind != DeliveryOutcome::Kind::delivered;
  }
  if (failed) return EventStatus::failed;
  if (state_->open == 0) return EventStatus::completed;
  return state_->begun ? EventStatus::processing : EventStatus::pending;
}

namespace {

struct Executors {
  std::vector<Executor*> here;  // that this thread pumps
  bool elsewhere = false;       // there are others
};

/// On which the deliveries of these subscriptions run, and the synchronous part of a publish.
Executors executors_of(detail::BusCore& core, const std::vector<detail::Subscriber*>& list,
                       bool strand) {
  Executors out;
  const auto add = [&](Executor& where) {
    if (!where.pumped_by_this_thread()) {
      out.elsewhere = true;
    } else if (std::find(out.here.begin(), out.here.end(), &where) == out.here.end()) {
      out.here.push_back(&where);
    }
  };
  if (strand || core.executor().pumped_by_this_thread()) add(core.executor());
  for (const detail::Subscriber* one : list) add(one->extra->mailbox->executor());
  return out;
}

}  // namespace

bool Receipt::wait_for(std::chrono::nanoseconds duration, Stage stage) const {
  return wait_for(stage, deadline_after(duration));
}

bool Receipt::wait_for(Stage stage, std::chrono::steady_clock::time_point deadline) const {
  if (stage == Stage::stored && state_->pending != nullptr) {
    return state_->pending->wait(deadline) && state_->pending->result().ok();
  }
  if (stage == Stage::stored) {
    // What is not kept is as stored as it gets when it has been accepted.
    const std::lock_guard lock(state_->mutex);
    return state_->result.code == ErrorCode::ok;
  }
  const auto settled = [&] { return state_->open == 0; };
  {
    const std::lock_guard lock(state_->mutex);
    if (settled()) return true;
  }
  // Where only this thread can run those it waits for, it runs them.
  for (;;) {
    detail::HeldSubscribers held;
    std::vector<delivery_detail::WaitFor> what = state_->core->what_settles(*state_, held.list);
    const Executors executors =
        executors_of(*state_->core, held.list, what.size() > held.list.size());
    if (executors.here.empty()) {
      const delivery_detail::WaitEdge edge(std::move(what));
      if (!edge.entered()) return false;
      std::unique_lock lock(state_->mutex);
      return state_->changed.wait_until(lock, deadline, settled);
    }
    const auto run_one = [&] {
      return state_->core->run_due() != 0 ||
             std::any_of(executors.here.begin(), executors.here.end(),
                         [](Executor* where) { return where->run_one_here(); });
    };
    const auto over = [&] {
      const std::lock_guard lock(state_->mutex);
      return settled() || std::chrono::steady_clock::now() >= deadline;
    };
    while (!over() && run_one()) {
    }
    std::unique_lock lock(state_->mutex);
    if (settled() || !executors.elsewhere || std::chrono::steady_clock::now() >= deadline)
      return settled();
    constexpr auto kLook = std::chrono::milliseconds(1);
    const auto look = std::min(deadline, std::chrono::steady_clock::now() + kLook);
    if (state_->changed.wait_until(lock, look, settled)) return true;
  }
}

void Receipt::on_settled(std::function<void(const Receipt&)> callback) const {
  if (!callback) {
    throw Error(ErrorCode::invalid_argument, "on_settled: the callback is empty");
  }
  std::vector<detail::SettledCallback> callbacks;
  callbacks.push_back(std::move(callback));
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->open != 0) {
      state_->callbacks.push_back(std::move(callbacks.front()));
      return;
    }
  }
  detail::BusCore& core = *state_->core;
  core.receipt_callbacks().call_later(core, *this, std::move(callbacks));
}

PublishResult Receipt::result() const {
  const std::lock_guard lock(state_->mutex);
  PublishResult result = state_->result;
  // Queued deliveries that have ended since.
  for (const DeliveryOutcome& outcome : state_->outcomes) {
    if (outcome.kind == DeliveryOutcome::Kind::delivered || outcome.reason.empty()) continue;
    bool known = false;
    for (const DeliveryFailure& failure : result.failures) {
      known = known || failure.subscription == outcome.subscription;
    }
    if (known) continue;
    result.failures.push_back({outcome.subscription, outcome.name,
                               outcome.kind == DeliveryOutcome::Kind::dropped
                                   ? ErrorCode::dropped
                                   : ErrorCode::handler_failed,
                               outcome.reason});
  }
  return result;
}

std::vector<DeliveryOutcome> Receipt::outcomes() const {
  const std::lock_guard lock(state_->mutex);
  return state_->outcomes;
}

}  // namespace busway
