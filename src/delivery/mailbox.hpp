// delivery/mailbox.hpp -- the bounded queue in front of an asynchronous subscription, and the pump
// that empties it.
//
// Model      Five lanes: again, replay, high, normal, low, each a list of chunks whose deliveries
//            never move. What failed and is tried again comes through the lane `again`; while it
//            waits elsewhere for its time, wait_again() has said so. A pump claims a run of
//            deliveries in place, hands them to the sink without a lock, then gives the run back.
//            With order_by key there are `concurrency` stripes of one pump, and a key always
//            takes the same stripe; else one stripe with `concurrency` pumps. Invariants:
//              1. A delivery that push() accepted goes to sink.deliver() or to sink.dropped(),
//              exactly once.
//              2. Within a stripe and a lane deliveries start in the order pushed.
//              3. Waiting deliveries (pushed, not started) never exceed the capacity, those
//              replayed or tried again aside.
//              4. After close() no delivery starts; those waiting are dropped.
//              5. A stripe that is held delivers nothing but the lane `again`.
//              6. With a timeout, a call that has not returned at its deadline is given up: the
//              sink settles it, another pump goes on, and the one left behind touches nothing of
//              the mailbox but its own delivery, which stays until it returns.
//              7. A call that is suspended keeps its pump, but no thread, until completed().
// Threads    All [any-thread].
// Ownership  Belongs to its sink, on which each scheduled pump holds a reference.
// Errors     push() says what happened; the executor refusing a pump drops what waits.
// Cost       push(): one spin lock, one copy of the event; one post to the executor for a run of
//            deliveries. A timeout: one timer a mailbox, and CallSlot's a call. A publisher that
//            `block` holds is woken when a quarter is free, and looks each millisecond.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <stop_token>
#include <thread>
#include <unordered_set>
#include <vector>

#include "busway/event.hpp"
#include "busway/subscription_options.hpp"
#include "delivery/call_slot.hpp"
#include "delivery/spin_lock.hpp"
#include "delivery/timekeeper.hpp"
#include "delivery/worker_pool.hpp"

namespace busway::delivery_detail {

/// What is known of a delivery that was tried before; made when it fails first.
struct Attempts {
  unsigned made = 0;
  std::uint64_t letter = 0;                    // the dead letter that is sent again; 0: none
  std::uint64_t sequence = 0;                  // where a store has the event; 0: it came from none
  SteadyTime began{};                          // the first attempt
  ErrorCode code = ErrorCode::handler_failed;  // of the last one, as is
  std::string reason;
};

inline constexpr std::uint8_t kNoVerdict = 0xff;

/// One event on its way to one subscription. `token` belongs to the sink (a receipt's reference),
/// and so do `attempts` and `verdict`, what its breaker said of the call under way.
struct Delivery {
  Event event;
  void* token = nullptr;
  Attempts* attempts = nullptr;
  bool history_was_cut = false;
  std::uint8_t verdict = kNoVerdict;
};

/// An event of the history, for begin_with().
struct PastEvent {
  Event event;
  std::uint32_t publisher = 0;  // events of the same one are in the order it published them
  bool comes_once = false;      // whoever pushes it live knows that it comes this way
};

/// What a stripe does after a delivery: goes on, or holds back all but the lane `again`, because
/// this delivery will be tried again and the others must not pass it. left: the call was given up
/// meanwhile, and the stripe is no longer this thread's. suspended: the call goes on without this
/// thread, and completed() has the rest, perhaps already.
enum class Then : unsigned char { next, hold, left, suspended };

enum class DropReason : unsigned char { displaced, unsubscribed, no_executor, cancelled };

class MailboxSink {
 public:
  /// All that begin_with() has put is claimed, and there was to be more: calls it again. A pump
  /// waits for it, and counts as running. No lock is held.
  virtual void read_past() noexcept {}
  /// Those that deliver() will get next, in this order; only where Mailbox::look_ahead() has asked
  /// for it. True: they count as begun. No lock is held.
  [[nodiscard]] virtual bool coming(std::span<const Delivery> /*deliveries*/) noexcept {
    return false;
  }
  /// Runs the handler between call.begin() and call.finish(); returns Then::left at once, without a
  /// look at the delivery, when finish() says so. No lock is held.
  virtual Then deliver(Delivery& delivery, CallSlot& call) noexcept = 0;
  /// The call of this delivery, on that thread, has passed that deadline: settles it. Its handler
  /// goes on with the event alone. No lock is held.
  /// `task` is what the thread runs.
  virtual Then timed_out(Delivery& delivery, std::thread::id thread, const Runnable& task,
                         SteadyTime deadline) noexcept = 0;
  /// The same for a call that may be suspended, and may have ended since; with a reference.
  virtual Then timed_out_suspended(Delivery& /*delivery*/, SuspendedCall& /*call*/,
                                   SteadyTime /*deadline*/) noexcept {
    return Then::next;
  }
  /// As dropped(), for a call that is suspended and whose end nobody waits for any more.
  virtual void abandoned(Delivery& /*delivery*/, SuspendedCall& /*call*/) noexcept {}
  /// A call that was given up, and settled, has returned; it was made on that thread.
  virtual void came_back(std::thread::id thread) noexcept = 0;
  /// With a timeout: who keeps the deadlines, and the clock they are on.
  virtual Timekeeper& timekeeper() = 0;
  [[nodiscard]] virtual SteadyTime now() const noexcept = 0;
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
  std::chrono::nanoseconds timeout = std::chrono::nanoseconds::max();  // of a call; max: none
  bool may_suspend = false;  // deliver() may answer Then::suspended
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
  /// Puts past events, oldest first, before all that is queued, and starts. Leaves out those queued
  /// already and what their publishers published after them: that is on its way, and put here it
  /// would come before what is queued. Returns how many were put. More::follows: the sink is asked
  /// for the rest when these are claimed, and till the last of it nothing else is delivered but
  /// what is tried again.
  enum class More : unsigned char { none, follows };
  std::size_t begin_with(const std::vector<PastEvent>& past, bool cut, More more = More::none);

