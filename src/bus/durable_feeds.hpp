// bus/durable_feeds.hpp -- serves the durable subscriptions of a bus: one thread that fetches,
// settles and renews for all of them.
// Layer: bus
//
// Model      Each turn visits every feed that has something to do. A commit of the store, a
//            settlement, a due time or room in a mailbox causes one. Where a store tells of news on
//            a thread of its own the turn is made there, if no other is under way: one change of
//            threads less until a handler has what another process published. On a bus that is
//            driven by hand there is no thread, and poll() makes the turns.
// Threads    wake() [any-thread], also on a store's writer; turns on one thread at a time.
// Ownership  Belongs to the StoreLink; holds a reference on each feed.
// Errors     Those of the store are logged, and the turn is made again later.
// Cost       None while nothing happens but a look twice a second.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "bus/durable_feed.hpp"
#include "busway/clock.hpp"
#include "busway/store.hpp"

namespace busway::detail {

class BusCore;
class StoreLink;

class DurableFeeds {
 public:
  DurableFeeds(BusCore& core, StoreLink& link);
  DurableFeeds(const DurableFeeds&) = delete;
  DurableFeeds& operator=(const DurableFeeds&) = delete;
  ~DurableFeeds();

  /// Begins to watch the store and to make turns; before the first feed at the latest.
  void begin();
  void add(std::shared_ptr<DurableFeed> feed);
  /// There may be something to do.
  void wake() noexcept;
  /// Makes a turn here; for buses driven by hand. True: something was done. Within a turn, by a
  /// filter or a log function, it does nothing.
  bool turn();
  /// Of a subscription that has ended: waits until what its calls and its mailbox gave back is in
  /// the store, or the store could not be asked.
  void wait_closed(const DurableFeed& feed);
  /// Nothing is fetched any more; what is settled is settled at once.
  void hold() noexcept;
  /// Whether this thread is within a turn: it must not wait for one.
  [[nodiscard]] bool turns_here() const noexcept {
    return turning_.load(std::memory_order_relaxed) == std::this_thread::get_id();
  }
  /// Whether all that was fetched is settled, and nothing is known that could be fetched now.
  [[nodiscard]] bool idle() const;
  [[nodiscard]] std::vector<std::shared_ptr<DurableFeed>> all() const;
  /// Until something changes, or the deadline.
  void wait_change(std::chrono::steady_clock::time_point deadline);
  /// All feeds give back what they hold, and the thread ends.
  void end() noexcept;

 private:
  using SteadyTime = std::chrono::steady_clock::time_point;
  void run();
  void told(StoreNews news) noexcept;
  [[nodiscard]] bool is_empty() const;
  /// False: another turn is under way.
  [[nodiscard]] bool turn_here();
  enum class Follow : unsigned char { at_once, now_and_then };
  [[nodiscard]] DurableFeed::Turn turn_all(Follow follow);
  /// With turn_mutex_.
  [[nodiscard]] DurableFeed::Turn turn_each(Follow follow);

  BusCore& core_;
  StoreLink& link_;
  mutable std::mutex mutex_;
  std::condition_variable woken_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  std::vector<std::shared_ptr<DurableFeed>> feeds_;
  std::uint64_t turns_ = 0;
  SteadyTime again_{};  // when the thread makes a turn in any case
  bool begun_ = false;
  bool beginning_ = false;
  bool signalled_ = false;
  bool ending_ = false;
  Store::Watch watch_;
  Clock::Watch clock_watch_;
  std::thread thread_;
  std::mutex turn_mutex_;
  std::atomic<std::thread::id> turning_{};             // who makes a turn
  std::chrono::steady_clock::time_point follow_at_{};  // guarded by turn_mutex_
  std::atomic<std::chrono::steady_clock::time_point> followed_at_{};
  std::atomic<bool> held_{false};
};

}  // namespace busway::detail
