// delivery/worker_pool.hpp -- the threads on which asynchronous handlers run by default.
//
// Model      A queue of Runnables, linked through themselves, and a fixed number of threads that
//            start with the first post. A worker that finds the queue empty looks again for some
//            microseconds before it sleeps, one worker at a time, since waking a thread costs more
//            than handling an event.
// Threads    post() [any-thread]; shut_down() not on a worker.
// Ownership  Runnables are borrowed until they have run; their owner keeps them alive.
// Errors     A task does not throw.
// Cost       post(): one lock, and a wake-up when all workers sleep; no allocation for a Runnable.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <thread>
#include <vector>

#include "busway/executor.hpp"

namespace busway::delivery_detail {

/// Something a pool can run without allocating: linked into its queue.
class Runnable {
 public:
  virtual void run() noexcept = 0;

 protected:
  Runnable() = default;
  Runnable(const Runnable&) = delete;
  Runnable& operator=(const Runnable&) = delete;
  virtual ~Runnable() = default;

 private:
  friend class WorkerPool;
  Runnable* next_ = nullptr;
};

class WorkerPool final : public Executor {
 public:
  explicit WorkerPool(std::size_t threads);
  ~WorkerPool() override;

  Posted post(Task task) override;
  /// As post(), without an allocation. The Runnable must not be in the queue already.
  Posted post(Runnable& runnable);

  /// Runs what is queued and joins the threads; posts are refused from then on.
  void shut_down();

  [[nodiscard]] std::size_t thread_count() const noexcept { return thread_count_; }

 private:
  void work();
  [[nodiscard]] Runnable* take(std::unique_lock<std::mutex>& lock);

  const std::size_t thread_count_;
  std::mutex mutex_;
  std::condition_variable wake_;
  // Guarded by mutex_.
  Runnable* head_ = nullptr;
  Runnable* tail_ = nullptr;
  std::vector<std::thread> threads_;
  std::size_t sleeping_ = 0;
  bool spinning_ = false;
  bool stopping_ = false;
  // Read without the lock by the worker that spins.
  std::atomic<std::size_t> queued_{0};
};

}  // namespace busway::delivery_detail