  /// A delivery that was made will be made again: until push_again() or give_up_again() the mailbox
  /// is not idle.
  void wait_again();
  /// Its time has come. False when the mailbox has closed: the caller keeps all of it.
  bool push_again(const Event& event, void* token, Attempts* attempts);
  /// It will not be made again after all; lets a stripe go on that was held for it.
  void give_up_again(const Event& event);
  /// A delivery of an event that was given up before: as a push, beyond the capacity.
  Pushed push_redriven(const Event& event, Attempts* attempts);
  [[nodiscard]] std::size_t waiting_again() const;

  void pause();
  void resume();

  /// From now on the sink is told what is coming, run by run. A run that has so begun is not given
  /// back when something more urgent comes or the mailbox is paused.
  void look_ahead() noexcept { looks_ahead_.store(true, std::memory_order_relaxed); }

  /// In deliver(), once a call has begun whose deadline comes sooner than `timeout` from now.
  void look_by(SteadyTime deadline);

  /// Drops what waits; nothing starts any more.
  void close();
  /// Gives up all calls that run now, as at their deadline.
  void give_up_calls() noexcept;

  // -- mailbox_suspended.cpp: with MailboxOptions::may_suspend ------------------------------------
  /// Before deliver() answers Then::suspended: the call is on no thread any more.
  void suspended(CallSlot& call);
  /// It has ended as deliver() would have said: next, hold or left.
  void completed(CallSlot& call, Then then);
  /// Of a call that was given up: when it returns whoever did so has taken a reference on the call.
  void wait_for_keeper() const { const std::lock_guard guard(lock_); }
  /// Gives up all calls that are suspended.
  void abandon_suspended();

  /// Waits until no call runs on a thread; until none runs, suspended or not; or until nothing
  /// waits either. False at the deadline.
  enum class Idle : unsigned char { no_thread, no_call, empty };
  bool wait_idle(Idle what, std::chrono::steady_clock::time_point deadline) const;
  [[nodiscard]] bool idle() const;

