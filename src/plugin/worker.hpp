// plugin/worker.hpp -- the one thread on which a plugin's code runs.
// Layer: plugin
//
// Model      A queue of tasks and a set of timers, run one after the other. It is the executor of
//            the plugin's asynchronous subscriptions, so a plugin that hangs starves no other.
//            Tasks run in the order posted; a due timer goes before the next task.
// Threads    [any-thread], except close() and abandon(): not on the worker.
// Ownership  The thread keeps the worker alive until it ends, so that one that hangs can be left.
// Errors     post() says refused after close().
// Cost       One lock and one std::function a task.
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

#include "busway/clock.hpp"
#include "busway/executor.hpp"

namespace busway::plugin_host_detail {

class PluginWorker final : public Executor, public std::enable_shared_from_this<PluginWorker> {
 public:
  /// The name is the thread's, for debuggers.
  [[nodiscard]] static std::shared_ptr<PluginWorker> start(const std::string& name,
                                                           std::shared_ptr<Clock> clock);
  ~PluginWorker() override;

  Posted post(Task task) override;
  /// True on the worker: waiting there for its own tasks could never end.
  [[nodiscard]] bool pumped_by_this_thread() const override;

  [[nodiscard]] std::thread::id thread_id() const noexcept {
    return thread_id_.load(std::memory_order_relaxed);
  }

  /// The worker whose thread calls; null on other threads.
  [[nodiscard]] static PluginWorker* current() noexcept;

  /// Runs f on the worker and waits for it. False at the deadline (f may still run later, so it
  /// must own what it touches) or when the worker is closed. Not on the worker.
  [[nodiscard]] bool run(std::function<void()> f, std::chrono::nanoseconds timeout);

  using TimerId = std::uint64_t;
  TimerId schedule(std::chrono::nanoseconds delay, std::function<void()> f);
  [[nodiscard]] bool cancel(TimerId timer);
  void cancel_timers();
  [[nodiscard]] std::size_t timer_count() const;

  /// Nothing queued, nothing running; timers do not count.
  [[nodiscard]] bool idle() const;
  [[nodiscard]] bool wait_idle(std::chrono::steady_clock::time_point deadline) const;
  /// How many tasks have begun: unchanged between two looks means that nothing ran.
  [[nodiscard]] std::uint64_t begun() const;

  /// Runs what is queued, drops the timers, joins the thread.
  void close();
  /// Refuses tasks, drops what is queued and lets the thread end by itself, if ever.
  void abandon();

 private:
  PluginWorker(std::shared_ptr<Clock> clock) : clock_(std::move(clock)) {}

  void work();
  [[nodiscard]] bool take(std::unique_lock<std::mutex>& lock, Task& task);
  void sleep(std::unique_lock<std::mutex>& lock);

  struct Timer {
    TimerId id;
    std::function<void()> f;
  };

  const std::shared_ptr<Clock> clock_;
  Clock::Watch watch_;
  std::thread thread_;
  std::atomic<std::thread::id> thread_id_{};
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  // Guarded by mutex_.
  std::deque<Task> tasks_;
  std::multimap<SteadyTime, Timer> timers_;
  TimerId next_timer_ = 1;
  std::uint64_t begun_ = 0;
  bool running_ = false;
  bool closed_ = false;
};

}  // namespace busway::plugin_host_detail
