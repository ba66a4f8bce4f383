// delivery/mailbox.hpp -- the bounded queue in front of an asynchronous subscription, and the pump
// that empties it.
//
// Model      Four lanes: replay, high, normal, low, each a list of chunks whose deliveries never
//            move. A pump claims a run of deliveries in place, hands them to the sink without a
//            lock, then gives the run back. With order_by key there are `concurrency` stripes, each
//            with one pump, and a key always takes the same stripe; else one stripe with
//            `concurrency` pumps. Invariants:
//              1. A delivery that push() accepted goes to sink.deliver() or to sink.dropped(),
//              exactly once.
//              2. Within a stripe and a lane deliveries start in the order pushed.
//              3. Waiting deliveries (pushed, not started) never exceed the capacity, replayed ones
//              aside.
//              4. After close() no delivery starts; those waiting are dropped.
// Threads    All [any-thread].
// Ownership  Belongs to its sink, on which each scheduled pump holds a reference.
// Errors     push() says what happened; the executor refusing a pump drops what waits.
// Cost       push(): one spin lock, one copy of the event; one post to the executor for a run of
//            deliveries.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_set>
#include <vector>

#include "busway/event.hpp"
#include "busway/subscription_options.hpp"
#include "delivery/spin_lock.hpp"
#include "delivery/worker_pool.hpp"

namespace busway::delivery_detail {

/// One event on its way to one subscription. `token` belongs to the sink (a receipt's reference).
struct Delivery {
  Event event;
  void* token = nullptr;
  bool history_was_cut = false;
};

enum class DropReason : unsigned char { displaced, unsubscribed, no_executor };

class MailboxSink {
 public:
  /// Runs the handler. No lock is held.
  virtual void deliver(Delivery& delivery) noexcept = 0;
  /// So many deliver() have returned since the last call; before the mailbox counts as idle.
  virtual void delivered_some(std::uint32_t count) noexcept = 0;
  /// The delivery will never be made. No lock is held.
  virtual void dropped(Delivery& delivery, DropReason reason) noexcept = 0;
  /// One reference for each pump that is scheduled or runs: keeps the sink and its mailbox alive.
  virtual void retain() noexcept = 0;
  virtual void release() noexcept = 0;

 protected:
  ~MailboxSink() = default;
};

struct MailboxOptions {
  std::size_t capacity = 1024;
  Overflow overflow = Overflow::reject;
  std::chrono::nanoseconds block_timeout = std::chrono::seconds(1);
  std::size_t concurrency = 1;
  OrderBy order_by = OrderBy::none;
};

/// What became of a push. displaced: accepted, and an older delivery was dropped for it.
enum class Pushed : unsigned char { accepted, displaced, full, dropped_newest, replayed, closed };

/// Whether a push into a full mailbox of overflow `block` may wait.
enum class MayWait : unsigned char { yes, no };

class Mailbox final {
 public:
  /// Give either the pool or the executor.
  Mailbox(MailboxSink& sink, const MailboxOptions& options, WorkerPool* pool,
          std::shared_ptr<Executor> executor);
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;
  ~Mailbox();

  Pushed push(const Event& event, void* token, MayWait may_wait);

  /// Starts held: pushes queue, nothing is delivered, until begin_with() puts past events before
  /// them.
  void hold();
  /// Puts past events, oldest first, before all that is queued, leaving out those queued already,
  /// and starts. Returns how many were put. `make_token` gives each its token.
  std::size_t begin_with(const std::vector<Event>& past, bool cut);

  void pause();
  void resume();

  /// Drops what waits; nothing starts any more.
  void close();

  /// Waits until no call runs (and, with Idle::empty, nothing waits either); false at the deadline.
  enum class Idle : unsigned char { no_call, empty };
  bool wait_idle(Idle what, std::chrono::steady_clock::time_point deadline) const;
  [[nodiscard]] bool idle() const;

  [[nodiscard]] std::size_t waiting() const;
  [[nodiscard]] std::size_t running() const;
  /// Accepted pushes so far; for waits over several mailboxes.
  [[nodiscard]] std::uint64_t pushes() const;
  [[nodiscard]] const MailboxOptions& options() const noexcept { return options_; }
  [[nodiscard]] Executor& executor() const noexcept;

 private:
  static constexpr std::size_t kLanes = 4;  // low, normal, high, replay
  static constexpr std::size_t kReplayLane = 3;
  static constexpr std::uint32_t kChunkSize = 32;

