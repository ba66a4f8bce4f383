#include "plugin/worker.hpp"

#include <pthread.h>

#include <algorithm>
#include <iterator>
#include <system_error>
#include <utility>

#include "base/deadline.hpp"
#include "platform/fast_clock.hpp"

namespace busway::plugin_host_detail {
namespace {

/// How long a caller of run() looks for the end before it sleeps: longer than most calls take, of
/// which being woken would be the greater part.
constexpr std::chrono::microseconds kAwake(50);

thread_local PluginWorker* current_worker = nullptr;
thread_local std::atomic<SteadyTime>* current_deadline = nullptr;

}  // namespace

PluginWorker* PluginWorker::current() noexcept { return current_worker; }

PluginWorker::PluginWorker(std::string name, std::shared_ptr<Clock> clock, const void* whose)
    : name_(std::move(name)),
      clock_(std::move(clock)),
      system_clock_(clock_ == Clock::system()),
      whose_(whose) {}

std::shared_ptr<PluginWorker> PluginWorker::start(const std::string& name,
                                                  std::shared_ptr<Clock> clock, const void* whose) {
  constexpr std::size_t kNameMax = 15;
  std::shared_ptr<PluginWorker> worker(
      new PluginWorker(name.substr(0, kNameMax), std::move(clock), whose));
  worker->watch_ = worker->clock_->watch([weak = std::weak_ptr(worker)] {
    if (const auto self = weak.lock()) {
      { const std::lock_guard lock(self->mutex_); }  // so that no wait misses it
      self->changed_.notify_all();
    }
  });
  const std::lock_guard lock(worker->mutex_);
  worker->place_ = std::make_unique<Place>();
  worker->begin(*worker->place_);
  worker->thread_id_.store(worker->place_->thread.get_id(), std::memory_order_relaxed);
  return worker;
}

/// With mutex_ held, so that the thread takes nothing before it stands in its place.
void PluginWorker::begin(Place& place) {
  // The thread holds the worker: an abandoned one may outlive all who knew it.
  place.thread = std::thread([self = shared_from_this(), &place] { self->work(place); });
  (void)::pthread_setname_np(place.thread.native_handle(), name_.c_str());
}

PluginWorker::~PluginWorker() {
  // A thread itself held the last reference.
  if (place_ != nullptr && place_->thread.joinable()) place_->thread.detach();
  for (const auto& one : left_) {
    if (one->thread.joinable()) one->thread.detach();
  }
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

bool PluginWorker::run(std::function<void()> f, std::chrono::nanoseconds timeout,
                       const Waiting& waiting) {
  struct Call {
    std::mutex mutex;
    std::condition_variable done_changed;
    std::atomic<bool> done{false};
  };
  const auto call = std::make_shared<Call>();
  const Posted posted = post([call, f = std::move(f)]() mutable {
    std::exchange(f, nullptr)();  // what it held goes before its caller goes on
    const std::lock_guard lock(call->mutex);
    call->done.store(true, std::memory_order_release);
    call->done_changed.notify_all();
  });
  if (posted == Posted::refused) return false;
  const auto done = [&] { return call->done.load(std::memory_order_acquire); };
  const RealTime posted_at = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() < posted_at + kAwake) {
    if (done()) return true;
    std::this_thread::yield();
  }
  RealTime since = posted_at;
  const auto next_step_has_begun = [&] {
    if (waiting.step_begun == nullptr) return false;
    const RealTime begun = waiting.step_begun->load(std::memory_order_relaxed);
    return begun > std::exchange(since, std::max(since, begun));
  };
  std::unique_lock lock(call->mutex);
  const auto done_after = [&](std::chrono::nanoseconds time) {
    return call->done_changed.wait_until(lock, deadline_after(time, since), done);
  };
  for (std::size_t mark = 0;;) {
    const bool at_end = mark == waiting.marks.size();
    if (done_after(at_end ? timeout : waiting.marks[mark].after)) return true;
    if (next_step_has_begun()) {
      mark = 0;
    } else if (at_end) {
      return false;
    } else {
      lock.unlock();
      waiting.marks[mark++].then();
      lock.lock();
    }
  }
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
    if (closed_) return id;  // as one that is cancelled
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

bool PluginWorker::busy() const {
  const std::lock_guard lock(mutex_);
  return running_;
}

void PluginWorker::hold() {
  const std::lock_guard lock(mutex_);
  held_ = true;
}

void PluginWorker::go_on() {
  {
    const std::lock_guard lock(mutex_);
    held_ = false;
  }
  changed_.notify_all();
}

std::uint64_t PluginWorker::begun() const {
  const std::lock_guard lock(mutex_);
  return begun_;
}

// -- Threads left behind --------------------------------------------------------------------------

PluginWorker::Deadline::Deadline(const PluginWorker& worker, SteadyTime at) noexcept {
  if (current_worker != &worker || !worker.pumped_by_this_thread()) return;
  if (current_deadline->load(std::memory_order_relaxed) != SteadyTime::max()) return;
  place_ = current_deadline;
  place_->store(at, std::memory_order_relaxed);
}

PluginWorker::Deadline::~Deadline() {
  if (place_ != nullptr) place_->store(SteadyTime::max(), std::memory_order_relaxed);
}

/// The clock by which the bus keeps deadlines: of one thread it never goes back.
SteadyTime PluginWorker::call_time() const {
  if (!system_clock_) return clock_->steady();
  return SteadyTime(std::chrono::nanoseconds(platform_detail::thread_clock().steady_ns()));
}

/// The caller knows a call only by its thread, which may have returned from it and be in another
/// one: that one is not past its deadline, and keeps its thread.
bool PluginWorker::leave_behind(std::thread::id thread) {
  std::vector<std::unique_ptr<Place>> ended;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& one : left_) {
      if (one->thread.get_id() == thread) return !one->ended;
    }
    if (closed_ || !running_ || place_->thread.get_id() != thread ||
        place_->deadline.load(std::memory_order_relaxed) > call_time()) {
      return false;
    }
    auto successor = std::make_unique<Place>();
    try {
      begin(*successor);
    } catch (const std::system_error&) {
      return false;
    }
    const auto gone = std::stable_partition(left_.begin(), left_.end(),
                                            [](const auto& one) { return !one->ended; });
    std::move(gone, left_.end(), std::back_inserter(ended));
    left_.erase(gone, left_.end());
    left_.push_back(std::exchange(place_, std::move(successor)));
    thread_id_.store(place_->thread.get_id(), std::memory_order_relaxed);
    running_ = false;
  }
  changed_.notify_all();
  for (const auto& one : ended) one->thread.join();
  return true;
}

