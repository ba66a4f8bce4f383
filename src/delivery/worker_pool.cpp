#include "delivery/worker_pool.hpp"

#include <algorithm>
#include <iterator>
#include <system_error>
#include <utility>

#include "delivery/spin_lock.hpp"

namespace busway::delivery_detail {
namespace {

/// Looks at an empty queue before sleeping: about 20 microseconds.
constexpr int kSpins = 400;

class OneTask final : public Runnable {
 public:
  explicit OneTask(Executor::Task task) : task_(std::move(task)) {}
  void run() noexcept override {
    task_();
    delete this;
  }

 private:
  Executor::Task task_;
};

}  // namespace

WorkerPool::WorkerPool(std::size_t threads)
    : thread_count_(threads), shared_(std::make_shared<Shared>()) {
  shared_->wanted = threads;
}

WorkerPool::~WorkerPool() { shut_down(); }

Executor::Posted WorkerPool::post(Task task) {
  auto* one = new OneTask(std::move(task));
  const Posted posted = post(static_cast<Runnable&>(*one));
  if (posted == Posted::refused) delete one;
  return posted;
}

void WorkerPool::Shared::put(Runnable& runnable) noexcept {
  runnable.next_ = nullptr;
  if (tail != nullptr) {
    tail->next_ = &runnable;
  } else {
    head = &runnable;
  }
  tail = &runnable;
  queued.store(queued.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

void WorkerPool::Shared::put_first(Runnable& runnable) noexcept {
  runnable.next_ = head;
  head = &runnable;
  if (tail == nullptr) tail = head;
  queued.store(queued.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

bool WorkerPool::add_worker() {
  Shared& shared = *shared_;
  shared.workers.emplace_front();
  try {
    shared.workers.front().thread =
        std::thread([mine = shared_, self = shared.workers.begin()] { work(mine, self); });
  } catch (const std::system_error&) {
    shared.workers.pop_front();
    return false;
  }
  return true;
}

Executor::Posted WorkerPool::post(Runnable& runnable) {
  Shared& shared = *shared_;
  bool wake = false;
  {
    const std::lock_guard lock(shared.mutex);
    if (shared.stopping) return Posted::refused;
    const std::size_t queued = shared.queued.load(std::memory_order_relaxed) + 1;
    // Workers that sleep or spin take one each, also those that were woken and have not come yet.
    const std::size_t free = shared.sleeping + (shared.spinning ? 1 : 0);
    if (queued > free && shared.workers.size() < shared.wanted && !add_worker() &&
        shared.workers.empty()) {
      return Posted::refused;
    }
    shared.put(runnable);
    // The spinning worker takes the first one by itself.
    wake = shared.sleeping > 0 && (!shared.spinning || queued > 1);
  }
  if (wake) shared.wake.notify_one();
  return Posted::accepted;
}

Executor::Posted WorkerPool::post_at_once(Runnable& runnable) {
  Shared& shared = *shared_;
  bool wake = false;
  {
    const std::lock_guard lock(shared.mutex);
    if (shared.stopping) return Posted::refused;
    const std::size_t queued = shared.queued.load(std::memory_order_relaxed) + 1;
    const std::size_t free = shared.sleeping + (shared.spinning ? 1 : 0);
    if (queued > free && !add_worker()) return Posted::refused;
    shared.put_first(runnable);
    wake = shared.sleeping > 0 && (!shared.spinning || queued > 1);
  }
  if (wake) shared.wake.notify_one();
  return Posted::accepted;
}

bool WorkerPool::leave_behind(std::thread::id thread) {
  Shared& shared = *shared_;
  const std::lock_guard lock(shared.mutex);
  if (shared.stopping) return false;
  const auto place = std::find_if(shared.workers.begin(), shared.workers.end(),
                                  [&](const Worker& one) { return one.thread.get_id() == thread; });
  if (place == shared.workers.end()) return false;
  // Its thread keeps the list's node by its iterator; a list of its own keeps the node.
  place->left_behind = true;
  place->thread.detach();
  shared.left_behind.splice(shared.left_behind.end(), shared.workers, place);
  if (shared.head != nullptr && shared.workers.size() < shared.wanted) (void)add_worker();
  return true;
}

Runnable* WorkerPool::Shared::take(std::unique_lock<std::mutex>& lock) {
  for (;;) {
    if (head != nullptr) {
      Runnable* first = head;
      head = first->next_;
      if (head == nullptr) tail = nullptr;
      queued.store(queued.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
      return first;
    }
    if (stopping || workers.size() > wanted) return nullptr;
    if (!spinning) {
      spinning = true;
      lock.unlock();
      for (int spin = 0; spin < kSpins && queued.load(std::memory_order_acquire) == 0; ++spin)
        pause();
      lock.lock();
      spinning = false;
      if (head != nullptr || stopping) continue;
    }
    ++sleeping;
    wake.wait(lock);
    --sleeping;
  }
}

void WorkerPool::work(const std::shared_ptr<Shared>& shared, std::list<Worker>::iterator self) {
  std::unique_lock lock(shared->mutex);
  while (Runnable* runnable = shared->take(lock)) {
    lock.unlock();
    runnable->run();
    lock.lock();
    if (self->left_behind) [[unlikely]] {
      shared->left_behind.erase(self);
      return;
    }
  }
  if (shared->stopping) return;  // shut_down() joins it
  // One that was made for a task that could not wait; the last of its kind is joined by the next.
  std::list<Worker> before;
  before.swap(shared->ended);
  shared->ended.splice(shared->ended.end(), shared->workers, self);
  lock.unlock();
  for (Worker& one : before) one.thread.join();
}

void WorkerPool::shut_down() {
  Shared& shared = *shared_;
  std::list<Worker> workers;
  {
    const std::lock_guard lock(shared.mutex);
    shared.stopping = true;
    workers.swap(shared.workers);
    workers.splice(workers.end(), shared.ended);
    for (auto place = workers.begin(); place != workers.end();) {
      const auto next = std::next(place);
      if (place->thread.get_id() == std::this_thread::get_id()) {
        place->left_behind = true;
        place->thread.detach();
        shared.left_behind.splice(shared.left_behind.end(), workers, place);
      }
      place = next;
    }
  }
  shared.wake.notify_all();
  for (Worker& worker : workers) worker.thread.join();
}

}  // namespace busway::delivery_detail
