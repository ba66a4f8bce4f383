// What a route may call in place of a handler, and what happens when a handler fails.
#include <cxxabi.h>

#include <array>
#include <exception>
#include <optional>
#include <string>

#include "base/escape.hpp"
#include "bus/bus_core.hpp"
#include "bus/durable_feed.hpp"
#include "bus/timed_call.hpp"
#include "platform/fast_clock.hpp"

namespace busway::detail {
namespace {

Dispatch& dispatch_of(Context& context) noexcept { return static_cast<Dispatch&>(context); }

void pass_over(Subscriber& subscriber, Dispatch& dispatch) noexcept {
  // publish_async counts whom it matched, not whom it listed: nothing is to be taken off.
  if (dispatch.receipt == nullptr) subscriber.not_matched.fetch_add(1, std::memory_order_relaxed);
  dispatch.adjusted.store(true, std::memory_order_relaxed);
  ++dispatch.passed_over;
}

std::string_view words(ErrorCode code) noexcept { return explain(code); }

}  // namespace

void invoke_ended(Subscriber*, const Event&, Context& context) {
  Dispatch& dispatch = dispatch_of(context);
  dispatch.adjusted.store(true, std::memory_order_relaxed);
  ++dispatch.passed_over;
}

void invoke_paused(Subscriber* subscriber, const Event&, Context& context) {
  pass_over(*subscriber, dispatch_of(context));
}

void make_call(Subscriber& subscriber, const Event& event, Dispatch& dispatch) {
  if (subscriber.extra->timeout) {
    call_timed(subscriber, event, dispatch);
  } else {
    subscriber.call(&subscriber, event, dispatch);
  }
}

/// A synchronous handler, behind its breaker and with its retries.
static void call_guarded(Subscriber& subscriber, const Event& event, Dispatch& dispatch) {
  SubscriberExtra& extra = *subscriber.extra;
  const auto call = [&] {
    if (extra.retry) {
      call_with_retries(subscriber, event, dispatch);
    } else {
      make_call(subscriber, event, dispatch);
    }
  };
  delivery_detail::Breaker* const breaker = extra.breaker.load(std::memory_order_acquire);
  if (breaker == nullptr) return call();
  using Verdict = delivery_detail::Breaker::Verdict;
  const Verdict verdict = ask_breaker(subscriber, event);
  if (verdict == Verdict::refuse) {
    dispatch.record_failure(ErrorCode::breaker_open, breaker_words(subscriber));
    return;
  }
  // Those who were told that it is half open may have ended the subscription.
  if (state_of(subscriber) == SubscriberState::ended) {
    breaker->withdrawn(verdict);
    return invoke_ended(&subscriber, event, dispatch);
  }
  const std::uint32_t failed = dispatch.failed;
  try {
    call();
  } catch (const abi::__forced_unwind&) {
    breaker->withdrawn(verdict);
    throw;
  } catch (...) {
    dispatch.record_exception();
  }
  tell_breaker(subscriber, event, verdict, dispatch.failed == failed);
}

/// Its replay has had the event from the store, or will have it.
static bool comes_replayed(const SubscriberExtra& extra, const Dispatch& dispatch) noexcept {
  if (!extra.replays || dispatch.frame == nullptr) return false;
  const std::uint64_t kept_as = dispatch.frame->dispatch.kept_as;
  return kept_as != 0 && kept_as <= extra.replayed_to.load(std::memory_order_acquire);
}

void invoke_checked(Subscriber* subscriber, const Event& event, Context& context) {
  Dispatch& dispatch = dispatch_of(context);
  SubscriberExtra& extra = *subscriber->extra;
  if (comes_replayed(extra, dispatch)) return pass_over(*subscriber, dispatch);
  if (extra.filter && !extra.filter(event)) return pass_over(*subscriber, dispatch);
  if (extra.dedupe != nullptr &&
      extra.dedupe->seen(event.id(), dispatch.core().steady_now().time_since_epoch().count())) {
    return pass_over(*subscriber, dispatch);
  }
  if (extra.once) {
    if (extra.taken.exchange(true, std::memory_order_acq_rel))
      return pass_over(*subscriber, dispatch);
    if (extra.mailbox == nullptr) {
      // Ends after the call, whichever way it goes; the registration keeps it alive until then.
      struct EndOnce {
        Subscriber& mine;
        BusCore& core;
        ~EndOnce() { core.unsubscribe(mine.id); }
      } const end{*subscriber, dispatch.core()};
      call_guarded(*subscriber, event, dispatch);
      return;
    }
  }
  if (extra.mailbox != nullptr) {
    const std::uint32_t refused = dispatch.refused;
    invoke_queue(subscriber, event, context);
    // What the full mailbox refused may be published again.
    if (extra.dedupe != nullptr && dispatch.refused != refused) extra.dedupe->forget(event.id());
    return;
  }
  call_guarded(*subscriber, event, dispatch);
}

/// What the store has comes from there. What it does not keep, and a request, comes as to others.
void invoke_durable(Subscriber* subscriber, const Event& event, Context& context) {
  Dispatch& dispatch = dispatch_of(context);
  const SubscriberExtra& extra = *subscriber->extra;
  if (dispatch.frame->dispatch.kept_as != 0 || !extra.feed->takes_live()) {
    return pass_over(*subscriber, dispatch);
  }
  if (extra.filter || extra.dedupe != nullptr) return invoke_checked(subscriber, event, context);
  invoke_queue(subscriber, event, context);
}

/// Whether waiting for room in the mailbox could wait for this very call: one further out on this
/// thread, which the graph of waits does not see where the thread pumps.
static bool may_wait_for(const Subscriber& subscriber) noexcept {
  for (const Dispatch* one = thread_locals.current; one != nullptr; one = one->outer) {
    if (one->frame == nullptr && one->subscriber == &subscriber) return false;
  }
  return true;
}

void invoke_queue(Subscriber* subscriber, const Event& event, Context& context) {
  using delivery_detail::MayWait;
  using delivery_detail::Pushed;
  Dispatch& dispatch = dispatch_of(context);
  SubscriberExtra& extra = *subscriber->extra;
  if (comes_replayed(extra, dispatch)) [[unlikely]]
    return pass_over(*subscriber, dispatch);
  dispatch.adjusted.store(true, std::memory_order_relaxed);
  ++dispatch.queued;
  if (dispatch.receipt != nullptr) {
    const std::lock_guard lock(dispatch.receipt->mutex);
    ++dispatch.receipt->open;
    if (dispatch.receipt->keeps == ReceiptState::Outcomes::yes) {
      dispatch.receipt->queued_into.push_back(subscriber->id);
    }
    dispatch.receipt->references.fetch_add(1, std::memory_order_relaxed);
  }
  MayWait may_wait = MayWait::no;
  if (extra.mailbox->options().overflow == Overflow::block && !thread_locals.never_block &&
      may_wait_for(*subscriber)) {
    may_wait = MayWait::yes;
  }
  Pushed pushed = Pushed::closed;
  try {
    pushed = extra.mailbox->push(event, dispatch.receipt, may_wait);
  } catch (...) {
    --dispatch.queued;
    if (dispatch.receipt != nullptr) close_part(dispatch.receipt);
    throw;
  }
  if (pushed == Pushed::accepted || pushed == Pushed::displaced) [[likely]] {
    if (pushed == Pushed::displaced) ++dispatch.dropped;
    if (QueuedInto* const note = thread_locals.queued_into;
        note != nullptr && note->id == event.id()) [[unlikely]] {
      detail::retain(subscriber);
      note->subscribers.list.push_back(subscriber);
    }
    return;
  }
  --dispatch.queued;
  if (pushed == Pushed::closed || pushed == Pushed::replayed) {
    ++dispatch.passed_over;
    if (dispatch.receipt != nullptr) {
      {
        const std::lock_guard lock(dispatch.receipt->mutex);
        std::erase(dispatch.receipt->queued_into, subscriber->id);
      }
      close_part(dispatch.receipt);
    }
    return;
  }
  ++dispatch.refused;
  ++dispatch.dropped;
  extra.sink->refused.fetch_add(1, std::memory_order_relaxed);
  std::string reason = "the mailbox of " + quote(subscriber_name(*subscriber)) + " is full (" +
                       std::to_string(extra.mailbox->options().capacity) + " events)";
  if (dispatch.receipt != nullptr) {
    ended(*dispatch.receipt, *subscriber, DeliveryOutcome::Kind::dropped, reason, 0);
    close_part(dispatch.receipt);
  }
  if (pushed == Pushed::full) {
    dispatch.result->failures.push_back(
        {subscriber->id, subscriber_name(*subscriber), ErrorCode::queue_full, std::move(reason)});
  }
}

Invoke invoke_of(const Subscriber& subscriber) noexcept {
  switch (state_of(subscriber)) {
    case SubscriberState::ended: return &invoke_ended;
    case SubscriberState::paused:
      if (subscriber.extra == nullptr || subscriber.extra->mailbox == nullptr)
        return &invoke_paused;
      break;  // events queue while it is paused
    case SubscriberState::replaying:
    case SubscriberState::active: break;
  }
  const SubscriberExtra* extra = subscriber.extra;
  if (extra == nullptr) return subscriber.call;
  if (extra->feed != nullptr) return &invoke_durable;
  if (extra->filter || extra->dedupe != nullptr || extra->once ||
      (extra->mailbox == nullptr && (extra->retry || extra->timeout ||
                                     extra->breaker.load(std::memory_order_relaxed) != nullptr))) {
    return &invoke_checked;
  }
  return extra->mailbox != nullptr ? &invoke_queue : subscriber.call;
}

void Dispatch::record_failure(ErrorCode code, std::string reason) {
  Subscriber* const whose = running();
  if (reason.empty()) reason = std::string(words(code));
  if (failure != nullptr) {
    if (!*failure) *failure = {whose->id, subscriber_name(*whose), code, std::move(reason)};
    return;
  }
  // A handler may report a failure and then throw as well: one delivery fails once.
  if (!result->failures.empty() && result->failures.back().subscription == whose->id) return;
  adjusted.store(true, std::memory_order_relaxed);
  ++failed;
  if (code == ErrorCode::timed_out && whose->extra != nullptr) {
    ++timed_out;
    whose->extra->timed_out.fetch_add(1, std::memory_order_relaxed);
  }
  whose->not_delivered.fetch_add(1, std::memory_order_relaxed);
  result->failures.push_back({whose->id, subscriber_name(*whose), code, std::move(reason)});
}

void Dispatch::record_exception() {
  try {
    throw;
  } catch (const Error& error) {
    record_failure(error.code() == ErrorCode::payload_type ? ErrorCode::payload_type
                                                           : ErrorCode::handler_failed,
                   escape(error.what(), 1000));
  } catch (const std::exception& error) {
    record_failure(ErrorCode::handler_failed, escape(error.what(), 1000));
  } catch (const abi::__forced_unwind&) {
    throw;
  } catch (...) {
    const std::type_info* type = abi::__cxa_current_exception_type();
    std::string name = "an unknown type";
    if (type != nullptr) {
      int status = 0;
      char* readable = abi::__cxa_demangle(type->name(), nullptr, nullptr, &status);
      name = status == 0 && readable != nullptr ? readable : type->name();
      std::free(readable);
    }
    record_failure(ErrorCode::handler_failed, "the handler threw a value of type " + name);
  }
}

void settle(Context& context, Outcome outcome) {
  Dispatch& dispatch = dispatch_of(context);
  switch (outcome.kind()) {
    case Outcome::Kind::done: return;
    case Outcome::Kind::fail:
      return dispatch.record_failure(ErrorCode::handler_failed, outcome.reason());
    case Outcome::Kind::retry:
      dispatch.record_failure(ErrorCode::handler_failed, "the handler asked for another attempt");
      break;
    case Outcome::Kind::dead_letter:
      dispatch.record_failure(ErrorCode::handler_failed, outcome.reason());
      break;
  }
  if (dispatch.asked != nullptr) *dispatch.asked = std::move(outcome);
}

void sample_latency(Subscriber& subscriber, std::uint64_t ns) {
  subscriber.core->sample(subscriber, ns);
}

void destroy_subscriber(Subscriber* subscriber) noexcept {
  BusCore* core = subscriber->core;
  if (subscriber->extra != nullptr && subscriber->extra->mailbox != nullptr && core != nullptr) {
    core->leave_async(subscriber);
  }
  end_callable(*subscriber);
  delete subscriber->extra;
  delete subscriber->plain_latency.load(std::memory_order_relaxed);
  release(subscriber->topic);
  subscriber->free_memory(subscriber);
  if (core != nullptr) core->release();
}

std::string subscriber_name(const Subscriber& subscriber) {
  if (subscriber.extra != nullptr && !subscriber.extra->name.empty()) return subscriber.extra->name;
  const std::vector<std::string> texts = pattern_texts(subscriber);
  return texts.empty() ? std::string() : texts.front();
}

std::string_view owner_of(const Subscriber& subscriber) noexcept {
  return subscriber.extra != nullptr ? std::string_view(subscriber.extra->owner)
                                     : std::string_view();
}

std::vector<std::string> pattern_texts(const Subscriber& subscriber) {
  std::vector<std::string> texts;
  if (subscriber.topic != nullptr) texts.emplace_back(subscriber.topic->view());
  if (subscriber.extra != nullptr) {
    for (const Pattern& pattern : subscriber.extra->patterns) texts.emplace_back(pattern.text());
  }
  return texts;
}

Subscriber* ended_subscriber() noexcept {
  static Subscriber* const one = [] {
    auto* made = new Subscriber(
        &invoke_ended, [](Subscriber*) noexcept {}, [](Subscriber*) noexcept {});
    made->state.store(static_cast<std::uint8_t>(SubscriberState::ended), std::memory_order_relaxed);
    made->references.store(1U << 30U, std::memory_order_relaxed);
    return made;
  }();
  return one;
}

}  // namespace busway::detail
