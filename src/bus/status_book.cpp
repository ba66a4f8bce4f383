#include "bus/status_book.hpp"

#include <algorithm>
#include <utility>

#include "base/escape.hpp"

namespace busway::detail {
namespace {

WallTime wall(std::int64_t ns) noexcept { return WallTime(std::chrono::nanoseconds(ns)); }

std::optional<WallTime> wall(const std::optional<std::int64_t>& ns) noexcept {
  return ns ? std::optional(wall(*ns)) : std::nullopt;
}

}  // namespace

StatusBook::Ticket StatusBook::begin(const EventId& id, std::string_view topic,
                                     std::int64_t now_ns) {
  Record made;
  made.id = id;
  made.topic = std::string(topic);
  made.published_ns = now_ns;
  // Texts are freed without the lock: `made` then holds the record it took the place of.
  const std::lock_guard lock(mutex_);
  made.ticket = last_ + 1;
  const auto place = static_cast<std::size_t>(last_ % capacity_);
  by_id_.insert_or_assign(id, made.ticket);
  if (place == records_.size()) {
    records_.push_back(std::move(made));
  } else {
    std::swap(records_[place], made);
    const auto old = by_id_.find(made.id);
    if (old != by_id_.end() && old->second == made.ticket) by_id_.erase(old);
  }
  return ++last_;
}

StatusBook::Record* StatusBook::record_of(Ticket ticket) noexcept {
  if (ticket == 0) return nullptr;
  Record& record = records_[static_cast<std::size_t>((ticket - 1) % capacity_)];
  return record.ticket == ticket ? &record : nullptr;
}

void StatusBook::began(Ticket ticket, std::int64_t now_ns) {
  const std::lock_guard lock(mutex_);
  Record* record = record_of(ticket);
  if (record != nullptr && !record->started_ns) record->started_ns = now_ns;
}

void StatusBook::expect(Ticket ticket, std::int64_t now_ns) {
  const std::lock_guard lock(mutex_);
  if (Record* record = record_of(ticket)) record->expected_ns = now_ns;
}

void StatusBook::withdraw(Ticket ticket) {
  const std::lock_guard lock(mutex_);
  if (Record* record = record_of(ticket)) record->expected_ns.reset();
}

void StatusBook::attempted(Ticket ticket, unsigned attempts) {
  const std::lock_guard lock(mutex_);
  Record* record = record_of(ticket);
  if (record != nullptr) record->attempts = std::max(record->attempts, attempts);
}

void StatusBook::failed(Ticket ticket, std::string_view subscription, std::string_view reason) {
  std::string text = quote(subscription);
  text.append(": ").append(reason);
  const std::lock_guard lock(mutex_);
  Record* record = record_of(ticket);
  if (record != nullptr && record->failures++ == 0) record->error.swap(text);
}

void StatusBook::settled(Ticket ticket, std::int64_t now_ns) {
  const std::lock_guard lock(mutex_);
  if (Record* record = record_of(ticket)) record->finished_ns = now_ns;
}

void StatusBook::redriven(const EventId& id, unsigned attempts, std::int64_t now_ns) {
  std::string gone;
  const std::lock_guard lock(mutex_);
  const auto known = by_id_.find(id);
  Record* record = known != by_id_.end() ? record_of(known->second) : nullptr;
  if (record == nullptr || record->failures == 0) return;
  record->attempts = std::max(record->attempts, attempts);
  if (--record->failures != 0) return;
  record->error.swap(gone);
  if (record->finished_ns) record->finished_ns = now_ns;
}

std::optional<EventStatusInfo> StatusBook::find(const EventId& id) const {
  Record found;
  {
    const std::lock_guard lock(mutex_);
    const auto known = by_id_.find(id);
    if (known == by_id_.end()) return std::nullopt;
    found = records_[static_cast<std::size_t>((known->second - 1) % capacity_)];
  }
  EventStatusInfo info;
  info.id = found.id;
  info.topic = std::move(found.topic);
  info.published = wall(found.published_ns);
  if (found.started_ns && found.expected_ns) {
    info.started = wall(std::min(*found.started_ns, *found.expected_ns));
  } else {
    info.started = wall(found.started_ns ? found.started_ns : found.expected_ns);
  }
  info.finished = wall(found.finished_ns);
  info.attempts = found.attempts;
  info.error = std::move(found.error);
  if (found.failures != 0) {
    info.status = EventStatus::failed;
  } else if (info.finished) {
    info.status = EventStatus::completed;
  } else {
    info.status = info.started ? EventStatus::processing : EventStatus::pending;
  }
  return info;
}

}  // namespace busway::detail
