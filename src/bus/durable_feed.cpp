#include "bus/durable_feed.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <exception>
#include <iterator>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/escape.hpp"
#include "bus/bus_core.hpp"
#include "bus/durable_feeds.hpp"
#include "busway/limits.hpp"

namespace busway::detail {
namespace {

/// So many settlements, or one so old, are worth a transaction of their own.
constexpr std::size_t kSettleAtOnce = 100;
constexpr auto kSettleWithin = std::chrono::milliseconds(10);
constexpr std::chrono::nanoseconds kLookWithin = std::chrono::hours(1);
constexpr auto kBackoffFirst = std::chrono::milliseconds(100);
constexpr auto kBackoffMax = std::chrono::milliseconds(5'000);
/// A process may die of something else than of an event that it has out.
constexpr unsigned kDeathsForgiven = 2;
/// And until when, in nanoseconds since the epoch.
constexpr std::string_view kBreakerNote = "breaker open until ";

bool comes_again(const Settlement& one) noexcept {
  return one.kind == Settlement::Kind::retry || one.kind == Settlement::Kind::release;
}

}  // namespace

DurableFeed::DurableFeed(DurableFeeds& feeds, Subscriber& subscriber,
                         std::unique_ptr<StoreConsumer> consumer, const DurableSpec& spec,
                         std::size_t capacity)
    : feeds_(feeds),
      core_(*subscriber.core),
      subscriber_(&subscriber),
      name_(spec.name),
      capacity_(capacity),
      lease_(spec.lease),
      exclusive_(spec.order != DurableOrder::relaxed),
      strict_(spec.order == DurableOrder::strict),
      consumer_(std::move(consumer)),
      renew_at_(SteadyClock::now() + spec.lease / 3) {
  restore_breaker();
}

DurableFeed::~DurableFeed() { (void)close(Close::settle); }

/// An open one stays open over a restart, but for no longer than it is to be open now. One whose
/// time has passed meanwhile lets one call through first.
void DurableFeed::restore_breaker() {
  auto* const breaker = subscriber_->extra->breaker.load(std::memory_order_acquire);
  const std::string note = consumer_->note();
  if (breaker == nullptr || !note.starts_with(kBreakerNote)) return;
  std::int64_t until = 0;
  const char* const begin = note.data() + kBreakerNote.size();
  if (std::from_chars(begin, note.data() + note.size(), until).ec != std::errc()) return;
  const std::chrono::nanoseconds left(until -
                                      core_.options().clock->wall().time_since_epoch().count());
  noted_ = core_.steady_now() + std::clamp<std::chrono::nanoseconds>(
                                    left, std::chrono::nanoseconds(0), breaker->policy().open_for);
  breaker->begin_open(*noted_);
}

void DurableFeed::keep_breaker(WallTime wall) {
  const auto* const breaker = subscriber_->extra->breaker.load(std::memory_order_acquire);
  if (breaker == nullptr) return;
  const auto state = breaker->state();
  // Half open, it is as it was until the probe has ended.
  if (state == delivery_detail::Breaker::State::half_open) return;
  const auto probe = breaker->when_probe();
  if (probe == noted_) return;
  if (probe) {
    const WallTime until = wall + std::max<std::chrono::nanoseconds>(*probe - core_.steady_now(),
                                                                     std::chrono::nanoseconds(0));
    consumer_->keep_note(std::string(kBreakerNote) +
                         std::to_string(until.time_since_epoch().count()));
  } else {
    consumer_->keep_note({});
  }
  noted_ = probe;
}

void DurableFeed::begin() {
  detail::retain(subscriber_);
  id_ = subscriber_->id;
  begun_ = true;
}

void DurableFeed::settle(Settlement settlement) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (pending_.empty()) pending_since_ = SteadyClock::now();
    if (comes_again(settlement)) {
      more_ = true;  // the next fetch tells when it is due
      if (strict_) gives_back_.store(true, std::memory_order_release);
    }
    // What somebody died of, or hung in, comes in small portions: there may be more of it.
    if (lapsed_.erase(settlement.sequence) != 0) more_ = true;
    pending_.push_back(std::move(settlement));
    // The first one starts the time of the others.
    wake = pending_.size() == 1 || pending_.size() == settle_at_once() || more_;
  }
  if (wake) feeds_.wake();
}

std::size_t DurableFeed::room(Fetching fetching) const {
  if (fetching == Fetching::held || held()) return 0;
  if (state_of(*subscriber_) != SubscriberState::active) return 0;
  // What is behind an event that went back must not be taken for what is before it.
  if (gives_back() && out_ > pending_.size()) return 0;
  const SubscriberExtra& extra = *subscriber_->extra;
  const auto* const breaker = extra.breaker.load(std::memory_order_acquire);
  if (breaker != nullptr && breaker->state() == delivery_detail::Breaker::State::open) {
    const auto probe = breaker->when_probe();
    if (probe && core_.steady_now() < *probe) return 0;
    return out_ == 0 ? 1 : 0;  // one is enough to find out
  }
  // What is settled with the fetch makes room for it.
  const std::size_t busy = out_ - std::min(out_, pending_.size());
  return busy < capacity_ ? std::min(capacity_ - busy, limits::kFetchMax) : 0;
}

