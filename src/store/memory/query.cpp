#include "store/memory/query.hpp"

#include <algorithm>
#include <string_view>

#include "busway/limits.hpp"
#include "store/event_query.hpp"

namespace busway::store_detail {
namespace {

/// Entries that one holding of the mutex looks at; fewer where each asks all names for its status.
constexpr std::size_t kReadAtOnce = 2'048;
constexpr std::size_t kStatusAtOnce = 32;

/// A page in the making: where it has come to, in either direction.
class Reading {
 public:
  Reading(MemoryState& state, const StoreQuery& query)
      : state_(state),
        query_(query),
        limit_(query.limit == 0 ? limits::kStorePage : query.limit),
        forward_(query.direction == StoreQuery::Direction::oldest_first) {
    page.next = query.after;
  }

  /// False: the page is done. With the mutex held.
  bool read_piece() {
    const std::size_t entries = query_.status ? kStatusAtOnce : kReadAtOnce;
    for (std::size_t i = 0; i < entries; ++i) {
      const MemoryLog::Entry* const entry = next();
      if (entry == nullptr) return false;
      if (page.events.size() == limit_) {
        page.more = true;
        return false;
      }
      page.next = entry->sequence;
      if (fits(*entry)) page.events.push_back({entry->event, entry->sequence, state_.writer});
    }
    return true;
  }

  StorePage page;

 private:
  /// Found anew each time, as others append and trim between two pieces.
  const MemoryLog::Entry* next() const noexcept {
    const MemoryLog& log = state_.log;
    if (forward_) {
      const std::size_t index = log.first_from(page.next + 1);
      if (index == log.size()) return nullptr;
      return query_.up_to && log.at(index).sequence > *query_.up_to ? nullptr : &log.at(index);
    }
    const std::size_t index = page.next == 0 ? log.size() : log.first_from(page.next);
    if (index == 0) return nullptr;
    return query_.up_to && log.at(index - 1).sequence < *query_.up_to ? nullptr
                                                                      : &log.at(index - 1);
  }

  bool fits(const MemoryLog::Entry& entry) const {
    if (query_.not_by && *query_.not_by == state_.writer) return false;
    return store_detail::fits(query_, entry.event) &&
           (!query_.status || state_.status_of(entry).status == *query_.status);
  }

  MemoryState& state_;
  const StoreQuery& query_;
  const std::size_t limit_;
  const bool forward_;
};

}  // namespace

StorePage read_page(MemoryState& state, const StoreQuery& query) {
  Reading reading(state, query);
  for (bool more = true; more;) {
    const std::lock_guard lock(state.mutex);
    state.check_open();
    more = reading.read_piece();
  }
  return std::move(reading.page);
}

}  // namespace busway::store_detail
