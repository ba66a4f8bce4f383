// The last events, kept by the threads that published them.
#include <algorithm>
#include <thread>

#include "bus/bus_core.hpp"

namespace busway::detail {

std::vector<Event> BusCore::history(const Patterns& patterns, std::size_t limit, WallTime since) {
  const std::vector<Pattern> wanted = read(patterns);
  std::vector<Event> out;
  for (auto& [event, publisher] : past_events(nullptr)) {
    if (limit != 0 && out.size() == limit) break;
    if (event.time() < since) continue;
    const std::string_view topic = event.topic();
    const bool matches = std::any_of(wanted.begin(), wanted.end(), [topic](const Pattern& pattern) {
      return pattern.matches(topic);
    });
    if (matches) out.push_back(std::move(event));
  }
  return out;
}

/// All that is kept, newest first.
std::vector<delivery_detail::PastEvent> BusCore::past_events(bool* cut) {
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
  std::vector<delivery_detail::PastEvent> all;
  while (all.size() < options_.history) {
    std::size_t newest = lists.size();
    for (std::size_t i = 0; i < lists.size(); ++i) {
      if (lists[i].empty()) continue;
      if (newest == lists.size() || lists[i].back().time() > lists[newest].back().time()) {
        newest = i;
      }
    }
    if (newest == lists.size()) break;
    all.push_back({std::move(lists[newest].back()), static_cast<std::uint32_t>(newest)});
    lists[newest].pop_back();
  }
  for (const std::vector<Event>& list : lists) lost = lost || !list.empty();
  if (cut != nullptr) *cut = lost;
  return all;
}

}  // namespace busway::detail
