#include "busway/manual_executor.hpp"

#include <utility>

namespace busway {

ManualExecutor::ManualExecutor() : pump_(std::this_thread::get_id()) {}

Executor::Posted ManualExecutor::post(Task task) {
  const std::lock_guard lock(mutex_);
  tasks_.push_back(std::move(task));
  return Posted::accepted;
}

bool ManualExecutor::run_taken(Task task) {
  pump_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  task();
  return true;
}

bool ManualExecutor::run_one() { return run_at(0); }

bool ManualExecutor::run_at(std::size_t index) {
  Task task;
  {
    const std::lock_guard lock(mutex_);
    if (index >= tasks_.size()) return false;
    const auto place = tasks_.begin() + static_cast<std::ptrdiff_t>(index);
    task = std::move(*place);
    tasks_.erase(place);
  }
  return run_taken(std::move(task));
}

std::size_t ManualExecutor::run(std::size_t max) {
  std::size_t ran = 0;
  while (ran < max && run_one()) ++ran;
  return ran;
}

std::size_t ManualExecutor::pending() const {
  const std::lock_guard lock(mutex_);
  return tasks_.size();
}

bool ManualExecutor::run_one_here() { return pumped_by_this_thread() && run_one(); }

bool ManualExecutor::pumped_by_this_thread() const {
  return pump_.load(std::memory_order_relaxed) == std::this_thread::get_id();
}

}  // namespace busway
