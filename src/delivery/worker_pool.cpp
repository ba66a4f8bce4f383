#include "delivery/worker_pool.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <iterator>
#include <list>
#include <mutex>
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

/// Workers that may block at the same time in one pool, each with another in its place.
constexpr std::size_t kBlockedMax = 256;

}  // namespace

struct WorkerPool::Shared {
  struct Worker {
    std::thread thread;
    const Runnable* runs = nullptr;
    bool left_behind = false;
  };

  std::mutex mutex;
  std::condition_variable wake;
  // Guarded by mutex.
  Runnable* head = nullptr;
  Runnable* tail = nullptr;
  std::list<Worker> workers;
  std::list<Worker> left_behind;
  std::list<Worker> ended;       // to be joined
  std::condition_variable gone;  // a worker has left `workers`; for shut_down()
  std::size_t wanted = 0;        // workers, when nobody waits at once
  std::size_t sleeping = 0;
  std::size_t blocked = 0;
  bool spinning = false;
  bool stopping = false;
  // Read without the lock by the worker that spins.
  std::atomic<std::size_t> queued{0};

  // With the lock held:
  [[nodiscard]] Runnable* take(std::unique_lock<std::mutex>& lock);
  void put(Runnable& runnable) noexcept;
  void put_first(Runnable& runnable) noexcept;
  /// Workers that will take a task by themselves.
  [[nodiscard]] std::size_t free() const noexcept { return sleeping + (spinning ? 1 : 0); }
  /// False when the system gives no thread.
  static bool add_worker(const std::shared_ptr<Shared>& shared);

  static void work(const std::shared_ptr<Shared>& shared, std::list<Worker>::iterator self);
};

/// On a worker: what it shares with the others of its pool.
static thread_local const std::shared_ptr<WorkerPool::Shared>* current_shared = nullptr;

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

bool WorkerPool::Shared::add_worker(const std::shared_ptr<Shared>& shared) {
  shared->workers.emplace_front();
  try {
    shared->workers.front().thread =
        std::thread([shared, self = shared->workers.begin()] { work(shared, self); });
  } catch (const std::system_error&) {
    shared->workers.pop_front();
    return false;
  }
  return true;
}

WorkerPool::Blocked::Blocked() : shared_(current_shared != nullptr ? *current_shared : nullptr) {
  if (shared_ == nullptr) return;
  const std::lock_guard lock(shared_->mutex);
  allowed_ = shared_->blocked < kBlockedMax;
  if (!allowed_) return;
  ++shared_->blocked;
  ++shared_->wanted;
  if (!shared_->stopping && shared_->queued.load(std::memory_order_relaxed) > shared_->free() &&
      shared_->workers.size() < shared_->wanted) {
    (void)Shared::add_worker(shared_);
  }
}

WorkerPool::Blocked::~Blocked() {
  if (shared_ == nullptr || !allowed_) return;
  const std::lock_guard lock(shared_->mutex);
  --shared_->blocked;
  --shared_->wanted;
}

Executor::Posted WorkerPool::post(Runnable& runnable) {
  Shared& shared = *shared_;
  bool wake = false;
  {
    const std::lock_guard lock(shared.mutex);
    if (shared.stopping) return Posted::refused;
    const std::size_t queued = shared.queued.load(std::memory_order_relaxed) + 1;
    // Workers that sleep or spin take one each, also those that were woken and have not come yet.
    if (queued > shared.free() && shared.workers.size() < shared.wanted &&
        !Shared::add_worker(shared_) && shared.workers.empty()) {
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
    if (queued > shared.free() && !Shared::add_worker(shared_)) return Posted::refused;
    shared.put_first(runnable);
    wake = shared.sleeping > 0 && (!shared.spinning || queued > 1);
  }
  if (wake) shared.wake.notify_one();
  return Posted::accepted;
}

bool WorkerPool::leave_worker(std::thread::id thread, const Runnable* task) {
  Shared& shared = *shared_;
  const std::lock_guard lock(shared.mutex);
  const auto place =
      std::find_if(shared.workers.begin(), shared.workers.end(),
                   [&](const Shared::Worker& one) { return one.thread.get_id() == thread; });
  if (place == shared.workers.end() || place->runs == nullptr) return false;
  if (task != nullptr && place->runs != task) return false;
  // Its thread keeps the list's node by its iterator; a list of its own keeps the node.
  place->left_behind = true;
  place->thread.detach();
  shared.left_behind.splice(shared.left_behind.end(), shared.workers, place);
  shared.gone.notify_all();
  if (!shared.stopping && shared.head != nullptr && shared.workers.size() < shared.wanted)
    (void)Shared::add_worker(shared_);
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

void WorkerPool::Shared::work(const std::shared_ptr<Shared>& shared,
                              std::list<Worker>::iterator self) {
  current_shared = &shared;
  std::unique_lock lock(shared->mutex);
  while (Runnable* runnable = shared->take(lock)) {
    self->runs = runnable;
    lock.unlock();
    runnable->run();
    lock.lock();
    self->runs = nullptr;
    if (self->left_behind) [[unlikely]] {
      shared->left_behind.erase(self);
      return;
    }
  }
  if (shared->stopping) {
    shared->ended.splice(shared->ended.end(), shared->workers, self);
    shared->gone.notify_all();
    return;
  }
  // One that was made for a task that could not wait; the last of its kind is joined by the next.
  std::list<Worker> before;
  before.swap(shared->ended);
  shared->ended.splice(shared->ended.end(), shared->workers, self);
  lock.unlock();
  for (Worker& one : before) one.thread.join();
}

void WorkerPool::shut_down() {
  Shared& shared = *shared_;
  std::list<Shared::Worker> ended;
  {
    std::unique_lock lock(shared.mutex);
    shared.stopping = true;
    for (auto place = shared.workers.begin(); place != shared.workers.end();) {
      const auto next = std::next(place);
      if (place->thread.get_id() == std::this_thread::get_id()) {
        place->left_behind = true;
        place->thread.detach();
        shared.left_behind.splice(shared.left_behind.end(), shared.workers, place);
      }
      place = next;
    }
    shared.wake.notify_all();
    shared.gone.wait(lock, [&] { return shared.workers.empty(); });
    ended.swap(shared.ended);
  }
  for (Shared::Worker& worker : ended) worker.thread.join();
  // What a pool without a worker of its own left over.
  for (;;) {
    Runnable* runnable = nullptr;
    {
      std::unique_lock lock(shared.mutex);
      if (shared.head != nullptr) runnable = shared.take(lock);
    }
    if (runnable == nullptr) return;
    runnable->run();
  }
}

}  // namespace busway::delivery_detail