std::size_t DurableFeed::settle_at_once() const noexcept {
  return std::min(kSettleAtOnce, capacity_ / 2 + 1);
}

DurableFeed::Turn DurableFeed::turn(Fetching fetching) {
  Turn turn;
  const auto now = SteadyClock::now();
  if (closed()) return turn;
  if (now < not_before_) {
    turn.again = not_before_;
    return turn;
  }
  const bool ended = state_of(*subscriber_) == SubscriberState::ended;
  const WallTime wall = core_.options().clock->wall();
  std::vector<Settlement> batch;
  std::size_t wanted = 0;
  {
    const std::lock_guard lock(mutex_);
    // Here, for idle() must not see neither the news nor what is made of it.
    const bool news = news_.exchange(false, std::memory_order_acq_rel);
    const bool due = due_ && *due_ <= wall;
    if (news || due) more_ = true;
    wanted = more_ ? room(fetching) : 0;
    const bool at_once = ended || fetching == Fetching::held || wanted != 0 ||
                         pending_.size() >= settle_at_once() || core_.driven_by_hand();
    if (!pending_.empty()) {
      if (at_once || now >= pending_since_ + kSettleWithin) {
        batch.swap(pending_);
        settling_ = batch.size();
      } else {
        turn.again = pending_since_ + kSettleWithin;
      }
    }
  }
  try {
    FetchResult fetched;
    SettleResult result;
    if (wanted != 0 && !batch.empty()) {
      fetched = consumer_->settle_and_fetch(batch, wanted, result);
    } else if (!batch.empty()) {
      result = consumer_->settle(batch);
    } else if (wanted != 0) {
      fetched = consumer_->fetch(wanted);
    }
    turn.did = !batch.empty() || !fetched.deliveries.empty() || fetched.more;
    if (!batch.empty()) settled(std::exchange(batch, {}), result);
    if (wanted != 0) {
      {
        const std::lock_guard lock(mutex_);
        more_ = fetched.more || fetched.deliveries.size() == wanted;
        due_ = fetched.due;
        standby_ = !fetched.active;
        out_ += fetched.deliveries.size();
        for (const Leased& one : fetched.deliveries) {
          if (one.attempt > 1) lapsed_.insert(one.sequence);
        }
      }
      hand_over(fetched.deliveries);
    }
    keep_breaker(wall);
    if (now >= renew_at_) {
      renew_at_ = now + lease_ / 3;
      bool out = false;
      {
        const std::lock_guard lock(mutex_);
        // The active one stays it also while there is nothing to do.
        out = out_ != 0 || (exclusive_ && !standby_);
      }
      if (out) (void)consumer_->renew();
    }
    backoff_ = std::chrono::milliseconds(0);
  } catch (const std::exception& error) {
    {
      const std::lock_guard lock(mutex_);
      pending_.insert(pending_.begin(), std::make_move_iterator(batch.begin()),
                      std::make_move_iterator(batch.end()));
      settling_ = 0;
      more_ = true;
    }
    const auto* const known = dynamic_cast<const Error*>(&error);
    if (known != nullptr &&
        (known->code() == ErrorCode::not_found || known->code() == ErrorCode::stopped)) {
      if (!ended) failed("a durable subscription has ended", error.what());
      (void)close(Close::settle);
      return turn;
    }
    backoff_ = backoff_.count() == 0 ? kBackoffFirst : std::min(backoff_ * 2, kBackoffMax);
    not_before_ = now + backoff_;
    turn.again = not_before_;
    failed("a durable subscription cannot reach its store now; it tries again", error.what());
    return turn;
  }
  bool over = false;
  {
    const std::lock_guard lock(mutex_);
    // What is still suspended gives its event back when it ends.
    over = ended && pending_.empty() && out_ == 0;
    turn.again = std::min({turn.again, look_again(now, wall, fetching), renew_at_});
  }
  if (over) (void)close(Close::settle);
  return turn;
}

/// With the lock held.
auto DurableFeed::look_again(SteadyClock::time_point now, WallTime wall, Fetching fetching) const
    -> SteadyClock::time_point {
  if (more_ && room(fetching) != 0) return now;
  auto again = SteadyClock::time_point::max();
  const auto after = [&](std::chrono::nanoseconds span) {
    const auto rounded = std::chrono::ceil<std::chrono::milliseconds>(
        std::clamp<std::chrono::nanoseconds>(span, std::chrono::nanoseconds(0), kLookWithin));
    again = std::min(again, now + rounded);
  };
  if (core_.options().clock->is_manual()) return again;  // who moves it wakes us
  if (due_) after(*due_ - wall);
  const auto* const breaker = subscriber_->extra->breaker.load(std::memory_order_acquire);
  if (const auto probe = breaker != nullptr ? breaker->when_probe() : std::nullopt) {
    after(*probe - core_.steady_now());
  }
  return again;
}

