#include "store/event_query.hpp"

#include <algorithm>
#include <string_view>

namespace busway::store_detail {
namespace {

bool fits(std::span<const Pattern> patterns, std::string_view topic) {
  return patterns.empty() ||
         std::any_of(patterns.begin(), patterns.end(),
                     [topic](const Pattern& pattern) { return pattern.matches(topic); });
}

bool fits(const std::optional<std::string_view>& wanted, std::string_view value) noexcept {
  return !wanted || *wanted == value;
}

}  // namespace

bool fits(const StoreQuery& query, const Event& event) {
  return (!query.since || event.time() >= *query.since) &&
         (!query.until || event.time() < *query.until) &&
         (!query.origin || event.origin() == *query.origin) && fits(query.source, event.source()) &&
         fits(query.user_id, event.user_id()) && fits(query.session_id, event.session_id()) &&
         fits(query.instance_id, event.instance_id()) && fits(query.schema, event.schema()) &&
         fits(query.entity, event.entity()) && fits(query.operation, event.operation()) &&
         fits(query.correlation_id, event.correlation_id()) && fits(query.patterns, event.topic());
}

bool fits(const StoredLetterQuery& query, const StoredLetter& letter) {
  const StoredLetter::Death& last = letter.history.back();
  return (!query.id || letter.id == *query.id) && letter.id > query.after &&
         (query.durable.empty() || letter.durable == query.durable) &&
         (!query.since || last.time >= *query.since) &&
         (!query.until || last.time < *query.until) && (!query.code || last.code == *query.code) &&
         fits(query.patterns, letter.event.topic());
}

EventStatus status_of(std::span<const StoredDelivery> deliveries) noexcept {
  using State = StoredDelivery::State;
  bool all_done = true;
  bool begun = false;
  for (const StoredDelivery& one : deliveries) {
    if (one.state == State::dead_lettered) return EventStatus::failed;
    all_done = all_done && one.state == State::completed;
    begun = begun || one.state != State::pending;
  }
  if (all_done) return EventStatus::completed;
  return begun ? EventStatus::processing : EventStatus::pending;
}

}  // namespace busway::store_detail
