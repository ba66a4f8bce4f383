// plugin/worker.hpp -- the one thread on which a plugin's code runs.
// Layer: plugin
//
// Model      A queue of tasks and a set of timers, run one after the other. It is the executor of
//            the plugin's asynchronous subscriptions, so a plugin that hangs starves no other.
//            Tasks run in the order posted; a due timer goes before the next task. A thread whose
//            call has passed its deadline can be left behind: another takes its place and goes on
//            with the queue, and the old one ends when its task returns, if ever. "The worker" is
//            always the thread that goes on; one left behind is a thread as any other. Held, the
//            worker stands still between two tasks.
// Threads    [any-thread], except close(), abandon() and wait_for_left_behind(): not on a thread
//            of this worker.
// Ownership  Each thread keeps the worker alive until it ends, so that one that hangs can be left.
// Errors     post() says refused after close(). leave_behind() says false where no thread can be
//            had: the old one goes on when it comes back.
// Cost       One lock and one std::function a task; leave_behind(): a thread's start.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "busway/clock.hpp"
#include "busway/executor.hpp"

namespace busway::plugin_host_detail {

class PluginWorker final : public Executor, public std::enable_shared_from_this<PluginWorker> {
 public:
  /// The name is the thread's, for debuggers. `whose`: equal for the workers of one plugin.
  [[nodiscard]] static std::shared_ptr<PluginWorker> start(const std::string& name,
                                                           std::shared_ptr<Clock> clock,
                                                           const void* whose = nullptr);
  ~PluginWorker() override;

  Posted post(Task task) override;
  /// True on the worker: waiting there for its own tasks could never end.
  [[nodiscard]] bool pumped_by_this_thread() const override;

  /// Leaves the thread behind if it is the worker and inside a call that is past its Deadline.
  bool leave_behind(std::thread::id thread) override;

  /// Whose value changes when the thread is left behind.
  [[nodiscard]] const std::atomic<std::thread::id>& thread_id() const noexcept {
    return thread_id_;
  }

  /// The worker whose thread calls, left behind or not; null on other threads.
  [[nodiscard]] static PluginWorker* current() noexcept;

  [[nodiscard]] const void* whose() const noexcept { return whose_; }

  using RealTime = std::chrono::steady_clock::time_point;
  /// What to do when a wait has lasted so long, on the thread that waits.
  struct Mark {
    std::chrono::nanoseconds after{};
    std::function<void()> then{};
  };
  struct Waiting {
    /// Where f has several steps and says when each begins, all times are those of a step.
    const std::atomic<RealTime>* step_begun = nullptr;
    std::vector<Mark> marks{};  // the earlier first, all before the timeout
  };
  /// Runs f on the worker and waits for it. False at the deadline (f may still run later, so it
  /// must own what it touches) or when the worker is closed. Not on the worker.
  [[nodiscard]] bool run(std::function<void()> f, std::chrono::nanoseconds timeout,
                         const Waiting& waiting);
  [[nodiscard]] bool run(std::function<void()> f, std::chrono::nanoseconds timeout) {
    return run(std::move(f), timeout, Waiting{});
  }

  using TimerId = std::uint64_t;
  TimerId schedule(std::chrono::nanoseconds delay, std::function<void()> f);
  [[nodiscard]] bool cancel(TimerId timer);
  void cancel_timers();
  [[nodiscard]] std::size_t timer_count() const;

  /// Nothing queued, nothing running; timers do not count.
  [[nodiscard]] bool idle() const;
  [[nodiscard]] bool wait_idle(std::chrono::steady_clock::time_point deadline) const;
  /// [plugin-worker] After the task that runs now, nothing runs before go_on(): neither tasks nor
  /// timers.
  void hold();
  void go_on();

  /// How many tasks have begun: unchanged between two looks means that nothing ran.
  [[nodiscard]] std::uint64_t begun() const;
  /// Whether a task runs.
  [[nodiscard]] bool busy() const;

  /// While it lives, the call that this thread makes may be given up from then on. Of nested ones
  /// the outermost counts. Elsewhere than on the worker it does nothing.
  class Deadline {
   public:
    Deadline(const PluginWorker& worker, SteadyTime at) noexcept;
    Deadline(const Deadline&) = delete;
    Deadline& operator=(const Deadline&) = delete;
    ~Deadline();

   private:
    std::atomic<SteadyTime>* place_ = nullptr;
  };

  /// Threads left behind whose tasks have not returned.
  [[nodiscard]] std::size_t left_behind() const;
  /// Until there is none; false at the deadline.
  [[nodiscard]] bool wait_for_left_behind(std::chrono::steady_clock::time_point deadline) const;

  /// Runs what is queued, drops the timers, joins the thread, and those left behind that have
  /// ended.
  void close();
  /// Refuses tasks, drops what is queued and lets the threads end by themselves, if ever.
  void abandon();

 private:
  /// A thread, and where it stands.
  struct Place {
    std::thread thread;
    std::atomic<SteadyTime> deadline{SteadyTime::max()};  // of its call; written by the thread
    bool ended = false;                                   // guarded by mutex_
  };

  PluginWorker(std::string name, std::shared_ptr<Clock> clock, const void* whose);

  [[nodiscard]] SteadyTime call_time() const;
  void begin(Place& place);
  void work(Place& mine);
  [[nodiscard]] bool take(std::unique_lock<std::mutex>& lock, Task& task);
  void sleep(std::unique_lock<std::mutex>& lock);

  struct Timer {
    TimerId id;
    std::function<void()> f;
  };

  const std::string name_;
  const std::shared_ptr<Clock> clock_;
  const bool system_clock_;
  const void* const whose_;
  Clock::Watch watch_;
  std::atomic<std::thread::id> thread_id_{};
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  // Guarded by mutex_.
  std::unique_ptr<Place> place_;              // the worker
  std::vector<std::unique_ptr<Place>> left_;  // those left behind, and not joined yet
  std::deque<Task> tasks_;
  std::multimap<SteadyTime, Timer> timers_;
  TimerId next_timer_ = 1;
  std::uint64_t begun_ = 0;
  bool running_ = false;
  bool held_ = false;
  bool closed_ = false;
};

}  // namespace busway::plugin_host_detail
