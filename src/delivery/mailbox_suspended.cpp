// Calls that go on without a thread: they keep their pump, and with it their place in the order.
#include <mutex>
#include <vector>

#include "delivery/mailbox.hpp"

namespace busway::delivery_detail {

void Mailbox::suspended(CallSlot& call) {
  bool notify = false;
  bool closed = false;
  std::uint32_t before = 0;  // of its claim, and done with
  {
    const std::lock_guard guard(lock_);
    Pump& pump = static_cast<PumpCall&>(call).pump;
    if (pump.left) return;  // it does not count any more
    before = keep_one(*pump.stripe, pump);
    pump.suspended = true;
    ++suspended_;
    notify = idle_waiters_ != 0;
    closed = closed_;
  }
  if (before != 0) sink_.delivered_some(before);
  if (closed) drop_all(DropReason::unsubscribed);  // close() did not see the rest of the claim
  if (notify) notify_waiters();
}

void Mailbox::completed(CallSlot& call, Then then) {
  Pump& pump = static_cast<PumpCall&>(call).pump;
  if (then == Then::left) return end_left_behind(&pump);
  Stripe& stripe = *pump.stripe;
  pump.claim.chunk->at(pump.claim.begin)->~Delivery();
  sink_.delivered_some(1);
  bool again = false;
  bool over = false;
  bool notify = false;
  {
    const std::lock_guard guard(lock_);
    pump.suspended = false;
    --suspended_;
    finish(stripe, pump, 1, then);
    notify = idle_waiters_ != 0 || tells_of_room();
    again = goes_on(stripe, pump, over);
  }
  if (notify) notify_waiters();
  if (again) schedule(&pump);
  if (over) unwatch();
  sink_.release();
}

void Mailbox::abandon_suspended() {
  std::vector<Overdue> left;
  {
    const std::lock_guard guard(lock_);
    for (Stripe& stripe : stripes_) {
      for (std::unique_ptr<Pump>& pump : stripe.pumps) {
        if (!pump->suspended) continue;
        const auto call = pump->call.look();
        if (call && pump->call.give_up(*call))
          left.push_back(replace(stripe, pump, call->deadline));
      }
    }
  }
  for (Overdue& one : left) {
    (void)one.stop.request_stop();
    sink_.abandoned(one.delivery, *one.call);
    go_on(one, Then::next);
  }
}

}  // namespace busway::delivery_detail
