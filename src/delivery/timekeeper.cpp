#include "delivery/timekeeper.hpp"

#include <algorithm>
#include <utility>

namespace busway::delivery_detail {
namespace {

constexpr std::size_t kChildren = 4;
constexpr std::size_t kFirstRoom = 16;

/// The thread sleeps no longer than this at once: the time it wakes at is computed by the standard
/// library and must not overflow.
constexpr std::uint64_t kSleepNsMax = 3'600'000'000'000;

}  // namespace

Timekeeper::Timekeeper(std::shared_ptr<Clock> clock, Drive drive)
    : clock_(std::move(clock)), drive_(drive), stands_still_(clock_->is_manual()) {
  if (drive_ == Drive::by_hand) return;
  // Here and not with the thread: the clock, which may have locks of its own, is never called with
  // ours held.
  watch_ = clock_->watch([this] {
    {
      const std::lock_guard lock(mutex_);
      woken_ = true;
    }
    wake_.notify_one();
  });
}

Timekeeper::~Timekeeper() { shut_down(); }

bool Timekeeper::is_before(const Slot& a, const Slot& b) noexcept {
  return a.due != b.due ? a.due < b.due : a.order < b.order;
}

/// For one slot more, and for those that come back into the heap when their call ends: there it is
/// too late to run out of memory.
void Timekeeper::make_room() {
  if (heap_.size() + armed_again_ < heap_.capacity()) return;
  heap_.reserve(std::max(kFirstRoom, 2 * heap_.capacity()));
}

void Timekeeper::put(std::size_t place, const Slot& slot) noexcept {
  heap_[place] = slot;
  slot.timer->place_ = place;
}

void Timekeeper::sift_up(std::size_t place, const Slot& slot) noexcept {
  while (place > 0) {
    const std::size_t parent = (place - 1) / kChildren;
    if (!is_before(slot, heap_[parent])) break;
    put(place, heap_[parent]);
    place = parent;
  }
  put(place, slot);
}

void Timekeeper::sift_down(std::size_t place, const Slot& slot) noexcept {
  for (;;) {
    const std::size_t first = place * kChildren + 1;
    if (first >= heap_.size()) break;
    const std::size_t end = std::min(first + kChildren, heap_.size());
    std::size_t least = first;
    for (std::size_t child = first + 1; child < end; ++child) {
      if (is_before(heap_[child], heap_[least])) least = child;
    }
    if (!is_before(heap_[least], slot)) break;
    put(place, heap_[least]);
    place = least;
  }
  put(place, slot);
}

void Timekeeper::insert(const Slot& slot) noexcept {
  heap_.push_back(slot);  // there is room
  sift_up(heap_.size() - 1, slot);
}

/// Finds its place for a slot that takes the one at `place`.
void Timekeeper::move(std::size_t place, const Slot& slot) noexcept {
  if (place > 0 && is_before(slot, heap_[(place - 1) / kChildren])) {
    sift_up(place, slot);
  } else {
    sift_down(place, slot);
  }
}

void Timekeeper::remove(std::size_t place) noexcept {
  heap_[place].timer->place_ = Timer::kNowhere;
  const Slot last = heap_.back();
  heap_.pop_back();
  if (place < heap_.size()) move(place, last);
}

/// The call of this timer that runs, if one does.
Timekeeper::Running* Timekeeper::call_of(const Timer& timer) const noexcept {
  Running* one = running_;
  while (one != nullptr && one->timer != &timer) one = one->next;
  return one;
}

bool Timekeeper::inside_due() const noexcept {
  const std::thread::id here = std::this_thread::get_id();
  for (const Running* one = running_; one != nullptr; one = one->next) {
    if (one->thread == here) return true;
  }
  return false;
}

bool Timekeeper::disarm(Timer& timer) noexcept {
  if (timer.place_ != Timer::kNowhere) {
    remove(timer.place_);
    return true;
  }
  Running* call = call_of(timer);
  if (call == nullptr || !call->armed_again) return false;
  call->armed_again = false;
  --armed_again_;
  return true;
}

/// A timer in the heap when the thread is awake is seen before it sleeps, and one that is later
/// than the end of its sleep is seen then: neither is worth a system call.
void Timekeeper::wake_if_later_than(SteadyTime due) noexcept {
  if (due >= asleep_until_) return;
  woken_ = true;
  wake_.notify_one();
}

void Timekeeper::start_thread() {
  if (drive_ == Drive::by_hand || thread_.joinable()) return;
  thread_ = std::thread([this] { keep_time(); });
}

bool Timekeeper::schedule(Timer& timer, SteadyTime due) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return false;
  if (timer.place_ != Timer::kNowhere) {
    move(timer.place_, {due, next_order_++, &timer});
  } else if (Running* call = call_of(timer)) {
    if (!call->armed_again) {
      make_room();
      call->armed_again = true;
      ++armed_again_;
    }
    call->again = {due, next_order_++, &timer};
    return true;
  } else {
    make_room();
    start_thread();
    insert({due, next_order_++, &timer});
  }
  wake_if_later_than(due);
  return true;
}

