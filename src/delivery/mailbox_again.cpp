// What comes into a mailbox beside pushes: the past that a replay puts first, retries whose time
// has come, and redriven letters; and the pauses.
#include <mutex>
#include <unordered_set>
#include <utility>
#include <vector>

#include "delivery/mailbox.hpp"

namespace busway::delivery_detail {

void Mailbox::hold() {
  const std::lock_guard guard(lock_);
  held_ = true;
}

/// Nothing is left of the past: the first live delivery carries the news.
void Mailbox::tell_next_of_cut() {
  for (std::size_t lane = kReplayLane; lane-- > 0;) {
    for (Stripe& stripe : stripes_) {
      if (stripe.lanes[lane].size == 0) continue;
      stripe.lanes[lane].take_chunk->at(stripe.lanes[lane].take)->history_was_cut = true;
      return;
    }
  }
  cut_next_ = true;
}

std::size_t Mailbox::begin_with(const std::vector<PastEvent>& past, bool cut, More more) {
  std::vector<Pump*> pumps;
  std::size_t put = 0;
  {
    const std::lock_guard guard(lock_);
    if (closed_) return 0;
    std::unordered_set<EventId> queued;
    for (Stripe& stripe : stripes_) {
      for (Lane& lane : stripe.lanes) {
        Chunk* chunk = lane.take_chunk;
        std::uint32_t at = lane.take;
        for (std::size_t i = 0; i < lane.size; ++i) {
          queued.insert(chunk->at(at)->event.id());
          if (++at == kChunkSize) {
            chunk = chunk->next;
            at = 0;
          }
        }
      }
    }
    std::unordered_set<std::uint32_t> live;  // publishers whose events queue by now
    for (const auto& [event, publisher, comes_once] : past) {
      if (live.contains(publisher)) continue;
      if (queued.contains(event.id())) {
        live.insert(publisher);
        continue;
      }
      Stripe& stripe = stripe_of(event);
      append(stripe.lanes[kReplayLane], event, nullptr, cut && put == 0);
      ++stripe.size;
      ++beyond_size_;
      ++pushes_;
      ++put;
      if (!comes_once) replayed_.insert(event.id());
    }
    if (cut && put == 0) tell_next_of_cut();
    held_ = false;
    past_more_ = more == More::follows;
    for (Stripe& stripe : stripes_) {
      while (Pump* pump = next_pump(stripe)) pumps.push_back(pump);
    }
  }
  for (Pump* pump : pumps) schedule(pump);
  return put;
}

void Mailbox::wait_again() {
  const std::lock_guard guard(lock_);
  ++again_waiting_;
}

bool Mailbox::push_again(const Event& event, void* token, Attempts* attempts) {
  Pump* pump = nullptr;
  bool notify = false;
  bool closed = false;
  {
    const std::lock_guard guard(lock_);
    --again_waiting_;
    closed = closed_;
    notify = idle_waiters_ != 0;
    if (!closed) {
      Stripe& stripe = stripe_of(event);
      append_again(stripe, event, token, attempts);
      pump = next_pump(stripe);
    }
  }
  if (notify) notify_waiters();
  if (pump != nullptr) schedule(pump);
  return !closed;
}

void Mailbox::give_up_again(const Event& event) {
  Pump* pump = nullptr;
  {
    const std::lock_guard guard(lock_);
    --again_waiting_;
    Stripe& stripe = stripe_of(event);
    stripe.held = false;
    pump = next_pump(stripe);
  }
  notify_waiters();
  if (pump != nullptr) schedule(pump);
}

Pushed Mailbox::push_redriven(const Event& event, Attempts* attempts) {
  Pump* pump = nullptr;
  {
    const std::lock_guard guard(lock_);
    if (closed_) return Pushed::closed;
    Stripe& stripe = stripe_of(event);
    // Not among those that are tried again: it must not end the hold that one of them has.
    append(stripe.lanes[kReplayLane], event, nullptr, std::exchange(cut_next_, false)).attempts =
        attempts;
    ++stripe.size;
    ++beyond_size_;
    ++pushes_;
    pump = next_pump(stripe);
  }
  if (pump != nullptr) schedule(pump);
  return Pushed::accepted;
}

std::size_t Mailbox::waiting_again() const {
  const std::lock_guard guard(lock_);
  return again_waiting_;
}

void Mailbox::pause() {
  const std::lock_guard guard(lock_);
  paused_ = true;
  for (Stripe& stripe : stripes_) interrupt(stripe);
}

void Mailbox::resume() {
  std::vector<Pump*> pumps;
  {
    const std::lock_guard guard(lock_);
    paused_ = false;
    for (Stripe& stripe : stripes_) {
      while (Pump* pump = next_pump(stripe)) pumps.push_back(pump);
    }
  }
  for (Pump* pump : pumps) schedule(pump);
}

}  // namespace busway::delivery_detail
