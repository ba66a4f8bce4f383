#include "busway/store_watches.hpp"

#include <algorithm>
#include <condition_variable>
#include <thread>
#include <utility>

namespace busway {

struct StoreWatches::One {
  std::function<void(StoreNews)> news;
  std::mutex mutex;
  std::condition_variable returned;
  // Guarded by mutex.
  std::vector<std::thread::id> callers;  // each call that runs
  bool ended = false;
  bool ended_within = false;  // a call of its own

  void tell(StoreNews how) noexcept {
    const std::thread::id self = std::this_thread::get_id();
    {
      const std::lock_guard lock(mutex);
      if (ended) return;
      callers.push_back(self);
    }
    news(how);
    std::function<void(StoreNews)> last;
    {
      const std::lock_guard lock(mutex);
      callers.erase(std::find(callers.begin(), callers.end(), self));
      if (ended_within && callers.empty()) last.swap(news);
    }
    returned.notify_all();
  }
  /// The function goes here, or where the call that ended it returns: a store that is about to tell
  /// may hold this for a while, and what the function owns is not for its threads to end.
  void end() {
    const std::thread::id self = std::this_thread::get_id();
    std::function<void(StoreNews)> last;
    std::unique_lock lock(mutex);
    ended = true;
    returned.wait(lock, [&] {
      return std::all_of(callers.begin(), callers.end(), [&](auto one) { return one == self; });
    });
    ended_within = !callers.empty();
    if (!ended_within) last.swap(news);
    lock.unlock();
  }
};

std::shared_ptr<void> StoreWatches::add(std::function<void(StoreNews)> news) {
  auto one = std::make_shared<One>();
  one->news = std::move(news);
  {
    const std::lock_guard lock(all_->mutex);
    all_->list.push_back(one);
  }
  return {one.get(), [one, all = std::weak_ptr<All>(all_)](void*) {
            if (const auto from = all.lock()) {
              const std::lock_guard lock(from->mutex);
              std::erase(from->list, one);
            }
            one->end();
          }};
}

void StoreWatches::tell(StoreNews news) noexcept {
  std::vector<std::shared_ptr<One>> list;
  {
    const std::lock_guard lock(all_->mutex);
    list = all_->list;
  }
  for (const auto& one : list) one->tell(news);
}

}  // namespace busway