  struct Chunk {
    Chunk* next = nullptr;
    std::uint32_t finished = 0;  // deliveries destroyed
    alignas(Delivery) std::byte storage[sizeof(Delivery) * kChunkSize];

    [[nodiscard]] Delivery* at(std::uint32_t i) noexcept {
      return reinterpret_cast<Delivery*>(storage) + i;
    }
  };

  struct Lane {
    Chunk* take_chunk = nullptr;  // the next delivery to claim
    Chunk* last = nullptr;        // where the next push goes
    std::uint32_t take = 0;
    std::uint32_t end = 0;
    std::size_t size = 0;           // not claimed
    std::uint32_t passed_over = 0;  // deliveries of higher lanes since this one was served
  };

  struct Stripe;
  class Ticket;
  struct Pump final : Runnable {
    void run() noexcept override;
    Stripe* stripe = nullptr;
    bool scheduled = false;
    std::weak_ptr<Ticket> ticket;  // of the task posted to an executor
    std::uint32_t claimed = 0;     // deliveries it holds that count as waiting until they start
    // How many of these have started; written by the pump, read by a push that finds little room.
    alignas(64) std::atomic<std::uint32_t> started{0};
  };

  struct Stripe {
    Mailbox* mailbox = nullptr;
    std::array<Lane, kLanes> lanes;
    std::vector<std::unique_ptr<Pump>> pumps;
    std::size_t active = 0;  // pumps scheduled or running
    std::size_t size = 0;    // deliveries not claimed, all lanes
    std::uint32_t serving = 0;
  };

  struct Claim {
    Chunk* chunk = nullptr;
    std::uint32_t begin = 0;
    std::uint32_t count = 0;
    std::uint32_t lane = 0;
  };

  // With lock_ held:
  void append(Lane& lane, const Event& event, void* token, bool cut);
  bool displace(Priority newest, Delivery& out);
  void tell_next_of_cut();
  [[nodiscard]] Claim claim(Stripe& stripe, Pump& pump);
  [[nodiscard]] std::uint32_t choose_lane(Stripe& stripe) const;
  void finish(Stripe& stripe, Pump& pump, const Claim& claim, std::uint32_t done);
  void recycle(Chunk* chunk, std::uint32_t finished);
  [[nodiscard]] std::size_t waiting_locked() const noexcept;
  [[nodiscard]] Pump* next_pump(Stripe& stripe);
  void take_all(std::vector<Delivery>& out);

  // Without it:
  Pushed push_slow(const Event& event, void* token, MayWait may_wait);
  Pushed push_when_there_is_room(const Event& event, void* token);
  bool wait_for_room(std::chrono::steady_clock::time_point deadline);
  void schedule(Pump* pump);
  void unschedule(Pump& pump) noexcept;
  void run(Stripe& stripe, Pump& pump);
  std::uint32_t deliver(const Claim& claim, Pump& pump);
  void drop_all(DropReason reason);
  [[nodiscard]] Stripe& stripe_of(const Event& event) noexcept;
  void notify_waiters();

  MailboxSink& sink_;
  const MailboxOptions options_;
  const std::uint32_t run_max_;  // deliveries claimed at once
  WorkerPool* const pool_;
  const std::shared_ptr<Executor> executor_;

  mutable SpinLock lock_;
  // Guarded by lock_.
  std::vector<Stripe> stripes_;
  std::size_t size_ = 0;     // not claimed, replay aside
  std::size_t claimed_ = 0;  // Pump::claimed of all pumps
  std::size_t replay_size_ = 0;
  std::size_t running_ = 0;  // claims in the hands of pumps
  std::uint64_t pushes_ = 0;
  std::unordered_set<EventId> replayed_;  // put by begin_with(); a live push of one comes too late
  Chunk* spare_ = nullptr;
  bool closed_ = false;
  bool held_ = false;
  bool paused_ = false;
  bool cut_next_ = false;  // the next delivery tells that the history was cut
  std::size_t room_waiters_ = 0;
  mutable std::size_t idle_waiters_ = 0;

  /// Tells a pump to give back the rest of its claim: closed, paused, or a higher lane has
  /// something.
  std::atomic<bool> interrupt_{false};

  mutable std::mutex wait_mutex_;
  mutable std::condition_variable wait_;
};

}  // namespace busway::delivery_detail
