#include "busway/receipt.hpp"

#include <array>
#include <utility>

#include "base/deadline.hpp"
#include "bus/bus_core.hpp"

namespace busway {
namespace detail {

void ended(ReceiptState& receipt, const Subscriber& subscriber, DeliveryOutcome::Kind kind,
           std::string reason) {
  const std::lock_guard lock(receipt.mutex);
  receipt.begun = true;
  receipt.outcomes.push_back({subscriber.id, subscriber_name(subscriber), kind, std::move(reason)});
}

void close_part(ReceiptState* receipt) {
  {
    const std::lock_guard lock(receipt->mutex);
    --receipt->open;
    receipt->changed.notify_all();
  }
  release(*receipt);
}

void release(ReceiptState& receipt) noexcept {
  if (receipt.references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  BusCore* core = receipt.core;
  delete &receipt;
  if (core != nullptr) core->release();
}

}  // namespace detail

std::string_view to_string(EventStatus status) noexcept {
  switch (status) {
    case EventStatus::pending: return "pending";
    case EventStatus::processing: return "processing";
    case EventStatus::completed: return "completed";
    case EventStatus::failed: return "failed";
  }
  return "failed";
}

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

bool Receipt::wait_for(std::chrono::nanoseconds duration, Stage stage) const {
  return wait_for(stage, deadline_after(duration));
}

bool Receipt::wait_for(Stage stage, std::chrono::steady_clock::time_point deadline) const {
  if (stage == Stage::stored) {
    // Without a store an event is as stored as it gets when it has been accepted.
    const std::lock_guard lock(state_->mutex);
    return state_->result.code == ErrorCode::ok;
  }
  const auto settled = [&] { return state_->open == 0; };
  {
    const std::lock_guard lock(state_->mutex);
    if (settled()) return true;
  }
  Executor& where = state_->core->executor();
  if (where.pumped_by_this_thread()) {
    for (;;) {
      {
        const std::lock_guard lock(state_->mutex);
        if (settled()) return true;
      }
      if (std::chrono::steady_clock::now() >= deadline) break;
      if (state_->core->run_due() == 0 && !where.run_one_here()) break;
    }
    const std::lock_guard lock(state_->mutex);
    return settled();
  }
  std::unique_lock lock(state_->mutex);
  return state_->changed.wait_until(lock, deadline, settled);
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
