// busway/manual_executor.hpp -- an executor that runs tasks only when told to.
// Layer: delivery
//
// Model      A queue of tasks. A game loop calls bus.poll() once a frame; a test calls run_one() to
//            choose the moment.
// Threads    post() is [any-thread]; the pumping calls are [pump-thread], one thread at a
//            time.
// Ownership  Held by std::shared_ptr: the bus keeps a share.
// Errors     None.
// Cost       One lock a task.
// Example    tests/delivery/manual_executor_test.cpp
#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <mutex>
#include <thread>

#include "busway/executor.hpp"

namespace busway {

class ManualExecutor final : public Executor {
 public:
  /// The constructing thread is the pump thread until another one pumps.
  ManualExecutor();

  Posted post(Task task) override;

  /// Runs the oldest task; false when there is none.
  bool run_one();
  /// Runs tasks, also those posted meanwhile, until none is left or max ran. Returns how many ran.
  std::size_t run(std::size_t max = static_cast<std::size_t>(-1));
  /// Runs the task at an index of pending(), for simulations that choose the order. False when out
  /// of range.
  bool run_at(std::size_t index);
  [[nodiscard]] std::size_t pending() const;

  bool run_one_here() override;
  [[nodiscard]] bool pumped_by_this_thread() const override;

 private:
  bool run_taken(Task task);

  mutable std::mutex mutex_;
  std::deque<Task> tasks_;
  std::atomic<std::thread::id> pump_;
};

}  // namespace busway
