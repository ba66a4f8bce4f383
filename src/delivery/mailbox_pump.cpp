// What a mailbox's pumps do: claim a run of deliveries, make them, and go on.
#include <algorithm>
#include <array>
#include <mutex>
#include <utility>

#include "base/planted_defect.hpp"
#include "delivery/mailbox.hpp"

namespace busway::delivery_detail {

using detail::Defect;
using detail::planted;

namespace {

/// Deliveries a pump makes before it lets other mailboxes of the executor go on.
constexpr std::uint32_t kPumpBudget = 512;
/// A lower lane is served once after so many deliveries of higher ones.
constexpr std::array<std::uint32_t, 3> kShare{32, 8, 0};

}  // namespace

void Mailbox::Pump::run() noexcept { stripe->mailbox->run(*stripe, *this); }

std::uint32_t Mailbox::choose_lane(Stripe& stripe) const {
  if (stripe.lanes[kAgainLane].size != 0) return kAgainLane;
  // What is replayed is older than all that is live: no share is kept for others before its end.
  if (stripe.lanes[kReplayLane].size != 0) return kReplayLane;
  if (past_more_) return kLanes;
  for (std::uint32_t i = 0; i < 2; ++i) {
    if (stripe.lanes[i].size != 0 && stripe.lanes[i].passed_over >= kShare[i]) return i;
  }
  for (std::uint32_t i = kReplayLane; i-- > 0;) {
    if (stripe.lanes[i].size != 0) return i;
  }
  return kLanes;
}

Mailbox::Claim Mailbox::claim(Stripe& stripe, Pump& pump) {
  pump.interrupt.store(closed_ || paused_, std::memory_order_relaxed);
  if (!runnable(stripe)) return {};
  const std::uint32_t chosen = choose_lane(stripe);
  if (chosen == kLanes) return {};
  Lane& lane = stripe.lanes[chosen];
  bool lower_waits = false;
  for (std::uint32_t i = 0; i < chosen; ++i) lower_waits = lower_waits || stripe.lanes[i].size != 0;
  bool higher_waits = false;
  for (std::uint32_t i = chosen + 1; i < kLanes; ++i) {
    higher_waits = higher_waits || stripe.lanes[i].size != 0;
  }
  Claim claim;
  claim.chunk = lane.take_chunk;
  claim.begin = lane.take;
  claim.lane = chosen;
  const std::uint32_t available = (claim.chunk == lane.last ? lane.end : kChunkSize) - lane.take;
  claim.count = std::min(available, run_max_);
  if (higher_waits || chosen == kAgainLane) {
    claim.count = 1;
  } else if (lower_waits && is_bounded(chosen)) {
    claim.count = std::min(claim.count, kShare[1]);
  }
  lane.take += claim.count;
  if (lane.take == kChunkSize) {
    lane.take_chunk = claim.chunk->next;
    lane.take = 0;
    if (lane.last == claim.chunk) lane.last = nullptr;
  }
  lane.size -= claim.count;
  stripe.size -= claim.count;
  (is_bounded(chosen) ? size_ : beyond_size_) -= claim.count;
  if (is_bounded(chosen)) {
    // The first one starts at once.
    pump.claimed = claim.count - 1;
    claimed_ += pump.claimed;
  }
  lane.passed_over = 0;
  for (std::uint32_t i = 0; i < chosen && i < 2 && is_bounded(chosen); ++i) {
    if (stripe.lanes[i].size != 0) stripe.lanes[i].passed_over += claim.count;
  }
  stripe.serving = chosen;
  running_ += 1;
  pump.working = true;
  pump.claim = claim;
  return claim;
}

void Mailbox::recycle(Chunk* chunk, std::uint32_t finished) {
  chunk->finished += finished;
  if (chunk->finished == kChunkSize) {
    chunk->next = spare_;
    spare_ = chunk;
  }
}

/// Ends a claim of which `done` deliveries were made; the rest goes back to where it was taken.
void Mailbox::finish(Stripe& stripe, Pump& pump, std::uint32_t done, Then then) {
  running_ -= 1;
  pump.working = false;
  if (then == Then::hold) {
    stripe.held = true;
  } else if (pump.claim.lane == kAgainLane) {
    stripe.held = false;
  }
  give_back(stripe, pump, done);
  recycle(pump.claim.chunk, done);
}

void Mailbox::give_back(Stripe& stripe, Pump& pump, std::uint32_t done) {
  claimed_ -= pump.claimed;
  pump.claimed = 0;
  pump.started.store(0, std::memory_order_relaxed);
  const Claim& claim = pump.claim;
  const std::uint32_t rest = claim.count - done;
  if (rest == 0) return;
  Lane& lane = stripe.lanes[claim.lane];
  if (lane.take_chunk != claim.chunk) {
    // The claim had reached the end of its chunk.
    claim.chunk->next = lane.take_chunk;
    lane.take_chunk = claim.chunk;
    if (lane.last == nullptr) {
      lane.last = claim.chunk;
      lane.end = kChunkSize;
    }
  }
  lane.take = claim.begin + done;
  lane.size += rest;
  stripe.size += rest;
  (is_bounded(claim.lane) ? size_ : beyond_size_) += rest;
}

/// With the delivery under way alone in the pump's claim from now on; returns how many of the claim
/// were made before it.
std::uint32_t Mailbox::keep_one(Stripe& stripe, Pump& pump) {
  const std::uint32_t at = pump.started.load(std::memory_order_relaxed);
  give_back(stripe, pump, at + 1);
  recycle(pump.claim.chunk, at);
  pump.claim.begin += at;
  pump.claim.count = 1;
  return at;
}

/// Makes the deliveries of a claim until told to stop; returns how many are done with.
std::uint32_t Mailbox::deliver(const Claim& claim, Pump& pump, Then& then) {
  Delivery* delivery = claim.chunk->at(claim.begin);
  std::uint32_t done = 0;
  const bool begun = claim.count > 1 && looks_ahead_.load(std::memory_order_relaxed) &&
                     sink_.coming({delivery, claim.count});
  for (; done < claim.count; ++done, ++delivery) {
    if (pump.interrupt.load(std::memory_order_relaxed) && !planted(Defect::after_close))
        [[unlikely]] {
      bool closed = false;
      {
        const std::lock_guard guard(lock_);
        closed = closed_;
      }
      if (closed) {
        sink_.delivered_some(done);
        for (; done < claim.count; ++done, ++delivery) {
          sink_.dropped(*delivery, DropReason::unsubscribed);
          delivery->~Delivery();
        }
        return claim.count;
      }
      // The first of a claim counts as started, so a pause comes too late for it.
      if (done != 0 && !begun) break;
    }
    pump.started.store(done, std::memory_order_relaxed);
    then = sink_.deliver(*delivery, pump.call);
    // Those before it are accounted for by who gave it up or suspended it.
    if (then >= Then::left) [[unlikely]]
      return done;
    delivery->~Delivery();
    if (then == Then::hold) [[unlikely]] {
      ++done;
      break;
    }
  }
  sink_.delivered_some(done);
  return done;
}

/// Whether this thread is to fetch more of the past.
bool Mailbox::begin_reading(const Stripe& stripe) noexcept {
  if (!past_more_.load(std::memory_order_relaxed)) return false;
  const std::lock_guard guard(lock_);
  if (!past_more_ || reading_past_ || beyond_size_ != 0 || !runnable(stripe)) return false;
  reading_past_ = true;
  running_ += 1;
  return true;
}

void Mailbox::read_past() {
  sink_.read_past();
  bool notify = false;
  {
    const std::lock_guard guard(lock_);
    reading_past_ = false;
    running_ -= 1;
    notify = idle_waiters_ != 0;
  }
  if (notify) notify_waiters();
}

bool Mailbox::goes_on(Stripe& stripe, Pump& pump, bool& over) const noexcept {
  if (runnable(stripe)) return true;
  --stripe.active;
  pump.scheduled = false;
  stripe.serving = 0;
  over = closed_ && watching_ && !any_pump_scheduled();
  return false;
}

/// Whether publishers that wait for room are to be woken. Not for each place that is free: a thread
/// is woken at the cost of many deliveries. They look for themselves as well.
bool Mailbox::tells_of_room() const noexcept {
  if (room_waiters_ == 0) return false;
  const std::size_t some = std::max<std::size_t>(options_.capacity / 4, 1);
  return waiting_locked() <= options_.capacity - some;
}

void Mailbox::run(Stripe& stripe, Pump& pump) {
  std::uint32_t budget = kPumpBudget;
  bool again = false;
  bool over = false;
  const std::thread::id thread = std::this_thread::get_id();
  for (;;) {
    Claim taken;
    bool notify = false;
    bool begin_watch = false;
    if (budget > 0 && begin_reading(stripe)) [[unlikely]]
      read_past();
    {
      const std::lock_guard guard(lock_);
      if (budget > 0) taken = claim(stripe, pump);
      notify = tells_of_room();
      if (taken.count == 0) {
        again = goes_on(stripe, pump, over);
        break;
      }
      pump.thread = thread;
      begin_watch = begin_watching();
    }
    if (begin_watch) watch();
    if (notify) notify_waiters();
    Then then = Then::next;
    const std::uint32_t done = deliver(taken, pump, then);
    if (then >= Then::left) [[unlikely]] {
      // Nothing of a suspended one is this thread's any more.
      if (then == Then::left) end_left_behind(&pump);
      return;
    }
    {
      const std::lock_guard guard(lock_);
      finish(stripe, pump, done, then);
      notify = idle_waiters_ != 0 || tells_of_room();
    }
    budget -= std::min(budget, done);
    if (notify) notify_waiters();
  }
  if (again) schedule(&pump);
  if (over) unwatch();
  sink_.release();
}

}  // namespace busway::delivery_detail
