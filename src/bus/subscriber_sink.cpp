#include "bus/subscriber_sink.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/duration_words.hpp"
#include "base/escape.hpp"
#include "base/planted_defect.hpp"
#include "bus/bus_core.hpp"
#include "bus/durable_feed.hpp"
#include "bus/retrying.hpp"
#include "delivery/later.hpp"
#include "delivery/retry_schedule.hpp"
#include "platform/fast_clock.hpp"

namespace busway::detail {

using delivery_detail::Attempts;
using delivery_detail::Breaker;
using delivery_detail::CallSlot;
using delivery_detail::Delivery;
using delivery_detail::DropReason;
using delivery_detail::kNoVerdict;
using delivery_detail::Then;

namespace {

void count_one(std::atomic<std::uint64_t>& counter) noexcept {
  counter.fetch_add(1, std::memory_order_relaxed);
}

const char* words(DropReason reason) noexcept {
  switch (reason) {
    case DropReason::displaced: return "a newer event took its place in a full mailbox";
    case DropReason::unsubscribed: return "the subscription ended before the event was handled";
    case DropReason::no_executor: return "the executor of the subscription takes no more tasks";
    case DropReason::cancelled: return "the bus ended while the handler was suspended";
  }
  return "";
}

/// For what cannot be tried now, and nobody knows when.
constexpr std::chrono::nanoseconds kTryAgainIn = std::chrono::seconds(1);

std::chrono::nanoseconds breaker_wait(const Subscriber& subscriber) noexcept {
  const Breaker* const breaker = subscriber.extra->breaker.load(std::memory_order_acquire);
  const auto probe = breaker != nullptr ? breaker->when_probe() : std::nullopt;
  if (!probe) return kTryAgainIn;
  return std::max<std::chrono::nanoseconds>(*probe - subscriber.core->steady_now(),
                                            std::chrono::milliseconds(1));
}

void log_retry(const BusCore& core, const DeliveryFailure& failure, const Event& event,
               unsigned made) {
  const std::string attempt = std::to_string(made);
  const std::array fields{LogField{"subscription", failure.name}, LogField{"topic", event.topic()},
                          LogField{"attempt", attempt}, LogField{"reason", failure.reason}};
  core.log(LogLevel::info, "a delivery failed and will be tried again", fields);
}

}  // namespace

/// One delivery in 256 on a thread takes its time. True: the call is to be made.
bool SubscriberSink::begin(Delivery& delivery, Begun& begun) {
  constinit static thread_local std::uint32_t until_sample = 1;
  if (--until_sample == 0) [[unlikely]] {
    until_sample = 256;
    begun.sample_from = platform_detail::thread_clock().steady_ns();
  }
  SubscriberExtra& extra = *subscriber_.extra;
  begun.began = subscriber_.core->call_time();
  if (extra.timeout) begun.deadline = delivery_detail::later(begun.began, *extra.timeout);
  if (delivery.attempts != nullptr) [[unlikely]] {
    // One that was tried here is what the others wait for, and goes on.
    if (delivery.attempts->sequence != 0 && delivery.attempts->reason.empty() &&
        extra.feed->gives_back()) {
      count_one(failed);
      give_back(delivery, std::chrono::nanoseconds::zero());
      return false;
    }
    begun.attempt = delivery.attempts->made + 1;
    if (!begin_within_total(delivery, begun)) return false;
  }
  // Last: what it lets through as a probe must be made.
  begun.breaker = extra.breaker.load(std::memory_order_acquire);
  if (begun.breaker != nullptr) [[unlikely]] {
    begun.verdict = ask_breaker(subscriber_, delivery.event);
    if (begun.verdict == Breaker::Verdict::refuse) {
      (void)refuse(delivery, ErrorCode::breaker_open, breaker_words(subscriber_));
      return false;
    }
    // Those who were told that it is half open may have ended the subscription.
    if (state_of(subscriber_) == SubscriberState::ended) {
      begun.breaker->withdrawn(begun.verdict);
      count_one(failed);
      dropped(delivery, DropReason::unsubscribed);
      return false;
    }
    delivery.verdict = static_cast<std::uint8_t>(begun.verdict);
  }
  if (delivery.token != nullptr) [[unlikely]]
    detail::began(*static_cast<ReceiptState*>(delivery.token));
  return true;
}

/// An attempt after the first gets what is left of the total. False: nothing is; it is settled.
bool SubscriberSink::begin_within_total(Delivery& delivery, Begun& begun) {
  SubscriberExtra& extra = *subscriber_.extra;
  if (!extra.retry || !extra.retry->total || delivery.attempts->made == 0) return true;
  const SteadyTime ends = delivery_detail::total_ends(*extra.retry, delivery.attempts->began);
  if (begun.began >= ends) {
    std::string reason = std::move(delivery.attempts->reason);
    reason += why_no_retry(delivery_detail::RetryVerdict::total_used_up);
    (void)refuse(delivery, delivery.attempts->code, std::move(reason));
    return false;
  }
  if (ends < begun.deadline && extra.timeout) {
    begun.deadline = ends;
    begun.sooner = true;
  }
  return true;
}

void SubscriberSink::read_past() noexcept { subscriber_.core->read_past(subscriber_); }

/// Only what will be handled for sure: one that is refused in its turn must not have been begun.
/// And not what has no more time than is left of a total: that is known in its turn only.
bool SubscriberSink::coming(std::span<const Delivery> deliveries) noexcept {
  const SubscriberExtra& extra = *subscriber_.extra;
  const Breaker* const breaker = extra.breaker.load(std::memory_order_acquire);
  if (extra.once || (breaker != nullptr && breaker->state() != Breaker::State::closed) ||
      extra.left_behind.load(std::memory_order_relaxed) != 0 ||
      state_of(subscriber_) == SubscriberState::ended ||
      (extra.feed != nullptr && extra.feed->is_strict())) {
    return false;
  }
  if (extra.retry && extra.retry->total &&
      std::any_of(deliveries.begin(), deliveries.end(), [](const Delivery& one) {
        return one.attempts != nullptr && one.attempts->made != 0;
      })) {
    return false;
  }
  return extra.ahead(deliveries, extra.timeout);
}

Then SubscriberSink::deliver(Delivery& delivery, CallSlot& call) noexcept {
  BusCore& core = *subscriber_.core;
  SubscriberExtra& extra = *subscriber_.extra;
  if (extra.left_behind.load(std::memory_order_relaxed) != 0 &&
      !core.may_leave_behind(extra.mailbox->running())) [[unlikely]] {
    return refuse(delivery, ErrorCode::breaker_open, abandoned_words(subscriber_));
  }
  Begun begun;
  if (!begin(delivery, begun)) [[unlikely]]
    return Then::next;
  std::optional<DeliveryFailure> failure;
  Outcome asked = Outcome::done();
  call.begin(begun.deadline);
  // Whoever asks all calls to stop may have looked just before this one.
  if (state_of(subscriber_) == SubscriberState::ended || core.overdue()) [[unlikely]]
    (void)call.stop_source().request_stop();
  if (begun.sooner) [[unlikely]]
    extra.mailbox->look_by(begun.deadline);
  core.run_queued(subscriber_, delivery, {&call, begun.deadline, begun.attempt}, failure, asked);
  if (!call.finish()) [[unlikely]]
    return Then::left;
  return end(delivery, begun, failure, asked);
}

Then SubscriberSink::end(Delivery& delivery, const Begun& begun,
                         std::optional<DeliveryFailure>& failure, const Outcome& asked) {
  BusCore& core = *subscriber_.core;
  // Nobody else has looked at the clock meanwhile. What a late handler asks for nobody hears.
  const bool late_here = core.driven_by_hand() && core.call_time() >= begun.deadline;
  if (late_here) [[unlikely]]
    failure = late();
  if (begun.sample_from != 0) [[unlikely]] {
    const std::int64_t took = platform_detail::thread_clock().steady_ns() - begun.sample_from;
    sample_latency(subscriber_, static_cast<std::uint64_t>(std::max<std::int64_t>(took, 0)));
  }
  if (begun.breaker != nullptr) [[unlikely]]
    tell_breaker(subscriber_, delivery.event, begun.verdict, !failure);
  if (failure) [[unlikely]]
    return after_failure(delivery, std::move(*failure), late_here ? Outcome::done() : asked,
                         begun.began);
  unsigned attempts = 1;
  if (delivery.attempts != nullptr) [[unlikely]] {
    attempts += delivery.attempts->made;
    if (delivery.attempts->sequence != 0) {
      SubscriberExtra& extra = *subscriber_.extra;
      if (extra.dedupe != nullptr) {
        (void)extra.dedupe->seen(delivery.event.id(), core.steady_now().time_since_epoch().count());
      }
      settle_stored(delivery, {.kind = Settlement::Kind::done});
    } else if (delivery.attempts->letter != 0) {
      core.dead_letters().delivered(delivery.attempts->letter);
      if (StatusBook* book = core.status_book()) {
        book->redriven(delivery.event.id(), attempts, core.wall_ns());
      }
    }
    delete std::exchange(delivery.attempts, nullptr);
  }
  if (delivery.token != nullptr) {
    auto* receipt = static_cast<ReceiptState*>(delivery.token);
    ended(*receipt, subscriber_, DeliveryOutcome::Kind::delivered, {}, attempts);
    close_part(receipt);
  }
  if (subscriber_.extra->once) end_once();
  return Then::next;
}

bool SubscriberSink::begin_call(Delivery& delivery, std::size_t kept, Begun& begun) {
  if (subscriber_.extra->left_behind.load(std::memory_order_relaxed) != 0 &&
      !subscriber_.core->may_leave_behind(kept)) {
    (void)refuse(delivery, ErrorCode::breaker_open, abandoned_words(subscriber_));
    return false;
  }
  return begin(delivery, begun);
}

Then SubscriberSink::end_call(Delivery& delivery, const Begun& begun,
                              std::optional<DeliveryFailure>& failure, const Outcome& asked) {
  return end(delivery, begun, failure, asked);
}

/// Given up without a call.
Then SubscriberSink::refuse(Delivery& delivery, ErrorCode code, std::string why) {
  count_one(failed);
  if (delivery.attempts == nullptr) delivery.attempts = new Attempts;
  if (delivery.attempts->sequence != 0) {
    // Nothing was tried: the store keeps it until it can be.
    give_back(delivery, code == ErrorCode::breaker_open ? breaker_wait(subscriber_) : kTryAgainIn);
    return Then::next;
  }
  give_up(delivery, {subscriber_.id, subscriber_name(subscriber_), code, std::move(why)});
  if (subscriber_.extra->once) end_once();
  return Then::next;
}

DeliveryFailure SubscriberSink::late() const {
  return {subscriber_.id, subscriber_name(subscriber_), ErrorCode::timed_out,
          late_words(subscriber_)};
}

void SubscriberSink::bury(std::string reason) {
  const std::lock_guard lock(retries_mutex_);
  if (buried_.load(std::memory_order_relaxed)) return;
  buried_because_ = std::move(reason);
  buried_.store(true, std::memory_order_release);
}

/// The call goes on, on a thread that is nobody's any more.
Then SubscriberSink::timed_out(Delivery& delivery, std::thread::id thread,
                               const delivery_detail::Runnable& task,
                               SteadyTime deadline) noexcept {
  const NeverBlock here;
  SubscriberExtra& extra = *subscriber_.extra;
  extra.left_behind.fetch_add(1, std::memory_order_seq_cst);
  subscriber_.core->leave_behind(subscriber_, delivery.event, extra.mailbox->executor(), thread,
                                 &task);
  if (buried_.load(std::memory_order_acquire)) {
    if (delivery.attempts == nullptr) delivery.attempts = new Attempts;
    ++delivery.attempts->made;
    if (delivery.attempts->sequence != 0) {
      // Its attempt counts: it may be what its subscription died of.
      count_one(failed);
      count_one(given_back);
      settle_stored(delivery, {.kind = Settlement::Kind::retry,
                               .code = ErrorCode::plugin_failed,
                               .reason = buried_because_});
      delete std::exchange(delivery.attempts, nullptr);
      return Then::next;
    }
    return refuse_buried(delivery);
  }
  return end_late(delivery, deadline);
}

Then SubscriberSink::refuse_buried(Delivery& delivery) {
  return refuse(delivery, ErrorCode::plugin_failed, buried_because_);
}

Then SubscriberSink::end_late(Delivery& delivery, SteadyTime deadline) {
  if (delivery.verdict != kNoVerdict) {
    tell_breaker(subscriber_, delivery.event, static_cast<Breaker::Verdict>(delivery.verdict),
                 false, Tell::later);
  }
  return after_failure(delivery, late(), Outcome::done(), deadline - *subscriber_.extra->timeout);
}

void SubscriberSink::came_back(std::thread::id thread) noexcept {
  detail::came_back(subscriber_, thread);
}

delivery_detail::Timekeeper& SubscriberSink::timekeeper() { return subscriber_.core->timekeeper(); }

SteadyTime SubscriberSink::now() const noexcept { return subscriber_.core->call_time(); }

void SubscriberSink::end_once() noexcept {
  // The pump that called is still at work: nothing here may wait for it.
  detail::retain(&subscriber_);
  const std::array one{&subscriber_};
  subscriber_.core->end(one, BusCore::Waiting::never);
}

/// Another attempt later, if the policy has one left; else the end.
Then SubscriberSink::after_failure(Delivery& delivery, DeliveryFailure failure,
                                   const Outcome& asked, SteadyTime began) {
  count_one(failed);
  BusCore& core = *subscriber_.core;
  const auto now = core.steady_now();
  if (delivery.attempts == nullptr) delivery.attempts = new Attempts;
  Attempts& attempts = *delivery.attempts;
  if (attempts.made++ == 0) attempts.began = began;

  const std::optional<RetryPolicy>& retry = subscriber_.extra->retry;
  const bool ended_meanwhile = state_of(subscriber_) == SubscriberState::ended;
  // A retry that waits in the store waits for whoever opens it next, too.
  if (attempts.sequence != 0 && retry && retry->order != RetryOrder::strict) {
    if (asked.kind() != Outcome::Kind::dead_letter) {
      const delivery_detail::NextAttempt next =
          delivery_detail::next_attempt(*retry,
                                        {.code = failure.code,
                                         .retries_made = attempts.made - 1,
                                         .first_began = attempts.began,
                                         .now = now,
                                         .asked = asked_again(asked)},
                                        core.random_word());
      if (next.verdict == delivery_detail::RetryVerdict::again) {
        log_retry(core, failure, delivery.event, attempts.made);
        count_one(retried);
        count_one(given_back);
        settle_stored(delivery, {.kind = Settlement::Kind::retry,
                                 .after = next.delay,
                                 .code = failure.code,
                                 .reason = std::move(failure.reason)});
        delete std::exchange(delivery.attempts, nullptr);
        return Then::next;
      }
      failure.reason += why_no_retry(next.verdict);
    }
  } else if (attempts.sequence != 0 && (core.overdue() || ended_meanwhile) &&
             asked.kind() != Outcome::Kind::dead_letter) {
    // Strict retries wait here, and here is no time left.
    count_one(given_back);
    settle_stored(delivery, {.kind = Settlement::Kind::retry,
                             .code = failure.code,
                             .reason = std::move(failure.reason)});
    delete std::exchange(delivery.attempts, nullptr);
    return Then::next;
  } else if (retry && core.overdue() && asked.kind() != Outcome::Kind::dead_letter) {
    failure.reason += " (no retry: the bus has stopped)";
  } else if (retry && asked.kind() != Outcome::Kind::dead_letter && !ended_meanwhile) {
    delivery_detail::Mailbox& mailbox = *subscriber_.extra->mailbox;
    const delivery_detail::NextAttempt next =
        delivery_detail::next_attempt(*retry,
                                      {.code = failure.code,
                                       .retries_made = attempts.made - 1,
                                       .first_began = attempts.began,
                                       .now = now,
                                       .asked = asked_again(asked)},
                                      core.random_word());
    const bool again = next.verdict == delivery_detail::RetryVerdict::again;
    if (again && mailbox.waiting_again() < limits::kRetriesWaitingMax) {
      auto timer = std::make_unique<RetryTimer>(*this, delivery.event);
      timer->token = std::exchange(delivery.token, nullptr);
      timer->attempts = std::exchange(delivery.attempts, nullptr);
      log_retry(core, failure, delivery.event, attempts.made);
      attempts.code = failure.code;
      attempts.reason = std::move(failure.reason);
      mailbox.wait_again();
      count_one(retried);  // it waits by now for who reads the count
      retain();
      {
        const std::lock_guard lock(retries_mutex_);
        timer->next = retries_;
        if (retries_ != nullptr) retries_->previous = timer.get();
        retries_ = timer.get();
      }
      if (!core.timekeeper().schedule(*timer, delivery_detail::later(now, next.delay))) {
        // The bus is being destroyed.
        {
          const std::lock_guard lock(retries_mutex_);
          unlink(*timer);
        }
        drop(*timer);  // first: what was held for it must see that it has gone back
        mailbox.give_up_again(timer->event);
        release();
        return Then::next;
      }
      (void)timer.release();
      // An unsubscribe that looked before the timer was there has missed it.
      if (state_of(subscriber_) == SubscriberState::ended) drop_retries();
      if (planted(Defect::strict_is_passed)) return Then::next;
      return retry->order == RetryOrder::strict ? Then::hold : Then::next;
    }
    failure.reason += again ? " (as many retries wait as may)" : why_no_retry(next.verdict);
  }
  give_up(delivery, std::move(failure));
  if (subscriber_.extra->once) end_once();
  return Then::next;
}

void SubscriberSink::give_up(Delivery& delivery, DeliveryFailure failure) {
  count_one(dead_lettered);
  BusCore& core = *subscriber_.core;
  core.count_unwell(delivery.event.topic(), DeliveryOutcome::Kind::dead_lettered);
  const unsigned made = delivery.attempts->made;
  const std::string attempts = std::to_string(made);
  const std::array fields{LogField{"subscription", failure.name},
                          LogField{"topic", delivery.event.topic()}, LogField{"attempts", attempts},
                          LogField{"reason", failure.reason}};
  core.log(LogLevel::warning, "a delivery was given up and is a dead letter now", fields);

  if (delivery.attempts->sequence != 0) {
    settle_stored(delivery, {.kind = Settlement::Kind::dead_letter,
                             .code = failure.code,
                             .reason = std::move(failure.reason)});
    delete std::exchange(delivery.attempts, nullptr);
    return;
  }
  DeadLetter::Death death{.time = WallTime(std::chrono::nanoseconds(core.wall_ns())),
                          .code = failure.code,
                          .reason = failure.reason,
                          .attempts = delivery.attempts->made};
  const DeadLetterId known = delivery.attempts->letter;
  if (known == 0 || !core.dead_letters().died_again(known, death)) {
    DeadLetter letter;
    letter.event = delivery.event;
    letter.subscription = subscriber_.id;
    letter.name = failure.name;
    letter.owner = std::string(owner_of(subscriber_));
    letter.history.push_back(std::move(death));
    (void)core.dead_letters().add(std::move(letter));
  }
  delete std::exchange(delivery.attempts, nullptr);
  if (delivery.token != nullptr) {
    auto* receipt = static_cast<ReceiptState*>(std::exchange(delivery.token, nullptr));
    ended(*receipt, subscriber_, DeliveryOutcome::Kind::dead_lettered, std::move(failure.reason),
          made);
    close_part(receipt);
  }
}

void SubscriberSink::settle_stored(Delivery& delivery, Settlement settlement) {
  settlement.sequence = delivery.attempts->sequence;
  subscriber_.extra->feed->settle(std::move(settlement));
}

/// The store gives it out again, and what was made of attempts here does not count.
void SubscriberSink::give_back(Delivery& delivery, std::chrono::nanoseconds after) noexcept {
  count_one(given_back);
  settle_stored(delivery, {.kind = Settlement::Kind::release, .after = after});
  delete std::exchange(delivery.attempts, nullptr);
}

void RetryTimer::due() noexcept { sink.retry_due(*this); }

void SubscriberSink::unlink(RetryTimer& timer) noexcept {
  if (timer.previous != nullptr) {
    timer.previous->next = timer.next;
  } else {
    retries_ = timer.next;
  }
  if (timer.next != nullptr) timer.next->previous = timer.previous;
}

void SubscriberSink::retry_due(RetryTimer& timer) noexcept {
  {
    const std::lock_guard lock(retries_mutex_);
    unlink(timer);
  }
  if (!planted(Defect::retry_is_lost) &&
      subscriber_.extra->mailbox->push_again(timer.event, timer.token, timer.attempts)) {
    timer.token = nullptr;
    timer.attempts = nullptr;
  } else {
    drop(timer);
  }
  delete &timer;
  release();
}

/// Its mailbox has closed.
void SubscriberSink::drop(RetryTimer& timer) noexcept {
  Delivery delivery;
  delivery.event = timer.event;
  delivery.token = std::exchange(timer.token, nullptr);
  delivery.attempts = std::exchange(timer.attempts, nullptr);
  dropped(delivery, DropReason::unsubscribed);
}

void SubscriberSink::drop_retries() {
  std::vector<RetryTimer*> mine;
  {
    const std::lock_guard lock(retries_mutex_);
    for (RetryTimer* timer = retries_; timer != nullptr;) {
      RetryTimer* const next = timer->next;
      // One that is due now finds the mailbox closed and drops itself.
      if (subscriber_.core->timekeeper().cancel(*timer)) {
        unlink(*timer);
        mine.push_back(timer);
      }
      timer = next;
    }
  }
  for (RetryTimer* timer : mine) {
    if (subscriber_.extra->once) end_once();  // that was its event: no other may follow
    drop(*timer);  // first: what was held for it must see that it has gone back
    subscriber_.extra->mailbox->give_up_again(timer->event);
    delete timer;
    release();
  }
}

void SubscriberSink::delivered_some(std::uint32_t count) noexcept {
  handled.fetch_add(count, std::memory_order_release);
}

void SubscriberSink::dropped(Delivery& delivery, DropReason reason) noexcept {
  if (reason == DropReason::unsubscribed && buried_.load(std::memory_order_acquire)) [[unlikely]] {
    (void)refuse_buried(delivery);
    return delivered_some(1);
  }
  if (delivery.attempts != nullptr && delivery.attempts->sequence != 0) [[unlikely]] {
    return give_back(delivery, std::chrono::nanoseconds::zero());
  }
  if (!planted(Defect::dropped_not_counted)) count_one(dropped_count);
  subscriber_.core->count_unwell(delivery.event.topic(), DeliveryOutcome::Kind::dropped);
  unsigned made = 0;
  if (delivery.attempts != nullptr) {
    made = delivery.attempts->made;
    if (delivery.attempts->letter != 0) {
      subscriber_.core->dead_letters().unmark(delivery.attempts->letter);
    }
    delete std::exchange(delivery.attempts, nullptr);
  }
  if (delivery.token == nullptr) return;
  auto* receipt = static_cast<ReceiptState*>(delivery.token);
  ended(*receipt, subscriber_, DeliveryOutcome::Kind::dropped, words(reason), made);
  close_part(receipt);
}

void SubscriberSink::retain() noexcept { detail::retain(&subscriber_); }
void SubscriberSink::release() noexcept { detail::release(&subscriber_); }

/// In flight is what was pushed and has no outcome yet, a retry that waits included.
DeliveryCounters SubscriberSink::counters(const delivery_detail::Mailbox& mailbox) const {
  DeliveryCounters out;
  // Outcomes first: a delivery that ends meanwhile then counts as in flight, not twice. A failure
  // is counted at once, the call it belongs to with its run.
  out.dead_lettered = dead_lettered.load(std::memory_order_acquire);
  out.retried = retried.load(std::memory_order_acquire);
  const std::uint64_t failures = failed.load(std::memory_order_acquire);
  const std::uint64_t calls = std::max(handled.load(std::memory_order_acquire), failures);
  out.delivered = calls - failures;
  const std::uint64_t not_queued = refused.load(std::memory_order_acquire);
  out.dropped = dropped_count.load(std::memory_order_acquire) + not_queued;
  out.matched = mailbox.pushes() + not_queued - given_back.load(std::memory_order_acquire);
  out.in_flight = out.matched - out.delivered - out.dead_lettered - out.dropped;
  return out;
}

}  // namespace busway::detail
