#include "bus/durable_feeds.hpp"

#include <algorithm>
#include <exception>
#include <iterator>
#include <utility>

#include "bus/bus_core.hpp"
#include "bus/store_link.hpp"

namespace busway::detail {
namespace {

using SteadyClock = std::chrono::steady_clock;

/// A watch may be lost with its server: then this is how long news can take.
constexpr auto kLookAnyway = std::chrono::milliseconds(500);
/// A look for events of other instances reads the store. While there is news all the time, which
/// is of this one as a rule, it is not made more often than that.
constexpr auto kFollowEvery = std::chrono::milliseconds(1);
/// What was committed here is looked past, and not for anything in it: it can wait for longer.
constexpr auto kPassOwnEvery = std::chrono::milliseconds(5);

/// Says which thread makes a turn.
struct TurnScope {
  explicit TurnScope(std::atomic<std::thread::id>& of) noexcept : turning(of) {
    turning.store(std::this_thread::get_id(), std::memory_order_relaxed);
  }
  TurnScope(const TurnScope&) = delete;
  TurnScope& operator=(const TurnScope&) = delete;
  ~TurnScope() { turning.store({}, std::memory_order_relaxed); }
  std::atomic<std::thread::id>& turning;
};

}  // namespace

DurableFeeds::DurableFeeds(BusCore& core, StoreLink& link) : core_(core), link_(link) {}

DurableFeeds::~DurableFeeds() { end(); }

void DurableFeeds::begin() {
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !beginning_; });
    if (begun_ || ending_) return;
    beginning_ = true;
  }
  // Asked for, and given back, without the lock, which their functions take.
  Store::Watch watch;
  Clock::Watch clock_watch;
  std::exception_ptr failed;
  try {
    watch = link_.store().watch([this](StoreNews news) { told(news); });
    clock_watch = core_.options().clock->watch([this] { wake(); });
  } catch (...) {
    failed = std::current_exception();
  }
  {
    const std::lock_guard lock(mutex_);
    beginning_ = false;
    try {
      if (!failed && !ending_ && !core_.driven_by_hand()) thread_ = std::thread([this] { run(); });
    } catch (...) {
      failed = std::current_exception();
    }
    begun_ = !failed;  // else whoever adds the next feed tries again
    if (begun_ && !ending_) {
      watch_.swap(watch);
      clock_watch_.swap(clock_watch);
    }
  }
  changed_.notify_all();
  if (failed) std::rethrow_exception(failed);
}

void DurableFeeds::told(StoreNews news) noexcept {
  {
    // No copies: the last reference on a feed must not go where a store tells, perhaps with the
    // locks that the end of a consumer asks for.
    const std::lock_guard lock(mutex_);
    for (const auto& feed : feeds_) feed->news();
  }
  const bool may_turn = news == StoreNews::on_own_thread && !core_.driven_by_hand();
  if (may_turn && turn_here()) return;
  // Where nothing is durable what this bus has stored is no news to it.
  const bool is_own = link_.appends_here() && !link_.is_shared();
  if (is_own && is_empty() && SteadyClock::now() < followed_at_.load() + kPassOwnEvery) return;
  wake();
}

bool DurableFeeds::is_empty() const {
  const std::lock_guard lock(mutex_);
  return feeds_.empty();
}

bool DurableFeeds::turn_here() {
  const std::unique_lock turning(turn_mutex_, std::try_to_lock);
  if (!turning.owns_lock()) return false;
  const SteadyTime again = turn_each(Follow::now_and_then).again;
  bool sooner = false;
  {
    const std::lock_guard lock(mutex_);
    sooner = again < again_;
    if (sooner) again_ = again;
  }
  if (sooner) woken_.notify_one();
  return true;
}

void DurableFeeds::add(std::shared_ptr<DurableFeed> feed) {
  begin();
  {
    const std::lock_guard lock(mutex_);
    feeds_.reserve(feeds_.size() + 1);
    feed->begin();
    feeds_.push_back(std::move(feed));
  }
  wake();
}

void DurableFeeds::wake() noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(signalled_, true)) return;
  }
  woken_.notify_one();
}

std::vector<std::shared_ptr<DurableFeed>> DurableFeeds::all() const {
  const std::lock_guard lock(mutex_);
  return feeds_;
}

DurableFeed::Turn DurableFeeds::turn_all(Follow follow) {
  const std::lock_guard one_at_a_time(turn_mutex_);
  return turn_each(follow);
}

