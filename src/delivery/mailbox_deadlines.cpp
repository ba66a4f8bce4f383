// The deadlines of a mailbox's calls: who looks at them, and what becomes of a call given up.
#include <algorithm>
#include <exception>
#include <mutex>
#include <utility>
#include <vector>

#include "delivery/later.hpp"
#include "delivery/mailbox.hpp"
#include "event/event_access.hpp"

namespace busway::delivery_detail {

/// With lock_ held, by a pump that begins to work. True: watch() is to be called without it.
bool Mailbox::begin_watching() noexcept {
  if (watching_ || options_.timeout == std::chrono::nanoseconds::max()) return false;
  watching_ = true;
  next_look_ = later(sink_.now(), options_.timeout);
  return true;
}

void Mailbox::look_by(SteadyTime deadline) {
  {
    const std::lock_guard guard(lock_);
    // The pump that is to make the call is scheduled: who watches goes on.
    if (!watching_ || deadline >= next_look_) return;
    next_look_ = deadline;
  }
  try {
    (void)arm_overseer();
  } catch (const std::exception&) {
    // No thread can be had now: the deadline is kept with the next ones.
  }
}

/// For next_look_, which others may bring forward meanwhile. False: it will not look any more.
bool Mailbox::arm_overseer() {
  for (;;) {
    SteadyTime due;
    {
      const std::lock_guard guard(lock_);
      due = next_look_;
    }
    if (!sink_.timekeeper().schedule(overseer_, due)) return false;
    const std::lock_guard guard(lock_);
    if (next_look_ >= due) return true;
  }
}

bool Mailbox::any_pump_scheduled() const noexcept {
  return std::any_of(stripes_.begin(), stripes_.end(),
                     [](const Stripe& stripe) { return stripe.active != 0; });
}

void Mailbox::watch() {
  sink_.retain();
  try {
    if (arm_overseer()) return;
    // The bus is being destroyed: deadlines are kept no longer.
  } catch (const std::exception&) {
    // No thread can be had now; the next run asks again.
  }
  forget_watch();
}

/// The overseer is in nobody's hands any more; several may find that out.
void Mailbox::forget_watch() noexcept {
  {
    const std::lock_guard guard(lock_);
    if (!std::exchange(watching_, false)) return;
  }
  sink_.release();
}

/// No pump will run any more. When the overseer is at work it finds that out itself.
void Mailbox::unwatch() noexcept {
  if (sink_.timekeeper().cancel(overseer_)) forget_watch();
}

void Mailbox::look_at_calls() noexcept {
  sink_.retain();  // whoever cancels the timer once it is armed again gives its reference back
  std::vector<Overdue> overdue;
  SteadyTime next = SteadyTime::max();
  bool watched = false;
  bool go_on = false;
  {
    const std::lock_guard guard(lock_);
    const SteadyTime now = sink_.now();
    for (Stripe& stripe : stripes_) {
      for (std::unique_ptr<Pump>& pump : stripe.pumps) {
        if (!pump->scheduled) continue;
        SteadyTime deadline = later(now, options_.timeout);
        if (const auto call = pump->call.look()) {
          if (call->deadline > now) {
            deadline = call->deadline;
          } else if (pump->call.give_up(*call)) {
            overdue.push_back(replace(stripe, pump, call->deadline));
          }
        }
        next = std::min(next, deadline);
      }
    }
    // A pump that ended before this had the lock may have put an end to it.
    watched = watching_;
    go_on = watched && any_pump_scheduled();
    watching_ = go_on;
    next_look_ = next;
    // A pump that has ended since may have armed it while this ran.
    if (!go_on) (void)sink_.timekeeper().cancel(overseer_);
  }
  for (Overdue& one : overdue) settle(one);
  if (!go_on) {
    if (watched) sink_.release();
  } else if (!arm_overseer()) {
    forget_watch();
  } else {
    bool over = false;
    {
      const std::lock_guard guard(lock_);
      over = closed_ && !any_pump_scheduled();
    }
    if (over) unwatch();  // the last pump could not
  }
  sink_.release();
}

void Mailbox::give_up_calls() noexcept {
  sink_.retain();
  std::vector<Overdue> overdue;
  {
    const std::lock_guard guard(lock_);
    for (Stripe& stripe : stripes_) {
      for (std::unique_ptr<Pump>& pump : stripe.pumps) {
        const auto call = pump->scheduled ? pump->call.look() : std::nullopt;
        if (call && pump->call.give_up(*call))
          overdue.push_back(replace(stripe, pump, call->deadline));
      }
    }
  }
  for (Overdue& one : overdue) settle(one);
  sink_.release();
}

/// With lock_ held: a new pump stands where the old one stood, which keeps only its delivery. It
/// counts as scheduled, and its claim as running, until the delivery is settled.
Mailbox::Overdue Mailbox::replace(Stripe& stripe, std::unique_ptr<Pump>& pump,
                                  SteadyTime deadline) {
  Overdue overdue;
  overdue.deadline = deadline;
  const std::uint32_t at = pump->started.load(std::memory_order_relaxed);
  Delivery& delivery = *pump->claim.chunk->at(pump->claim.begin + at);
  overdue.delivery.event = delivery.event;
  overdue.delivery.token = std::exchange(delivery.token, nullptr);
  overdue.delivery.attempts = std::exchange(delivery.attempts, nullptr);
  overdue.delivery.history_was_cut = delivery.history_was_cut;
  overdue.delivery.verdict = delivery.verdict;
  overdue.thread = pump->thread;
  overdue.handled = at + 1;
  overdue.stop = pump->call.stop_source();
  // It takes lock_ before it lets go of itself, so it is still there.
  overdue.call = pump->call.suspended();
  if (overdue.call != nullptr) overdue.call->retain();
  if (std::exchange(pump->suspended, false)) --suspended_;
  pump->left = true;
  (void)keep_one(stripe, *pump);

  auto successor = std::make_unique<Pump>();
  successor->stripe = &stripe;
  successor->scheduled = true;
  successor->claim.lane = pump->claim.lane;
  overdue.successor = successor.get();
  overdue.left = pump.release();  // its call owns it from now on
  pump = std::move(successor);
  return overdue;
}

void Mailbox::settle(Overdue& overdue) noexcept {
  // First: its handler may look at the token before it touches what the next one touches.
  (void)overdue.stop.request_stop();
  const Then then =
      overdue.call != nullptr
          ? sink_.timed_out_suspended(overdue.delivery, *overdue.call, overdue.deadline)
          : sink_.timed_out(overdue.delivery, overdue.thread, *overdue.left, overdue.deadline);
  sink_.delivered_some(overdue.handled);
  go_on(overdue, then);
}

/// The delivery is settled.
void Mailbox::go_on(Overdue& overdue, Then then) noexcept {
  bool notify = false;
  bool returned = false;
  bool closed = false;
  {
    const std::lock_guard guard(lock_);
    closed = closed_;
    running_ -= 1;
    returned = overdue.left->returned;
    overdue.left->settled = true;
    Stripe& stripe = *overdue.successor->stripe;
    if (then == Then::hold) {
      stripe.held = true;
    } else if (overdue.successor->claim.lane == kAgainLane) {
      stripe.held = false;
    }
    notify = room_waiters_ + idle_waiters_ != 0;
  }
  if (closed) drop_all(DropReason::unsubscribed);  // close() did not see the rest of the claim
  if (notify) notify_waiters();
  if (overdue.call != nullptr) overdue.call->release();
  schedule(overdue.successor);
  if (returned) forget_left_behind(overdue.left);
}

/// On the thread that was left behind, when its handler has returned at last; or where a coroutine
/// that was given up has ended.
void Mailbox::end_left_behind(Pump* pump) noexcept {
  Claim mine;
  {
    // replace() may be at work still.
    const std::lock_guard guard(lock_);
    mine = pump->claim;
  }
  mine.chunk->at(mine.begin)->~Delivery();
  bool settled = false;
  {
    const std::lock_guard guard(lock_);
    recycle(mine.chunk, 1);
    pump->returned = true;
    settled = pump->settled;
  }
  if (settled) forget_left_behind(pump);
}

/// It has returned, and its delivery is settled.
void Mailbox::forget_left_behind(Pump* pump) noexcept {
  const std::thread::id thread = pump->thread;
  delete pump;
  sink_.came_back(thread);
  sink_.release();
}

void Mailbox::request_stop() {
  std::vector<std::stop_source> calls;
  {
    const std::lock_guard guard(lock_);
    for (Stripe& stripe : stripes_) {
      for (const auto& pump : stripe.pumps) {
        if (pump->call.look()) calls.push_back(pump->call.stop_source());
      }
    }
  }
  for (std::stop_source& call : calls) (void)call.request_stop();
}

}  // namespace busway::delivery_detail
