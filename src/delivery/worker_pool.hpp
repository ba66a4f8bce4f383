// delivery/worker_pool.hpp -- the threads on which asynchronous handlers run by default.
//
// Model      A queue of Runnables, linked through themselves, and a number of threads that start
//            when there is work for them. A worker that finds the queue empty looks again for some
//            microseconds before it sleeps, one worker at a time, since waking a thread costs more
//            than handling an event. A worker whose task does not return can be left behind:
//            another takes its place, and the old one ends when its task returns, if ever; so what
//            the threads share outlives the pool. post_at_once() makes a worker more where all are
//            busy, because someone waits for that task who may hold up one of them; it ends when it
//            finds the queue empty. So does one that is made while a worker is Blocked: what would
//            end its wait may need a worker.
// Threads    [any-thread]; shut_down() on a worker leaves that one behind. A worker can be left
//            behind while shut_down() waits for it.
// Ownership  Runnables are borrowed until they have run; their owner keeps them alive.
// Errors     A task does not throw. Where a thread cannot be had post() goes on with those there
//            are, and refuses if there are none; post_at_once() refuses.
// Cost       post(): one lock, and a wake-up when all workers sleep; no allocation for a Runnable.
//            post_at_once(): a thread's start, some 50 us, where all workers are busy.
#pragma once

#include <cstddef>
#include <memory>
#include <thread>

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
  /// As post(), for a task that must not wait until a busy worker is free.
  Posted post_at_once(Runnable& runnable);

  /// Leaves the thread behind if it is a worker that runs this task; null: whatever it runs.
  bool leave_worker(std::thread::id thread, const Runnable* task);

  /// What the workers share with each other; the last to go frees it.
  struct Shared;

  /// This thread blocks within a task: if it is a worker, of whichever pool, another may be had in
  /// its place meanwhile.
  class Blocked {
   public:
    Blocked();
    Blocked(const Blocked&) = delete;
    Blocked& operator=(const Blocked&) = delete;
    ~Blocked();
    /// False: as many workers block as may; this one must not.
    [[nodiscard]] bool allowed() const noexcept { return allowed_; }

   private:
    std::shared_ptr<Shared> shared_;
    bool allowed_ = true;
  };

  /// Runs what is queued and joins the threads; posts are refused from then on. Those left behind
  /// are not waited for.
  void shut_down();

  [[nodiscard]] std::size_t thread_count() const noexcept { return thread_count_; }

 private:
  const std::size_t thread_count_;
  const std::shared_ptr<Shared> shared_;
};

}  // namespace busway::delivery_detail