DurableFeed::Turn DurableFeeds::turn_each(Follow follow) {
  const TurnScope here(turning_);
  const auto fetching = held_.load(std::memory_order_acquire) ? DurableFeed::Fetching::held
                                                              : DurableFeed::Fetching::allowed;
  const auto now = SteadyClock::now();
  DurableFeed::Turn sum{.again = now + kLookAnyway};
  for (const auto& feed : all()) {
    const DurableFeed::Turn one = feed->turn(fetching);
    sum.did = sum.did || one.did;
    sum.again = std::min(sum.again, one.again);
  }
  // Behind the feeds: what those fetch was to be had as soon, and costs less.
  if (fetching == DurableFeed::Fetching::allowed && link_.follows()) {
    if (follow == Follow::at_once || now >= follow_at_) {
      follow_at_ = now + kFollowEvery;
      const StoreLink::Followed followed = link_.follow();
      followed_at_ = now;
      sum.did = sum.did || followed.did || followed.more;
      if (followed.more) sum.again = follow_at_ = now;
    } else {
      sum.again = std::min(sum.again, follow_at_);
    }
  }
  // They end without the lock: what they hold of the store has locks of its own, which are held
  // where news of the store asks for this one.
  std::vector<std::shared_ptr<DurableFeed>> closed;
  {
    const std::lock_guard lock(mutex_);
    const auto gone = std::stable_partition(feeds_.begin(), feeds_.end(),
                                            [](const auto& feed) { return !feed->closed(); });
    closed.assign(std::move_iterator(gone), std::move_iterator(feeds_.end()));
    feeds_.erase(gone, feeds_.end());
    ++turns_;
  }
  changed_.notify_all();
  return sum;
}

bool DurableFeeds::turn() { return !turns_here() && turn_all(Follow::at_once).did; }

void DurableFeeds::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    // A turn elsewhere may bring its time forward.
    while (!signalled_ && !ending_ && SteadyClock::now() < again_) {
      woken_.wait_until(lock, SteadyTime(again_));
    }
    if (ending_) return;
    signalled_ = false;
    again_ = SteadyTime::max();
    lock.unlock();
    const SteadyTime again = turn_all(Follow::now_and_then).again;
    lock.lock();
    again_ = std::min(again_, again);
  }
}

void DurableFeeds::wait_closed(const DurableFeed& feed) {
  if (turns_here()) return;  // the turns to come see to it
  if (core_.driven_by_hand()) {
    (void)turn();
    (void)turn();
    return;
  }
  // One turn may be under way that has not seen all; the one after it has.
  std::unique_lock lock(mutex_);
  const std::uint64_t before = turns_;
  while (!ending_ && !feed.closed() && turns_ < before + 2) {
    signalled_ = true;
    woken_.notify_one();
    changed_.wait_for(lock, kLookAnyway);
  }
}

void DurableFeeds::hold() noexcept {
  held_.store(true, std::memory_order_release);
  wake();
}

bool DurableFeeds::idle() const {
  const auto fetching = held_.load(std::memory_order_acquire) ? DurableFeed::Fetching::held
                                                              : DurableFeed::Fetching::allowed;
  const auto feeds = all();
  return std::all_of(feeds.begin(), feeds.end(),
                     [&](const auto& feed) { return feed->idle(fetching); });
}

void DurableFeeds::wait_change(SteadyClock::time_point deadline) {
  if (turns_here()) return;
  if (core_.driven_by_hand()) {
    (void)turn();
    return;
  }
  wake();
  std::unique_lock lock(mutex_);
  const std::uint64_t before = turns_;
  changed_.wait_until(lock, deadline, [&] { return turns_ != before || ending_; });
}

void DurableFeeds::end() noexcept {
  Store::Watch watch;
  Clock::Watch clock_watch;
  std::thread thread;
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    watch.swap(watch_);
    clock_watch.swap(clock_watch_);
    thread.swap(thread_);
  }
  watch.reset();
  clock_watch.reset();
  woken_.notify_all();
  if (thread.joinable()) thread.join();
  std::vector<std::shared_ptr<DurableFeed>> feeds;
  {
    const std::lock_guard lock(mutex_);
    feeds.swap(feeds_);
  }
  // Where the store could not be asked for one, the others are not to wait for it in turn.
  auto how = DurableFeed::Close::settle;
  for (const auto& feed : feeds) {
    if (!feed->close(how)) how = DurableFeed::Close::let_lapse;
  }
  changed_.notify_all();
}

}  // namespace busway::detail
