// Attempts after the first: the bus's timekeeper, and synchronous handlers that are tried again.
#include <cxxabi.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>

#include "bus/bus_core.hpp"
#include "bus/retrying.hpp"
#include "delivery/later.hpp"
#include "platform/random.hpp"

namespace busway::detail {

std::string_view why_no_retry(delivery_detail::RetryVerdict verdict) noexcept {
  using delivery_detail::RetryVerdict;
  switch (verdict) {
    case RetryVerdict::again:
    case RetryVerdict::no_retries_left: break;
    case RetryVerdict::not_worth_it: return " (not worth a retry: retry_if)";
    case RetryVerdict::total_used_up: return " (no retry: the total time is used up)";
  }
  return "";
}

std::optional<std::chrono::nanoseconds> asked_again(const Outcome& outcome) noexcept {
  if (outcome.kind() != Outcome::Kind::retry) return std::nullopt;
  return outcome.after();
}

delivery_detail::Timekeeper& BusCore::timekeeper() {
  const std::lock_guard lock(timekeeper_mutex_);
  if (timekeeper_ == nullptr) {
    timekeeper_ = std::make_unique<delivery_detail::Timekeeper>(
        options_.clock,
        by_hand_ ? delivery_detail::Drive::by_hand : delivery_detail::Drive::thread);
    timekeeper_made_.store(true, std::memory_order_release);
  }
  return *timekeeper_;
}

std::size_t BusCore::run_due() {
  return timekeeper_made_.load(std::memory_order_acquire) ? timekeeper().run_due() : 0;
}

std::uint64_t BusCore::random_word() noexcept {
  constinit static thread_local platform_detail::RandomStream stream;
  constinit static thread_local bool seeded = false;
  if (!std::exchange(seeded, true)) stream = platform_detail::RandomStream::from_system();
  return stream.next();
}

bool BusCore::sleep_until(SteadyTime when) {
  constexpr std::uint32_t kEnding = kStopping | kStopped | kClosed;
  const auto over = [&] { return (gate_.load(std::memory_order_acquire) & kEnding) != 0; };
  if (!options_.clock->is_manual()) {
    // The clock may have an epoch of its own, so the wait is a span and no point in time.
    constexpr std::chrono::nanoseconds kLongest = std::chrono::hours(1);
    std::unique_lock lock(sleep_mutex_);
    for (auto left = when - options_.clock->steady(); !over() && left > left.zero();
         left = when - options_.clock->steady()) {
      sleep_.wait_for(lock, std::min<std::chrono::nanoseconds>(left, kLongest), over);
    }
    return !over();
  }
  // The thread that moves the clock by hand may be this one.
  if (options_.executor != nullptr && options_.executor->pumped_by_this_thread()) {
    return options_.clock->steady() >= when;
  }
  const Clock::Watch watch = options_.clock->watch([this] { wake_sleepers(); });
  std::unique_lock lock(sleep_mutex_);
  sleep_.wait(lock, [&] { return over() || options_.clock->steady() >= when; });
  return !over();
}

void BusCore::wake_sleepers() {
  { const std::lock_guard lock(sleep_mutex_); }
  sleep_.notify_all();
}

namespace {

/// The publisher waits for the time of the next attempt: no handler of this frame runs.
struct BetweenAttempts {
  explicit BetweenAttempts(Frame* where) noexcept : frame(where) { count(); }
  BetweenAttempts(const BetweenAttempts&) = delete;
  BetweenAttempts& operator=(const BetweenAttempts&) = delete;
  ~BetweenAttempts() { count(); }
  void count() const noexcept {
    if (frame != nullptr) frame->waits.fetch_add(1, std::memory_order_release);
  }
  Frame* frame;
};

}  // namespace

void call_with_retries(Subscriber& subscriber, const Event& event, Dispatch& dispatch) {
  BusCore& core = dispatch.core();
  const RetryPolicy& policy = *subscriber.extra->retry;
  const auto began = core.steady_now();
  std::optional<DeliveryFailure> failure;
  Outcome asked = Outcome::done();
  struct Trial {
    Dispatch& mine;
    ~Trial() {
      mine.failure = nullptr;
      mine.asked = nullptr;
      mine.set_attempt(1);
      mine.forget_deadline();
    }
  };
  for (unsigned made = 1;; ++made) {
    failure.reset();
    asked = Outcome::done();
    {
      const Trial trial{dispatch};
      dispatch.failure = &failure;
      dispatch.asked = &asked;
      dispatch.set_attempt(made);
      if (policy.total && keeps_deadlines(*subscriber.extra)) {
        dispatch.set_deadline(delivery_detail::total_ends(policy, began));
      }
      try {
        make_call(subscriber, event, dispatch);
      } catch (const abi::__forced_unwind&) {
        throw;
      } catch (...) {
        dispatch.record_exception();
      }
    }
    if (dispatch.receipt != nullptr && dispatch.receipt->ticket != 0) {
      core.status_book()->attempted(dispatch.receipt->ticket, made);
    }
    if (!failure) return;
    if (asked.kind() == Outcome::Kind::dead_letter) break;
    const auto now = core.steady_now();
    const delivery_detail::NextAttempt next =
        delivery_detail::next_attempt(policy,
                                      {.code = failure->code,
                                       .retries_made = made - 1,
                                       .first_began = began,
                                       .now = now,
                                       .asked = asked_again(asked)},
                                      core.random_word());
    if (next.verdict != delivery_detail::RetryVerdict::again) {
      failure->reason += why_no_retry(next.verdict);
      break;
    }
    const bool woke = [&] {
      const BetweenAttempts waiting(dispatch.frame);
      return core.sleep_until(delivery_detail::later(now, next.delay));
    }();
    if (!woke) {
      failure->reason += " (no retry: the bus stops, or waiting here could never end)";
      break;
    }
    if (core.steady_now() >= delivery_detail::total_ends(policy, began)) {  // it slept too long
      failure->reason += why_no_retry(delivery_detail::RetryVerdict::total_used_up);
      break;
    }
    if (state_of(subscriber) == SubscriberState::ended) {
      failure->reason += " (no retry: the subscription has ended)";
      break;
    }
    subscriber.extra->retried.fetch_add(1, std::memory_order_relaxed);
    core.count_sync_retry();
  }
  dispatch.record_failure(failure->code, std::move(failure->reason));
}

}  // namespace busway::detail
