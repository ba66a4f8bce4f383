// The last events, kept by the threads that published them.
#include <algorithm>
#include <iterator>
#include <thread>
#include <unordered_set>
#include <utility>

#include "bus/bus_core.hpp"

namespace busway::detail {

std::vector<Event> BusCore::history(const Patterns& patterns, std::size_t limit, WallTime since) {
  const std::vector<Pattern> wanted = read(patterns);
  std::vector<Event> out;
  for (delivery_detail::PastEvent& one : past_events_of(wanted, limit, since, nullptr)) {
    if (limit != 0 && out.size() == limit) break;
    if (one.event.time() >= since) out.push_back(std::move(one.event));
  }
  return out;
}

std::vector<delivery_detail::PastEvent> BusCore::past_events_of(std::span<const Pattern> patterns,
                                                                std::size_t limit, WallTime since,
                                                                bool* cut) {
  std::vector<delivery_detail::PastEvent> out;
  for (delivery_detail::PastEvent& one : past_events(cut)) {
    const std::string_view topic = one.event.topic();
    if (std::any_of(patterns.begin(), patterns.end(),
                    [topic](const Pattern& pattern) { return pattern.matches(topic); })) {
      out.push_back(std::move(one));
    }
  }
  StoreLink* const store = link();
  if (store == nullptr || !store->keeps_any()) return out;
  if (cut != nullptr && store->keeps_all()) *cut = false;
  add_stored(patterns, limit, since, out);
  return out;
}

/// Merges what the store has by time, leaving out what is there. No two of those are taken to be of
/// one publisher: the store does not say.
void BusCore::add_stored(std::span<const Pattern> patterns, std::size_t limit, WallTime since,
                         std::vector<delivery_detail::PastEvent>& past) {
  std::unordered_set<EventId> known;
  std::uint32_t publisher = 0;
  for (const delivery_detail::PastEvent& one : past) {
    known.insert(one.event.id());
    publisher = std::max(publisher, one.publisher);
  }
  std::vector<delivery_detail::PastEvent> stored;
  StoreQuery query{.direction = StoreQuery::Direction::newest_first, .patterns = patterns};
  if (since != WallTime{}) query.since = since;
  for (bool more = true; more && (limit == 0 || stored.size() < limit);) {
    StorePage page = link()->store().read(query);
    for (StoredEvent& one : page.events) {
      if (known.contains(one.event.id())) continue;
      stored.push_back({std::move(one.event), ++publisher});
    }
    more = page.more;
    query.after = page.next;
  }
  if (stored.empty()) return;
  // The order within each list stays, whatever the clocks did.
  std::vector<delivery_detail::PastEvent> merged;
  merged.reserve(past.size() + stored.size());
  std::merge(std::make_move_iterator(past.begin()), std::make_move_iterator(past.end()),
             std::make_move_iterator(stored.begin()), std::make_move_iterator(stored.end()),
             std::back_inserter(merged),
             [](const auto& a, const auto& b) { return a.event.time() > b.event.time(); });
  past.swap(merged);
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
