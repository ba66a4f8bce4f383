// The last events, kept by the threads that published them.
#include <algorithm>
#include <thread>

#include "bus/bus_core.hpp"

namespace busway::detail {

std::vector<Event> BusCore::history(const Patterns& patterns, std::size_t limit, WallTime since,
                                    bool* cut) {
  const std::vector<Pattern> wanted = read(patterns);
  const auto matches = [&](const Event& event) {
    return event.time() >= since &&
           std::any_of(wanted.begin(), wanted.end(),
                       [&](const Pattern& pattern) { return pattern.matches(event.topic()); });
  };
  // One list a thread, oldest first, so that the order of each is kept even if its clock stepped
  // back.
  std::vector<std::vector<Event>> lists;
  bool lost = false;
  {
    const std::lock_guard registry(mutex_);  // no thread comes or goes
    const std::lock_guard lock(history_mutex_);
    history_reading_.store(true, std::memory_order_seq_cst);
    if (!only_this_thread()) platform_detail::heavy_barrier();
    for (const auto& thread : threads_) {
      while (thread->ring_busy.load(std::memory_order_seq_cst) != 0) std::this_thread::yield();
      lists.emplace_back();
      thread->for_each_event([&](const Event& event) { lists.back().push_back(event); });
      lost = lost || thread->ring_lost();
    }
    history_reading_.store(false, std::memory_order_release);
    lists.push_back(old_history_);
    lost = lost || old_history_lost_ || options_.history == 0;
  }
  std::vector<Event> all;
  while (all.size() < options_.history) {
    std::vector<Event>* newest = nullptr;
    for (std::vector<Event>& list : lists) {
      if (list.empty()) continue;
      if (newest == nullptr || list.back().time() > newest->back().time()) newest = &list;
    }
    if (newest == nullptr) break;
    all.push_back(std::move(newest->back()));
    newest->pop_back();
  }
  for (const std::vector<Event>& list : lists) lost = lost || !list.empty();
  if (cut != nullptr) *cut = lost;
  std::vector<Event> out;
  for (Event& event : all) {
    if (limit != 0 && out.size() == limit) break;
    if (matches(event)) out.push_back(std::move(event));
  }
  return out;
}

}  // namespace busway::detail
