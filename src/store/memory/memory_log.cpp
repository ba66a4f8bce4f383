#include "store/memory/memory_log.hpp"

#include <utility>

#include "busway/event_record.hpp"

namespace busway::store_detail {

std::pair<std::uint64_t, bool> MemoryLog::append(const Event& event, WallTime now) {
  const auto known = ids_.find(event.id());
  if (known != ids_.end()) return {known->second, false};
  // What a store on disk could not take is refused here as well, and kept as it would be there.
  RecordScratch scratch;
  const EventRecord record = record_of(event, scratch);
  Entry entry{.event = event_of(record),
              .appended = now,
              .bytes = sizeof(Event) + record.topic.size() + record.payload.size() +
                       record.metadata.size() + record.extensions.size()};
  const std::uint64_t sequence = base_ + entries_.size();
  bytes_ += entry.bytes;
  entries_.emplace_back(std::move(entry));
  ids_.emplace(event.id(), sequence);
  return {sequence, true};
}

const MemoryLog::Entry* MemoryLog::find(std::uint64_t sequence) const noexcept {
  if (sequence < base_ || sequence - base_ >= entries_.size()) return nullptr;
  const std::optional<Entry>& entry = entries_[sequence - base_];
  return entry ? &*entry : nullptr;
}

std::uint64_t MemoryLog::sequence_of(const EventId& id) const noexcept {
  const auto known = ids_.find(id);
  return known != ids_.end() ? known->second : 0;
}

void MemoryLog::erase(std::uint64_t sequence) {
  if (find(sequence) == nullptr) return;
  std::optional<Entry>& entry = entries_[sequence - base_];
  bytes_ -= entry->bytes;
  ids_.erase(entry->event.id());
  entry.reset();
  while (!entries_.empty() && !entries_.front()) {
    entries_.pop_front();
    ++base_;
  }
}

}  // namespace busway::store_detail
