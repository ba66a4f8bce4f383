// The last events, kept by the threads that published them.
#include <algorithm>
#include <thread>

#include "bus/bus_core.hpp"

namespace busway::detail {

std::vector<Event> BusCore::history(const Patterns& patterns, std::size_t limit, WallTime since) {
  const std::vector<Pattern> wanted = read(patterns);
  const auto matches = [&](const Event& event) {
    return event.time() >= since &&
           std::any_of(wanted.begin(), wanted.end(),
                       [&](const Pattern& pattern) { return pattern.matches(event.topic()); });
  };
  std::vector<Event> all;
  {
    const std::lock_guard registry(mutex_);  // no thread comes or goes
    const std::lock_guard lock(history_mutex_);
    history_reading_.store(true, std::memory_order_seq_cst);
    if (!only_this_thread()) platform_detail::heavy_barrier();
    for (const auto& thread : threads_) {
      while (thread->ring_busy.load(std::memory_order_seq_cst) != 0) std::this_thread::yield();
      // Oldest first, so that events of one thread and one time keep their order below.
      thread->for_each_event([&](const Event& event) { all.push_back(event); });
    }
    history_reading_.store(false, std::memory_order_release);
    all.insert(all.end(), old_history_.begin(), old_history_.end());
  }
  // Newest first. Within a thread the clock may have stepped back: a stable sort of the reversed
  // list keeps what came later before what came earlier wherever the times are equal.
  std::reverse(all.begin(), all.end());
  std::stable_sort(all.begin(), all.end(),
                   [](const Event& a, const Event& b) { return a.time() > b.time(); });
  if (all.size() > options_.history) all.resize(options_.history);
  std::vector<Event> out;
  for (Event& event : all) {
    if (limit != 0 && out.size() == limit) break;
    if (matches(event)) out.push_back(std::move(event));
  }
  return out;
}

}  // namespace busway::detail
