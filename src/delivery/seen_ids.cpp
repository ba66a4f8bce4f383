#include "delivery/seen_ids.hpp"

#include <algorithm>
#include <iterator>

#include "busway/limits.hpp"

namespace busway::delivery_detail {

bool SeenIds::seen(const EventId& id, std::int64_t now_ns) {
  const std::lock_guard lock(mutex_);
  while (!order_.empty() &&
         (now_ns - order_.front().first >= window_ns_ || order_.size() >= limits::kDedupeIdsMax)) {
    ids_.erase(order_.front().second);
    order_.pop_front();
  }
  if (!ids_.insert(id).second) return true;
  order_.emplace_back(now_ns, id);
  return false;
}

bool SeenIds::is_known(const EventId& id, std::int64_t now_ns) {
  const std::lock_guard lock(mutex_);
  if (!ids_.contains(id)) return false;
  // Those beyond the window have not been forgotten yet where nothing was remembered since.
  const auto place =
      std::find_if(order_.begin(), order_.end(), [&](const auto& one) { return one.second == id; });
  return place != order_.end() && now_ns - place->first < window_ns_;
}

void SeenIds::forget(const EventId& id) {
  const std::lock_guard lock(mutex_);
  if (ids_.erase(id) == 0) return;
  const auto place = std::find_if(order_.rbegin(), order_.rend(),
                                  [&](const auto& one) { return one.second == id; });
  if (place != order_.rend()) order_.erase(std::next(place).base());
}

}  // namespace busway::delivery_detail
