// bus/durable_feed.hpp -- one durable subscription: moves events from its store into its mailbox,
// and what became of them back.
// Layer: bus
//
// Model      At most `capacity` events are out at a time: fetched, and not settled in the store. A
//            delivery ends here with a Settlement; those of a moment are settled together. A
//            failure that is to be tried again waits in the store, so it survives this process and
//            another instance may take it. So does an open breaker, as a note beside the name.
// Threads    settle() [any-thread]; turn() by DurableFeeds alone.
// Ownership  Shared by the subscription and DurableFeeds; holds a reference on the subscriber until
//            it has closed.
// Errors     Those of the store are logged, and what was to be settled is kept and tried again.
// Cost       A settlement is one push under a lock.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "busway/durable_spec.hpp"
#include "busway/publish_result.hpp"
#include "busway/store_consumer.hpp"
#include "busway/wall_time.hpp"

namespace busway::detail {

class BusCore;
class DurableFeeds;
struct Subscriber;

class DurableFeed {
 public:
  DurableFeed(DurableFeeds& feeds, Subscriber& subscriber, std::unique_ptr<StoreConsumer> consumer,
              const DurableSpec& spec, std::size_t capacity);
  DurableFeed(const DurableFeed&) = delete;
  DurableFeed& operator=(const DurableFeed&) = delete;
  ~DurableFeed();

  /// From now on turns may come.
  void begin();
  /// What becomes of an event that was fetched; each is settled once.
  void settle(Settlement settlement);
  /// With strict order: something has been given back, so what is out behind it goes back as well,
  /// until all is the store's again.
  [[nodiscard]] bool gives_back() const noexcept {
    return gives_back_.load(std::memory_order_acquire);
  }
  /// Whether nothing may pass an earlier event that waits.
  [[nodiscard]] bool is_strict() const noexcept { return strict_; }
  /// There is news of the store.
  void news() noexcept { news_.store(true, std::memory_order_release); }

  /// Held, it takes nothing new; what was fetched is still handled.
  void hold(bool held) noexcept { held_.store(held, std::memory_order_release); }
  [[nodiscard]] bool held() const noexcept { return held_.load(std::memory_order_acquire); }
  /// Nothing comes live: neither requests nor what the store does not keep.
  void only_from_store() noexcept { only_from_store_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] bool takes_live() const noexcept {
    return !held() && !only_from_store_.load(std::memory_order_relaxed);
  }

  enum class Fetching : unsigned char { allowed, held };
  struct Turn {
    bool did = false;  // something
    /// When to look again, without a wake().
    std::chrono::steady_clock::time_point again = std::chrono::steady_clock::time_point::max();
  };
  [[nodiscard]] Turn turn(Fetching fetching);

  enum class Close : unsigned char {
    settle,
    let_lapse  ///< what is handled is not settled: the store could not be asked just now
  };
  /// Gives back all that is out, and ends. False: the store could not be asked.
  bool close(Close how) noexcept;
  [[nodiscard]] bool closed() const noexcept { return closed_.load(std::memory_order_acquire); }
  /// All that was fetched is settled, and there is nothing to fetch as far as is known.
  [[nodiscard]] bool idle(Fetching fetching) const;
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] SubscriptionId id() const noexcept { return id_; }
  /// Events that are out, and of those the ones that are handled and not settled in the store yet.
  struct Out {
    std::size_t all = 0;
    std::size_t unsettled = 0;
  };
  [[nodiscard]] Out out() const;

 private:
  using SteadyClock = std::chrono::steady_clock;

  [[nodiscard]] std::size_t room(Fetching fetching) const;
  [[nodiscard]] std::size_t settle_at_once() const noexcept;
  [[nodiscard]] SteadyClock::time_point look_again(SteadyClock::time_point now, WallTime wall,
                                                   Fetching fetching) const;
  void hand_over(std::vector<Leased>& deliveries);
  void restore_breaker();
  void keep_breaker(WallTime wall);
  void failed(const char* what, const std::string& why);
  void settled(std::span<const Settlement> batch, const SettleResult& result);

  DurableFeeds& feeds_;
  BusCore& core_;
  Subscriber* const subscriber_;  // a reference from begin() to close()
  bool begun_ = false;
  SubscriptionId id_ = 0;
  const std::string name_;
  const std::size_t capacity_;
  const std::chrono::nanoseconds lease_;
  const bool exclusive_;
  const bool strict_;
  std::unique_ptr<StoreConsumer> consumer_;

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::vector<Settlement> pending_;
  SteadyClock::time_point pending_since_{};
  std::size_t out_ = 0;
  std::size_t settling_ = 0;                  // with the store now
  std::unordered_set<std::uint64_t> lapsed_;  // of those, given out before
  WallTime retry_at_{};                       // the latest that was settled here
  std::optional<WallTime> due_;
  bool standby_ = false;
  bool more_ = true;  // the last fetch may not have had all

  std::atomic<bool> news_{true};
  std::atomic<bool> held_{false};
  std::atomic<bool> only_from_store_{false};
  std::atomic<bool> closed_{false};
  std::atomic<bool> gives_back_{false};  // written with mutex_ held
  // Of turn() alone.
  SteadyClock::time_point renew_at_{};
  SteadyClock::time_point not_before_{};  // after an error of the store
  std::chrono::milliseconds backoff_{0};
  std::optional<std::chrono::steady_clock::time_point> noted_{};  // an open breaker's probe
};

}  // namespace busway::detail
