#include "plugin/worker.hpp"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "base/deadline.hpp"

namespace busway::plugin_host_detail {
namespace {

thread_local PluginWorker* current_worker = nullptr;

}  // namespace

PluginWorker* PluginWorker::current() noexcept { return current_worker; }

std::shared_ptr<PluginWorker> PluginWorker::start(const std::string& name,
                                                  std::shared_ptr<Clock> clock) {
  const std::shared_ptr<PluginWorker> worker(new PluginWorker(std::move(clock)));
  worker->watch_ = worker->clock_->watch([weak = std::weak_ptr(worker)] {
    if (const auto self = weak.lock()) {
      { const std::lock_guard lock(self->mutex_); }  // so that no wait misses it
      self->changed_.notify_all();
    }
  });
  // The thread holds itself: an abandoned one may outlive all who knew it.
  worker->thread_ = std::thread([worker] { worker->work(); });
  constexpr std::size_t kNameMax = 15;
  (void)::pthread_setname_np(worker->thread_.native_handle(), name.substr(0, kNameMax).c_str());
  return worker;
}

PluginWorker::~PluginWorker() {
  if (thread_.joinable()) thread_.detach();  // the thread itself held the last reference
}

Executor::Posted PluginWorker::post(Task task) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return Posted::refused;
    tasks_.push_back(std::move(task));
  }
  changed_.notify_all();
  return Posted::accepted;
}

bool PluginWorker::pumped_by_this_thread() const {
  return std::this_thread::get_id() == thread_id_.load(std::memory_order_relaxed);
}

bool PluginWorker::run(std::function<void()> f, std::chrono::nanoseconds timeout) {
  struct Call {
    std::mutex mutex;
    std::condition_variable done_changed;
    bool done = false;
  };
  const auto call = std::make_shared<Call>();
  const Posted posted = post([call, f = std::move(f)] {
    f();
    const std::lock_guard lock(call->mutex);
    call->done = true;
    call->done_changed.notify_all();
  });
  if (posted == Posted::refused) return false;
  std::unique_lock lock(call->mutex);
  return call->done_changed.wait_until(lock, deadline_after(timeout), [&] { return call->done; });
}

PluginWorker::TimerId PluginWorker::schedule(std::chrono::nanoseconds delay,
                                             std::function<void()> f) {
  const SteadyTime now = clock_->steady();
  // A delay for ever and a day must not wrap round.
  const SteadyTime due = delay > SteadyTime::max() - now ? SteadyTime::max() : now + delay;
  TimerId id = 0;
  {
    const std::lock_guard lock(mutex_);
    id = next_timer_++;
    timers_.emplace(due, Timer{id, std::move(f)});
  }
  changed_.notify_all();
  return id;
}

bool PluginWorker::cancel(TimerId timer) {
  std::function<void()> dropped;  // destroyed without the lock
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(timers_.begin(), timers_.end(),
                                  [&](const auto& entry) { return entry.second.id == timer; });
  if (found == timers_.end()) return false;
  dropped = std::move(found->second.f);
  timers_.erase(found);
  return true;
}

void PluginWorker::cancel_timers() {
  std::multimap<SteadyTime, Timer> dropped;
  const std::lock_guard lock(mutex_);
  dropped.swap(timers_);
}

std::size_t PluginWorker::timer_count() const {
  const std::lock_guard lock(mutex_);
  return timers_.size();
}

bool PluginWorker::idle() const {
  const std::lock_guard lock(mutex_);
  return tasks_.empty() && !running_;
}

bool PluginWorker::wait_idle(std::chrono::steady_clock::time_point deadline) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, deadline, [&] { return tasks_.empty() && !running_; });
}

std::uint64_t PluginWorker::begun() const {
  const std::lock_guard lock(mutex_);
  return begun_;
}

void PluginWorker::close() {
  watch_.reset();
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  cancel_timers();
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void PluginWorker::abandon() {
  watch_.reset();
  std::deque<Task> dropped;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    dropped.swap(tasks_);
  }
  cancel_timers();
  changed_.notify_all();
  if (thread_.joinable()) thread_.detach();
}

void PluginWorker::work() {
  thread_id_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  current_worker = this;
  std::unique_lock lock(mutex_);
  for (;;) {
    Task task;
    if (!take(lock, task)) return;
    running_ = true;
    ++begun_;
    lock.unlock();
    task();
    task = nullptr;  // what it held goes before others learn that it is done
    lock.lock();
    running_ = false;
    if (tasks_.empty()) changed_.notify_all();
  }
}

/// Waits for a due timer or a task; false when the worker is closed and has nothing left.
bool PluginWorker::take(std::unique_lock<std::mutex>& lock, Task& task) {
  for (;;) {
    if (!timers_.empty() && timers_.begin()->first <= clock_->steady()) {
      task = std::move(timers_.begin()->second.f);
      timers_.erase(timers_.begin());
      return true;
    }
    if (!tasks_.empty()) {
      task = std::move(tasks_.front());
      tasks_.pop_front();
      return true;
    }
    if (closed_) return false;
    sleep(lock);
  }
}

void PluginWorker::sleep(std::unique_lock<std::mutex>& lock) {
  constexpr std::chrono::hours kLongest(1);  // keeps far deadlines from overflowing the wait
  if (timers_.empty() || clock_->is_manual()) {
    changed_.wait(lock);
    return;
  }
  const auto left = timers_.begin()->first - clock_->steady();
  changed_.wait_for(lock, std::min<std::chrono::nanoseconds>(left, kLongest));
}

}  // namespace busway::plugin_host_detail
