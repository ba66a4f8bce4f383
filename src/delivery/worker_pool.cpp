#include "delivery/worker_pool.hpp"

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

WorkerPool::WorkerPool(std::size_t threads) : thread_count_(threads) {}

WorkerPool::~WorkerPool() { shut_down(); }

Executor::Posted WorkerPool::post(Task task) {
  auto* one = new OneTask(std::move(task));
  const Posted posted = post(static_cast<Runnable&>(*one));
  if (posted == Posted::refused) delete one;
  return posted;
}

Executor::Posted WorkerPool::post(Runnable& runnable) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return Posted::refused;
    runnable.next_ = nullptr;
    if (tail_ != nullptr) {
      tail_->next_ = &runnable;
    } else {
      head_ = &runnable;
    }
    tail_ = &runnable;
    const std::size_t queued = queued_.load(std::memory_order_relaxed) + 1;
    queued_.store(queued, std::memory_order_release);
    // Workers that sleep or spin take one each, also those that were woken and have not come yet.
    const std::size_t free = sleeping_ + (spinning_ ? 1 : 0);
    if (queued > free && threads_.size() < thread_count_) {
      threads_.emplace_back([this] { work(); });
    }
    // The spinning worker takes the first one by itself.
    wake = sleeping_ > 0 && (!spinning_ || queued > 1);
  }
  if (wake) wake_.notify_one();
  return Posted::accepted;
}

Runnable* WorkerPool::take(std::unique_lock<std::mutex>& lock) {
  for (;;) {
    if (head_ != nullptr) {
      Runnable* first = head_;
      head_ = first->next_;
      if (head_ == nullptr) tail_ = nullptr;
      queued_.store(queued_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
      return first;
    }
    if (stopping_) return nullptr;
    if (!spinning_) {
      spinning_ = true;
      lock.unlock();
      for (int spin = 0; spin < kSpins && queued_.load(std::memory_order_acquire) == 0; ++spin)
        pause();
      lock.lock();
      spinning_ = false;
      if (head_ != nullptr || stopping_) continue;
    }
    ++sleeping_;
    wake_.wait(lock);
    --sleeping_;
  }
}

void WorkerPool::work() {
  std::unique_lock lock(mutex_);
  while (Runnable* runnable = take(lock)) {
    lock.unlock();
    runnable->run();
    lock.lock();
  }
}

void WorkerPool::shut_down() {
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    threads.swap(threads_);
  }
  wake_.notify_all();
  for (std::thread& thread : threads) thread.join();
}

}  // namespace busway::delivery_detail