bool Timekeeper::cancel(Timer& timer) {
  const std::lock_guard lock(mutex_);
  return disarm(timer);
}

void Timekeeper::cancel_and_wait(Timer& timer) {
  std::unique_lock lock(mutex_);
  for (;;) {
    disarm(timer);
    Running* call = call_of(timer);
    if (call == nullptr || call->thread == std::this_thread::get_id()) return;
    call->awaited = true;
    ++waiting_;
    ended_.wait(lock);
    --waiting_;
  }
}

std::size_t Timekeeper::run(std::unique_lock<std::mutex>& lock, SteadyTime now) {
  const std::size_t at_most = heap_.size();
  std::size_t ran = 0;
  while (ran < at_most && !heap_.empty() && heap_.front().due <= now) {
    Timer& timer = *heap_.front().timer;
    remove(0);
    Running call{&timer, std::this_thread::get_id(), running_};
    running_ = &call;
    lock.unlock();
    const bool before = std::exchange(runs_timer_, true);
    timer.due();
    runs_timer_ = before;
    lock.lock();
    Running** link = &running_;
    while (*link != &call) link = &(*link)->next;
    *link = call.next;
    if (call.armed_again) {
      --armed_again_;
      if (!call.awaited) {
        insert(call.again);
        wake_if_later_than(call.again.due);
      }
    }
    if (waiting_ > 0) ended_.notify_all();
    ++ran;
  }
  return ran;
}

std::size_t Timekeeper::run_due() {
  const SteadyTime now = clock_->steady();
  std::unique_lock lock(mutex_);
  return run(lock, now);
}

void Timekeeper::sleep(std::unique_lock<std::mutex>& lock, SteadyTime now) {
  const auto is_over = [this] { return woken_ || stopping_; };
  if (heap_.empty() || stands_still_) {
    asleep_until_ = SteadyTime::max();
    wake_.wait(lock, is_over);
  } else {
    asleep_until_ = heap_.front().due;
    // How long, and not until when: only this clock knows what its times mean. Unsigned, since the
    // ends of time are further apart than a signed number can say.
    const std::uint64_t sleep_ns =
        static_cast<std::uint64_t>(asleep_until_.time_since_epoch().count()) -
        static_cast<std::uint64_t>(now.time_since_epoch().count());
    wake_.wait_for(lock, std::chrono::nanoseconds(std::min(sleep_ns, kSleepNsMax)), is_over);
  }
  asleep_until_ = SteadyTime::min();
}

void Timekeeper::keep_time() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    // Whoever moves the clock after it was read sets it again, and there is no sleep.
    woken_ = false;
    lock.unlock();
    const SteadyTime now = clock_->steady();
    lock.lock();
    if (run(lock, now) == 0 && !woken_ && !stopping_) sleep(lock, now);
  }
}

std::optional<SteadyTime> Timekeeper::next_due() const {
  const std::lock_guard lock(mutex_);
  std::optional<SteadyTime> next;
  if (!heap_.empty()) next = heap_.front().due;
  for (const Running* one = running_; one != nullptr; one = one->next) {
    if (one->armed_again && (!next || one->again.due < *next)) next = one->again.due;
  }
  return next;
}

std::size_t Timekeeper::armed() const {
  const std::lock_guard lock(mutex_);
  return heap_.size() + armed_again_;
}

void Timekeeper::shut_down() {
  std::thread thread;
  Clock::Watch watch;
  bool inside = false;
  std::vector<Timer*> disarmed;
  std::vector<Timer*> again;  // by their own due(), which runs
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const Slot& slot : heap_) {
      slot.timer->place_ = Timer::kNowhere;
      disarmed.push_back(slot.timer);
    }
    heap_.clear();
    for (Running* one = running_; one != nullptr; one = one->next) {
      if (std::exchange(one->armed_again, false)) again.push_back(one->timer);
    }
    armed_again_ = 0;
    inside = inside_due();
    // Inside due() the thread is left to the destructor, which may wait for it.
    if (!inside) thread.swap(thread_);
    watch.swap(watch_);
  }
  wake_.notify_one();
  watch.reset();  // without the lock, which its last call may be waiting for
  for (Timer* one : disarmed) one->disarmed();
  if (!inside) {
    if (thread.joinable()) thread.join();
    std::unique_lock lock(mutex_);
    ++waiting_;
    ended_.wait(lock, [this] { return running_ == nullptr; });
    --waiting_;
  }
  for (Timer* one : again) one->disarmed();
}

}  // namespace busway::delivery_detail