void DurableFeed::settled(std::span<const Settlement> batch, const SettleResult& result) {
  // The store took its time before now: no delivery that comes again is due later than this.
  const WallTime wall = core_.options().clock->wall();
  {
    const std::lock_guard lock(mutex_);
    out_ -= std::min(out_, batch.size());
    settling_ = 0;
    if (out_ == 0) gives_back_.store(false, std::memory_order_release);
    for (const Settlement& one : batch) {
      if (comes_again(one)) retry_at_ = std::max(retry_at_, wall + one.after);
    }
  }
  if (result.stale == 0) return;
  const std::string stale = std::to_string(result.stale);
  const std::array fields{LogField{"durable", name_}, LogField{"deliveries", stale}};
  core_.log(LogLevel::warning,
            "deliveries were settled after their lease had lapsed; they may be made again", fields);
}

void DurableFeed::failed(const char* what, const std::string& why) {
  const std::array fields{LogField{"durable", name_}, LogField{"reason", why}};
  core_.log(LogLevel::error, what, fields);
}

void DurableFeed::hand_over(std::vector<Leased>& deliveries) {
  SubscriberExtra& extra = *subscriber_->extra;
  for (Leased& one : deliveries) {
    if (extra.filter) {
      try {
        if (!extra.filter(one.event)) {
          extra.sink->filtered.fetch_add(1, std::memory_order_relaxed);
          settle({.sequence = one.sequence});
          continue;
        }
      } catch (const std::exception& error) {
        settle({.sequence = one.sequence,
                .kind = Settlement::Kind::dead_letter,
                .code = ErrorCode::handler_failed,
                .reason = std::string("its filter threw: ") + escape(error.what())});
        continue;
      } catch (...) {
        settle({.sequence = one.sequence,
                .kind = Settlement::Kind::dead_letter,
                .code = ErrorCode::handler_failed,
                .reason = "its filter threw what is no std::exception"});
        continue;
      }
    }
    if (extra.dedupe != nullptr &&
        extra.dedupe->is_known(one.event.id(), core_.steady_now().time_since_epoch().count())) {
      settle({.sequence = one.sequence});
      continue;
    }
    if (extra.retry && one.attempt > extra.retry->max_retries + 1 + kDeathsForgiven) {
      settle({.sequence = one.sequence,
              .kind = Settlement::Kind::dead_letter,
              .code = ErrorCode::handler_failed,
              .reason = "its attempts are used up: the process died, or stood still, in the last"});
      continue;
    }
    auto attempts = std::make_unique<delivery_detail::Attempts>();
    attempts->made = one.attempt - 1;
    attempts->sequence = one.sequence;
    attempts->began = core_.steady_now();
    if (extra.mailbox->push_redriven(one.event, attempts.get()) ==
        delivery_detail::Pushed::accepted) {
      (void)attempts.release();
    } else {
      settle({.sequence = one.sequence, .kind = Settlement::Kind::release});
    }
  }
}

bool DurableFeed::idle(Fetching fetching) const {
  if (closed()) return true;
  const std::lock_guard lock(mutex_);
  if (out_ != 0 || !pending_.empty()) return false;
  if (fetching == Fetching::held) return true;
  if (standby_) return true;
  if (news_.load(std::memory_order_acquire) || more_) return room(fetching) == 0;
  return !due_ || *due_ > retry_at_;  // a lease of somebody else is no work of ours
}

DurableFeed::Out DurableFeed::out() const {
  const std::lock_guard lock(mutex_);
  return {out_, pending_.size() + settling_};
}

bool DurableFeed::close(Close how) noexcept {
  if (closed_.exchange(true, std::memory_order_acq_rel)) return true;
  bool asked = true;
  std::vector<Settlement> rest;
  {
    const std::lock_guard lock(mutex_);
    rest.swap(pending_);
  }
  if (!rest.empty()) {
    constexpr const char* kLost =
        "what a durable subscription has handled could not be settled; it will be given out again";
    try {
      if (how == Close::settle) {
        settled(rest, consumer_->settle(rest));
      } else {
        failed(kLost, "the store could not be asked for another one just now");
      }
    } catch (const Error& error) {
      asked = error.code() != ErrorCode::store_unavailable;
      failed(kLost, error.what());
    } catch (const std::exception& error) {
      failed(kLost, error.what());
    }
  }
  consumer_->close();
  if (begun_) detail::release(subscriber_);
  return asked;
}

}  // namespace busway::detail
