// delivery/timekeeper.hpp -- calls timers when their time has come: time-outs, retries, probes.
//
// Model      A 4-ary heap of (due time, order of scheduling, timer); each timer knows its place in
//            it. One thread, begun by the first schedule(), sleeps until the earliest is due; or,
//            driven by hand, run_due() does the work and there is no thread. Invariants:
//              1. due() is called once for each time a timer is armed, never before its time on the
//              clock, and not at all once cancel() has returned true.
//              2. due() of one timer never runs twice at the same time nor inside itself: armed
//              while it runs, it is in nobody's heap until it has returned.
//              3. After due() has returned, a timer that was not armed meanwhile is not touched: it
//              may have destroyed itself.
//              4. Timers that one runner calls begin by due time, and by order of scheduling where
//              that is equal.
// Threads    All [any-thread], also inside due(); the destructor not inside due().
// Ownership  Timers are borrowed while armed or running; shares the clock.
// Errors     schedule() throws when memory or a thread cannot be had; then nothing has changed.
//            After shut_down() it returns false.
// Cost       schedule(): one lock, O(log n), O(1) when it is later than most; wakes the thread only
//            when it would sleep too long. cancel(): one lock, O(log n), never wakes it. 24 bytes
//            an armed timer, and no allocation once the heap has grown.
#pragma once

#include <cassert>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "busway/clock.hpp"

namespace busway::delivery_detail {

/// Something that happens at a time. Must not be armed when it is destroyed.
class Timer {
 public:
  /// The time has come. No lock is held. May schedule and cancel timers, itself included, and,
  /// unless it armed itself, destroy itself.
  virtual void due() noexcept = 0;
  /// The timekeeper has shut down while it was armed: due() will not be called. No lock is held.
  /// May destroy itself.
  virtual void disarmed() noexcept {}

 protected:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  virtual ~Timer() { assert(place_ == kNowhere); }

 private:
  friend class Timekeeper;
  static constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);
  std::size_t place_ = kNowhere;  // in the heap; guarded by the timekeeper's lock
};

/// thread: a thread of its own. by_hand: whoever calls run_due().
enum class Drive : unsigned char { thread, by_hand };

class Timekeeper final {
 public:
  Timekeeper(std::shared_ptr<Clock> clock, Drive drive);
  Timekeeper(const Timekeeper&) = delete;
  Timekeeper& operator=(const Timekeeper&) = delete;
  ~Timekeeper();

  /// Arms the timer, or moves it when it is armed already. False after shut_down(): due() will not
  /// be called.
  bool schedule(Timer& timer, SteadyTime due);

  /// True: it was armed and will not run (if it runs just now, not again). False: it was not armed,
  /// has run or is running.
  bool cancel(Timer& timer);

  /// As cancel(), and returns when due() does not run either; what due() arms meanwhile it cancels
  /// too. Inside the timer's own due() it does not wait. Do not call it with a lock that due()
  /// takes, nor from two timers for each other.
  void cancel_and_wait(Timer& timer);

  /// Calls on this thread what is due now, and returns how many it called: at most as many as were
  /// armed when it began, so that a timer which arms itself for the past cannot hold it for ever.
  std::size_t run_due();

  /// Whether this thread is inside a due(), of whichever timekeeper.
  [[nodiscard]] static bool runs_here() noexcept { return runs_timer_; }

  /// When the earliest armed timer is due.
  [[nodiscard]] std::optional<SteadyTime> next_due() const;
  [[nodiscard]] std::size_t armed() const;

  /// Disarms all timers, telling each so, and arms none from then on. Outside due() it waits for
  /// those that run; inside one, never.
  void shut_down();

 private:
  constinit inline static thread_local bool runs_timer_ = false;
  struct Slot {
    SteadyTime due;
    std::uint64_t order;
    Timer* timer;
  };

  /// A call of due(), on the stack of the thread that makes it.
  struct Running {
    Timer* timer;
    std::thread::id thread;
    Running* next;
    bool armed_again = false;  // `again` goes into the heap when due() has returned, unless
    bool awaited = false;      // cancel_and_wait() waits for it: else it might never see the end
    Slot again{};
  };

  // With mutex_ held:
  [[nodiscard]] static bool is_before(const Slot& a, const Slot& b) noexcept;
  void make_room();
  void put(std::size_t place, const Slot& slot) noexcept;
  void sift_up(std::size_t place, const Slot& slot) noexcept;
  void sift_down(std::size_t place, const Slot& slot) noexcept;
  void insert(const Slot& slot) noexcept;
  void move(std::size_t place, const Slot& slot) noexcept;
  void remove(std::size_t place) noexcept;
  bool disarm(Timer& timer) noexcept;
  [[nodiscard]] Running* call_of(const Timer& timer) const noexcept;
  [[nodiscard]] bool inside_due() const noexcept;
  void wake_if_later_than(SteadyTime due) noexcept;
  void start_thread();

  // Takes it for each timer, and gives it away during the call:
  std::size_t run(std::unique_lock<std::mutex>& lock, SteadyTime now);
  void sleep(std::unique_lock<std::mutex>& lock, SteadyTime now);

  void keep_time();

  const std::shared_ptr<Clock> clock_;
  const Drive drive_;
  const bool stands_still_;  // the clock, until someone moves it

  mutable std::mutex mutex_;
  std::condition_variable wake_;   // the thread
  std::condition_variable ended_;  // who waits for a call to end
  // Guarded by mutex_.
  std::vector<Slot> heap_;
  std::uint64_t next_order_ = 0;
  Running* running_ = nullptr;
  std::size_t armed_again_ = 0;  // calls with armed_again: room for them is kept in heap_
  std::size_t waiting_ = 0;      // on ended_
  SteadyTime asleep_until_ = SteadyTime::min();  // of the thread; min(): it is awake
  bool woken_ = false;
  bool stopping_ = false;
  std::thread thread_;
  Clock::Watch watch_;
};

}  // namespace busway::delivery_detail