  [[nodiscard]] std::size_t waiting() const;
  /// Suspended calls included.
  [[nodiscard]] std::size_t running() const;
  [[nodiscard]] std::size_t on_threads() const;
  /// Accepted pushes so far; for waits over several mailboxes.
  [[nodiscard]] std::uint64_t pushes() const;
  /// Whether all pumps that could handle this event, or any (null), are in calls now; with their
  /// threads.
  [[nodiscard]] bool all_busy(const Event* event, std::vector<std::thread::id>& threads) const;
  /// Signals the stop tokens of the calls that run.
  void request_stop();
  [[nodiscard]] const MailboxOptions& options() const noexcept { return options_; }
  [[nodiscard]] Executor& executor() const noexcept;
  /// Null: it is not a pool.
  [[nodiscard]] WorkerPool* pool() const noexcept { return pool_; }

 private:
  static constexpr std::size_t kLanes = 5;  // low, normal, high, replay, again
  static constexpr std::size_t kReplayLane = 3;
  static constexpr std::size_t kAgainLane = 4;
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
  struct Claim {
    Chunk* chunk = nullptr;
    std::uint32_t begin = 0;
    std::uint32_t count = 0;
    std::uint32_t lane = 0;
  };
  struct Pump;
  struct PumpCall final : CallSlot {
    explicit PumpCall(Pump& mine) noexcept : pump(mine) {}
    Pump& pump;
  };
  struct Pump final : Runnable {
    void run() noexcept override;
    Stripe* stripe = nullptr;
    bool scheduled = false;
    std::weak_ptr<Ticket> ticket;  // of the task posted to an executor
    std::uint32_t claimed = 0;     // deliveries it holds that count as waiting until they start
    Claim claim;                   // what it works on
    bool working = false;          // has a claim in hand
    std::atomic<bool> interrupt{false};  // look up before the next delivery of the claim
    std::thread::id thread;              // that runs it
    // Of one that was left behind: whoever comes second of the two ends it.
    bool settled = false;
    bool returned = false;
    bool suspended = false;  // its call is
    bool left = false;       // its call was given up
    // The place in its claim where it stands; written by the pump, read by a push that finds little
    // room and by the keeper of deadlines.
    alignas(64) std::atomic<std::uint32_t> started{0};
    PumpCall call{*this};
  };

  struct Stripe {
    Mailbox* mailbox = nullptr;
    std::array<Lane, kLanes> lanes;
    std::vector<std::unique_ptr<Pump>> pumps;
    std::size_t active = 0;  // pumps scheduled or running
    std::size_t size = 0;    // deliveries not claimed, all lanes
    std::uint32_t serving = 0;
    bool held = false;
  };

  /// A call that was given up, until it is settled.
  struct Overdue {
    Pump* left = nullptr;
    Pump* successor = nullptr;
    SuspendedCall* call = nullptr;  // a reference; null: its thread is left behind
    std::thread::id thread;
    SteadyTime deadline{};
    std::uint32_t handled = 0;
    std::stop_source stop;
    Delivery delivery;
  };

  // With lock_ held:
  static void interrupt(Stripe& stripe) noexcept;
  Delivery& append(Lane& lane, const Event& event, void* token, bool cut);
  void append_again(Stripe& stripe, const Event& event, void* token, Attempts* attempts);
  [[nodiscard]] static bool is_bounded(std::size_t lane) noexcept { return lane < kReplayLane; }
  [[nodiscard]] bool runnable(const Stripe& stripe) const noexcept;
  [[nodiscard]] bool idle_locked() const noexcept;
  bool displace(Priority newest, Delivery& out);
  void tell_next_of_cut();
  [[nodiscard]] Claim claim(Stripe& stripe, Pump& pump);
  [[nodiscard]] std::uint32_t choose_lane(Stripe& stripe) const;
  void finish(Stripe& stripe, Pump& pump, std::uint32_t done, Then then);
  /// Of a pump with nothing in hand: whether it goes on. If not it is free, and `over` tells
  /// whether it was the last of a closed mailbox whose deadlines are kept.
  [[nodiscard]] bool goes_on(Stripe& stripe, Pump& pump, bool& over) const noexcept;
  void give_back(Stripe& stripe, Pump& pump, std::uint32_t done);
  [[nodiscard]] std::uint32_t keep_one(Stripe& stripe, Pump& pump);
  [[nodiscard]] Overdue replace(Stripe& stripe, std::unique_ptr<Pump>& pump, SteadyTime deadline);
  [[nodiscard]] bool any_pump_scheduled() const noexcept;
  [[nodiscard]] bool begin_watching() noexcept;
  void recycle(Chunk* chunk, std::uint32_t finished);
  [[nodiscard]] std::size_t waiting_locked() const noexcept;
  [[nodiscard]] bool tells_of_room() const noexcept;
  [[nodiscard]] Pump* next_pump(Stripe& stripe);
  [[nodiscard]] bool begin_reading(const Stripe& stripe) noexcept;
  void take_all(std::vector<Delivery>& out);

