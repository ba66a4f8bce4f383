#include "store/watch_list.hpp"

#include <utility>

namespace busway::store_detail {

/// Recursive, so that a watch may be ended inside its own call.
struct WatchList::Watch {
  explicit Watch(std::function<void()> call) : news(std::move(call)) {}

  void tell() {
    const std::lock_guard lock(mutex);
    if (!ended) news();
  }
  void end() {
    const std::lock_guard lock(mutex);
    ended = true;
  }

  std::recursive_mutex mutex;  // held during a call, so that ending waits for it
  bool ended = false;
  std::function<void()> news;
};

std::shared_ptr<void> WatchList::add(std::function<void()> news) {
  auto watch = std::make_shared<Watch>(std::move(news));
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(watches_, [](const auto& weak) { return weak.expired(); });
    watches_.push_back(watch);
    any_.store(true, std::memory_order_release);
  }
  // The handle's end is the watch's end, whoever else holds the watch at that moment.
  void* const address = watch.get();
  return {address, [kept = std::move(watch)](void*) { kept->end(); }};
}

void WatchList::tell() {
  if (!any_.load(std::memory_order_acquire)) return;
  std::vector<std::shared_ptr<Watch>> told;
  {
    const std::lock_guard lock(mutex_);
    told.reserve(watches_.size());
    for (const auto& weak : watches_) {
      if (auto watch = weak.lock()) told.push_back(std::move(watch));
    }
  }
  for (const auto& watch : told) watch->tell();
}

}  // namespace busway::store_detail