std::size_t PluginWorker::left_behind() const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(
      std::count_if(left_.begin(), left_.end(), [](const auto& one) { return !one->ended; }));
}

bool PluginWorker::wait_for_left_behind(std::chrono::steady_clock::time_point deadline) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, deadline, [&] {
    return std::all_of(left_.begin(), left_.end(), [](const auto& one) { return one->ended; });
  });
}

// -- The end --------------------------------------------------------------------------------------

void PluginWorker::close() {
  watch_.reset();
  std::vector<std::unique_ptr<Place>> left;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;  // no thread changes places any more
    for (auto& one : left_) {
      if (one->ended) left.push_back(std::move(one));
    }
    std::erase(left_, nullptr);
  }
  cancel_timers();
  changed_.notify_all();
  if (place_->thread.joinable()) place_->thread.join();
  for (const auto& one : left) one->thread.join();
}

void PluginWorker::abandon() {
  watch_.reset();
  std::deque<Task> dropped;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    dropped.swap(tasks_);
    if (place_->thread.joinable()) place_->thread.detach();
    for (const auto& one : left_) {
      if (one->thread.joinable()) one->thread.detach();
    }
  }
  cancel_timers();
  changed_.notify_all();
}

void PluginWorker::work(Place& mine) {
  current_worker = this;
  current_deadline = &mine.deadline;
  std::unique_lock lock(mutex_);
  for (;;) {
    Task task;
    if (!take(lock, task)) break;
    running_ = true;
    ++begun_;
    lock.unlock();
    task();
    task = nullptr;  // what it held goes before others learn that it is done
    lock.lock();
    if (place_.get() != &mine) break;  // left behind
    running_ = false;
    if (tasks_.empty()) changed_.notify_all();
  }
  mine.ended = true;
  changed_.notify_all();
}

/// Waits for a due timer or a task; false when the worker is closed and has nothing left.
bool PluginWorker::take(std::unique_lock<std::mutex>& lock, Task& task) {
  for (;;) {
    if (held_ && !closed_) {
      changed_.wait(lock);
      continue;
    }
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