  // Without it:
  Pushed push_slow(const Event& event, void* token, MayWait may_wait);
  Pushed push_when_there_is_room(const Event& event, void* token);
  bool wait_for_room(std::chrono::steady_clock::time_point deadline);
  void schedule(Pump* pump);
  void unschedule(Pump& pump) noexcept;
  void run(Stripe& stripe, Pump& pump);
  void read_past();
  std::uint32_t deliver(const Claim& claim, Pump& pump, Then& then);
  void watch();
  [[nodiscard]] bool arm_overseer();
  void unwatch() noexcept;
  void forget_watch() noexcept;
  void look_at_calls() noexcept;
  void settle(Overdue& overdue) noexcept;
  void go_on(Overdue& overdue, Then then) noexcept;
  void end_left_behind(Pump* pump) noexcept;
  void forget_left_behind(Pump* pump) noexcept;
  void drop_all(DropReason reason);
  [[nodiscard]] const Stripe& stripe_of(const Event& event) const noexcept;
  [[nodiscard]] Stripe& stripe_of(const Event& event) noexcept;
  void notify_waiters();

  MailboxSink& sink_;
  const MailboxOptions options_;
  const std::uint32_t run_max_;  // deliveries claimed at once
  WorkerPool* const pool_;
  const std::shared_ptr<Executor> executor_;
  std::atomic<bool> looks_ahead_{false};

  mutable SpinLock lock_;
  // Guarded by lock_.
  std::vector<Stripe> stripes_;
  std::size_t size_ = 0;           // not claimed, in the lanes that are bounded
  std::size_t claimed_ = 0;        // Pump::claimed of all pumps
  std::size_t beyond_size_ = 0;    // not claimed, in the others
  std::size_t again_waiting_ = 0;  // wait elsewhere for push_again()
  std::size_t running_ = 0;        // claims in the hands of pumps
  std::size_t suspended_ = 0;      // of those, with a call that is suspended
  std::uint64_t pushes_ = 0;
  std::unordered_set<EventId> replayed_;  // put by begin_with(); a live push of one comes too late
  Chunk* spare_ = nullptr;
  bool closed_ = false;
  bool held_ = false;
  std::atomic<bool> past_more_{false};  // begin_with() comes again; pumps look without the lock
  bool reading_past_ = false;           // a pump is at it
  bool paused_ = false;
  bool cut_next_ = false;   // the next delivery tells that the history was cut
  bool watching_ = false;   // overseer_ is armed or at work, and holds a reference of the sink
  SteadyTime next_look_{};  // when it looks, while watching_
  std::size_t room_waiters_ = 0;
  mutable std::size_t idle_waiters_ = 0;

  /// Keeps the deadlines of all calls: due at the earliest of them, and again as long as pumps run.
  struct Overseer final : Timer {
    explicit Overseer(Mailbox& mine) noexcept : mailbox(mine) {}
    void due() noexcept override { mailbox.look_at_calls(); }
    void disarmed() noexcept override { mailbox.forget_watch(); }
    Mailbox& mailbox;
  };

  /// Tells a pump to give back the rest of its claim: closed, paused, or a higher lane has
  /// something.
  Overseer overseer_{*this};

  mutable std::mutex wait_mutex_;
  mutable std::condition_variable wait_;
};

}  // namespace busway::delivery_detail
