#include "store/memory/state.hpp"

#include <algorithm>

#include "busway/error.hpp"
#include "platform/random.hpp"

namespace busway::store_detail {
namespace {

/// Appends between two looks at the retention, at least.
constexpr std::uint64_t kTidyEvery = 256;

}  // namespace

MemoryState::MemoryState(const StoreOptions& given)
    : options(given), writer(platform_detail::system_random()) {
  if (!options.clock) options.clock = Clock::system();
  if (!options.log) options.log = &log_to_stderr;
  counts.opened = now();
}

void MemoryState::check_open() const {
  if (closed) throw Error(ErrorCode::stopped, "store memory: it is closed");
}

void MemoryState::add(const Name& name) {
  index(*name);
  names.emplace(name->name(), name);
}

void MemoryState::index(MemoryDurable& name) {
  std::vector<PatternIndex::Handle>& handles = handles_[&name];
  for (const PatternIndex::Handle handle : handles) patterns_.remove(handle);
  handles.clear();
  handles.reserve(name.patterns().size());
  for (const Pattern& pattern : name.patterns()) {
    handles.push_back(patterns_.add(pattern, reinterpret_cast<PatternIndex::Value>(&name)));
  }
}

void MemoryState::drop(std::string_view name) {
  const auto known = names.find(name);
  MemoryDurable& gone = *known->second;
  for (const PatternIndex::Handle handle : handles_[&gone]) patterns_.remove(handle);
  handles_.erase(&gone);
  letters.forget_all_of(name);
  gone.removed = true;
  names.erase(known);
}

std::vector<MemoryDurable*> MemoryState::matching(std::string_view topic) const {
  std::vector<PatternIndex::Value> values;
  patterns_.match(topic, values);
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  std::vector<MemoryDurable*> matching;
  matching.reserve(values.size());
  for (const PatternIndex::Value value : values) {
    matching.push_back(reinterpret_cast<MemoryDurable*>(value));  // NOLINT(*-int-to-ptr)
  }
  return matching;
}

StoredStatus MemoryState::status_of(const MemoryLog::Entry& entry) {
  using State = StoredDelivery::State;
  StoredStatus status;
  status.stored = {entry.event, entry.sequence, writer};
  status.appended = entry.appended;
  std::size_t begun = 0;
  std::size_t completed = 0;
  bool failed = false;
  for (const auto& [name, durable] : names) {
    durable->observe(now());
    std::optional<StoredDelivery> delivery = durable->delivery(entry, letters);
    if (!delivery) continue;
    // One that is sent again is a failure until it has ended well.
    failed = failed || letters.find(name, entry.sequence) != nullptr;
    if (delivery->state != State::pending) ++begun;
    if (delivery->state == State::completed) ++completed;
    status.deliveries.push_back(std::move(*delivery));
  }
  if (failed) {
    status.status = EventStatus::failed;
  } else if (completed == status.deliveries.size()) {
    status.status = EventStatus::completed;
  } else if (begun > 0) {
    status.status = EventStatus::processing;
  }
  return status;
}

std::vector<std::size_t> MemoryState::beyond(const Retention& retention) const {
  // From the newest to the oldest: what is within number and size, and then nothing more is.
  std::size_t kept = log.size();
  if (retention.max_events) {
    kept = static_cast<std::size_t>(std::min<std::uint64_t>(kept, *retention.max_events));
  }
  if (retention.max_bytes) {
    std::uint64_t bytes = 0;
    std::size_t fit = 0;
    while (fit < kept && bytes + log.at(log.size() - 1 - fit).bytes <= *retention.max_bytes) {
      bytes += log.at(log.size() - 1 - fit).bytes;
      ++fit;
    }
    kept = fit;
  }
  const std::size_t first_kept = log.size() - kept;
  const WallTime time = now();
  std::vector<std::size_t> indexes;
  for (std::size_t i = 0; i < log.size(); ++i) {
    const bool old = retention.max_age && time - log.at(i).appended > *retention.max_age;
    if (i < first_kept || old) indexes.push_back(i);
  }
  return indexes;
}

TrimResult MemoryState::trim(const Retention& retention, std::vector<Event>& gone) {
  if (retention.keeps_all()) return {};
  std::vector<std::uint64_t> held;
  std::uint64_t settled_to = log.last();
  for (const auto& [name, durable] : names) {
    durable->add_unsettled(held);
    settled_to = std::min(settled_to, durable->cursor());
  }
  letters.add_sequences(held);
  std::sort(held.begin(), held.end());

  const auto is_held = [&](const MemoryLog::Entry& entry) {
    if (std::binary_search(held.begin(), held.end(), entry.sequence)) return true;
    if (entry.sequence <= settled_to) return false;
    const std::vector<MemoryDurable*> durables = matching(entry.event.topic());
    return std::any_of(durables.begin(), durables.end(),
                       [&](const MemoryDurable* one) { return one->cursor() < entry.sequence; });
  };
  std::vector<std::size_t> indexes = beyond(retention);
  TrimResult result;
  result.held = std::erase_if(indexes, [&](std::size_t i) { return is_held(log.at(i)); });
  result.removed = indexes.size();
  log.remove(indexes, gone);
  return result;
}

std::vector<std::string> MemoryState::expire() {
  std::vector<std::string> expired;
  if (!options.durable_expiry) return expired;
  const WallTime time = now();
  for (const auto& [name, durable] : names) {
    if (!durable->is_open() && time - durable->used() > *options.durable_expiry) {
      expired.push_back(name);
    }
  }
  for (const std::string& name : expired) drop(name);
  return expired;
}

std::vector<std::string> MemoryState::tidy(std::vector<Event>& gone) {
  const std::uint64_t appended = log.last() - tidied_at_;
  if (appended < std::max<std::uint64_t>(kTidyEvery, log.size() / 8)) return {};
  tidied_at_ = log.last();
  std::vector<std::string> expired = expire();  // first: what they held may go
  trim(options.retention, gone);
  return expired;
}

}  // namespace busway::store_detail
