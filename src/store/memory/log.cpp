#include "store/memory/log.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "busway/error.hpp"
#include "busway/event_record.hpp"
#include "event/event_access.hpp"

namespace busway::store_detail {
namespace {

using detail::EventAccess;

constexpr std::uint64_t kEnvelopeBytes = 160;

/// About what the text would take; nothing is written.
std::uint64_t size_of(const Json& json) {
  if (json.is_string()) return json.get_ref<const std::string&>().size() + 2;
  if (!json.is_structured()) return 8;
  std::uint64_t size = 2;
  if (json.is_object()) {
    for (const auto& [name, value] : json.items()) size += name.size() + 4 + size_of(value);
  } else {
    for (const Json& value : json) size += 1 + size_of(value);
  }
  return size;
}

std::uint64_t size_of(const Event& event) {
  std::uint64_t size = kEnvelopeBytes + event.topic().size() + event.source().size();
  if (const detail::RareFields* const rare = EventAccess::rare(event)) {
    size += rare->ends[detail::kRareTexts - 1];
    if (!event.metadata().empty()) size += size_of(event.metadata().json());
    if (rare->extensions) size += size_of(*rare->extensions);
  }
  if (event.is_json()) return size + size_of(event.json());
  if (event.is_bytes()) return size + event.bytes().size();
  return event.has_payload() ? size + EventAccess::type(event)->size : size;
}

/// A copy that owns; JSON in place of a payload of a type that cannot be copied.
Event own_copy(const Event& event) {
  const detail::PayloadType* const type = EventAccess::type(event);
  const bool copies = !event.is_typed() || type->share != nullptr || type->fits_inline();
  if (copies) return event;
  RecordScratch scratch;
  return event_of(record_of(event, scratch));
}

}  // namespace

LogItem item_of(const Event& event) {
  LogItem item;
  if (event.id().is_nil()) {
    item.refused =
        "the event has no id; the bus gives it one, or Event(topic, payload, {.id = ...})";
    return item;
  }
  if (event.is_typed() && EventAccess::type(event)->to_json == nullptr) {
    // This store could keep it, but a program that runs with it should run with any.
    item.refused = "its payload is a " + std::string(event.payload_name()) +
                   ", which cannot be JSON; describe the type, or send JSON or bytes";
    return item;
  }
  try {
    item.event = own_copy(event);
    item.bytes = size_of(item.event);
  } catch (const Error& error) {
    item.refused = error.what();
  }
  return item;
}

MemoryLog::Appended MemoryLog::append(LogItem&& item, WallTime now) {
  const auto [known, fresh] = sequences_.try_emplace(item.event.id(), last_ + 1);
  if (!fresh) return {.sequence = known->second, .duplicate = true};
  try {
    entries_.push_back({std::move(item.event), last_ + 1, now, item.bytes});
  } catch (...) {
    sequences_.erase(known);
    throw;
  }
  bytes_ += item.bytes;
  return {.sequence = ++last_, .duplicate = false};
}

Event MemoryLog::take_back() noexcept {
  Event event = std::move(entries_.back().event);
  bytes_ -= entries_.back().bytes;
  sequences_.erase(event.id());
  entries_.pop_back();
  --last_;
  return event;
}

std::size_t MemoryLog::first_from(std::uint64_t sequence) const noexcept {
  const auto first = std::lower_bound(
      entries_.begin(), entries_.end(), sequence,
      [](const Entry& entry, std::uint64_t wanted) { return entry.sequence < wanted; });
  return static_cast<std::size_t>(first - entries_.begin());
}

const MemoryLog::Entry* MemoryLog::find(std::uint64_t sequence) const noexcept {
  const std::size_t index = first_from(sequence);
  return index < entries_.size() && entries_[index].sequence == sequence ? &entries_[index]
                                                                         : nullptr;
}

const MemoryLog::Entry* MemoryLog::find(const EventId& id) const noexcept {
  const auto known = sequences_.find(id);
  return known == sequences_.end() ? nullptr : find(known->second);
}

void MemoryLog::remove(std::span<const std::size_t> indexes, std::vector<Event>& gone_events) {
  if (indexes.empty()) return;
  gone_events.reserve(gone_events.size() + indexes.size());
  // Those kept among the first are moved up behind the gap, so that a trim costs what it covers.
  auto gone = indexes.rbegin();
  std::size_t to = indexes.back() + 1;
  for (std::size_t from = to; from-- > 0;) {
    if (gone != indexes.rend() && *gone == from) {
      ++gone;
      bytes_ -= entries_[from].bytes;
      sequences_.erase(entries_[from].event.id());
      gone_events.push_back(std::move(entries_[from].event));
    } else if (--to != from) {
      entries_[to] = std::move(entries_[from]);
    }
  }
  entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(to));
}

}  // namespace busway::store_detail
