#include "busway/store_watches.hpp"

#include <algorithm>
#include <utility>

namespace busway {

struct StoreWatches::One {
  std::recursive_mutex running;  // held through a call, and entered again where it ends its watch
  std::function<void()> news;
  bool ended = false;  // guarded by running
};

std::shared_ptr<void> StoreWatches::add(std::function<void()> news) {
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
            const std::lock_guard lock(one->running);
            one->ended = true;
          }};
}

void StoreWatches::tell() noexcept {
  std::vector<std::shared_ptr<One>> list;
  {
    const std::lock_guard lock(all_->mutex);
    list = all_->list;
  }
  for (const auto& one : list) {
    const std::lock_guard lock(one->running);
    if (!one->ended) one->news();
  }
}

}  // namespace busway
