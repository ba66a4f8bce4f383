#include <algorithm>
#include <exception>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/one_shot.hpp"
#include "busway/error.hpp"
#include "busway/limits.hpp"
#include "delivery_states.hpp"
#include "sqlite_store.hpp"
#include "store/event_query.hpp"
#include "time_blocks.hpp"

namespace busway::sqlite {
std::uint64_t SqliteStore::first_appended(Reader& reader, std::int64_t time) {
  const auto bound = [](Statement& statement) {
    statement.reset();
    const std::uint64_t value = statement.step() ? statement.unsigned_number(0) : 0;
    statement.reset();
    return value;
  };
  std::uint64_t low = bound(reader.first);
  std::uint64_t high = bound(reader.last) + 1;
  if (low == 0) return 0;
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    reader.after.start(middle - 1, std::numeric_limits<std::int64_t>::max());
    bool there = reader.after.step();
    while (there && !EventReader::head_at(reader.after).is_sound) there = reader.after.step();
    if (there && reader.after.number(4) < time) {
      low = std::max(middle, reader.after.unsigned_number(0)) + 1;
    } else {
      high = middle;
    }
    reader.after.reset();
  }
  return low;
}

namespace {

/// Sequences whose single rows are read at once.
constexpr std::uint64_t kStatesAtOnce = 1'024;

void refuse_all(std::span<AppendResult> results) noexcept {
  for (AppendResult& one : results) {
    one = {.answer = Appended::not_stored, .sequence = 0, .error = {}};
    try {
      one.error = "the store is open for reading only";
    } catch (...) {  // no memory for words either
      one.error.clear();
    }
  }
}

/// Waits for its answer without a thread to tell it, where it has come already.
class Awaited final : public AppendRequest {
 public:
  using AppendRequest::AppendRequest;
  void done() noexcept override { answered_.set(); }
  void wait() { answered_.wait(); }

 private:
  detail::OneShot answered_;
};

}  // namespace

void SqliteStore::append(AppendRequest& request) noexcept {
  if (core_->writer) return core_->writer->append(request);
  refuse_all(request.results());
  request.done();
}

void SqliteStore::append(std::span<const Event> events, std::span<AppendResult> results) noexcept {
  if (events.empty()) return;
  if (!core_->writer) return refuse_all(results);
  Awaited request(events, results);
  core_->writer->append_here(request);
  request.wait();
}

StorePage SqliteStore::read(const StoreQuery& query) {
  StorePage page;
  page.next = query.after;
  std::vector<std::pair<std::uint64_t, std::string>> damaged;
  bool met_strays = false;
  core_->asking([&] {
    const Core::Borrowed reader = core_->reader();
    const std::size_t limit = query.limit != 0 ? query.limit : limits::kStorePage;
    const bool forward = query.direction == StoreQuery::Direction::oldest_first;
    constexpr std::uint64_t kLast = std::numeric_limits<std::int64_t>::max();
    TimeBlocks::Part left;
    if (forward) {
      left = {std::min(query.after, kLast - 1) + 1, std::min(query.up_to.value_or(kLast), kLast)};
    } else {
      left = {std::max<std::uint64_t>(query.up_to.value_or(1), 1),
              query.after == 0 ? kLast : std::min(query.after, kLast) - 1};
    }
    TimeBlocks::Times times;
    if (query.since) times.since = query.since->time_since_epoch().count();
    if (query.until) times.until = query.until->time_since_epoch().count();
    const bool by_time = query.since || query.until;
    if (by_time) {
      reader->last.reset();
      left.high = std::min(left.high, reader->last.step() ? reader->last.unsigned_number(0) : 0);
      reader->last.reset();
    }
    std::optional<Snapshot> snapshot;
    std::optional<DeliveryStates> states;
    if (query.status) {
      snapshot.emplace(reader->database);
      states.emplace(*reader, kStatesAtOnce);
    }
    std::unordered_map<std::int64_t, bool> topics;
    const auto wanted = [&](std::int64_t topic) {
      if (query.patterns.empty()) return true;
      const auto [known, first] = topics.try_emplace(topic, false);
      if (first) {
        const std::string_view name = reader->events.topics().name_of(topic);
        known->second = name.empty() || std::any_of(query.patterns.begin(), query.patterns.end(),
                                                    [name](const Pattern& pattern) {
                                                      return pattern.matches(name);
                                                    });
      }
      return known->second;
    };
    const auto read_row = [&](Statement& rows) {
      const RowHead head = EventReader::head_at(rows);
      if (head.is_sound) {
        if (query.not_by && head.writer == *query.not_by) return;
        if (!wanted(head.topic)) return;
      }
      EventRow row = reader->events.row_at(rows, head);
      if (!row.event) {
        damaged.emplace_back(row.sequence, std::move(row.damage));
        return;
      }
      if (!store_detail::fits(query, *row.event)) return;
      if (states &&
          store_detail::status_of(states->of(row.sequence, row.event->topic())) != *query.status) {
        return;
      }
      page.events.push_back({std::move(*row.event), row.sequence, row.writer});
    };
    Statement& rows = forward ? reader->after : reader->before;
    std::size_t bytes = 0;
    while (!left.empty() && !page.more) {
      TimeBlocks::Part part = left;
      if (by_time) {
        part = forward ? reader->times.next_up(left, times) : reader->times.next_down(left, times);
      }
      if (part.empty()) break;
      if (forward) {
        rows.start(part.low - 1, part.high);
        left.low = part.high + 1;
      } else {
        rows.start(std::min(part.high, kLast - 1) + 1, part.low);
        left.high = part.low - 1;
      }
      while (rows.step()) {
        const std::size_t size = EventReader::bytes_of(rows);
        const bool too_large = !page.events.empty() && bytes + size > limits::kStoreBytesAtOnce;
        if (page.events.size() == limit || too_large) {
          page.more = true;
          break;
        }
        page.next = rows.unsigned_number(0);
        const std::size_t before = page.events.size();
        read_row(rows);
        if (page.events.size() != before) bytes += size;
      }
      rows.reset();
    }
    met_strays = states && states->met_strays();
    return true;
  });
  if (met_strays) take_back_strays();
  page.set_aside = damaged.size();
  core_->try_set_aside(damaged);
  return page;
}

std::optional<EventRow> SqliteStore::row_of(const EventId& id) {
  std::vector<std::pair<std::uint64_t, std::string>> damaged;
  auto found = core_->asking([&]() -> std::optional<EventRow> {
    const Core::Borrowed reader = core_->reader();
    const IdBytes bytes(id);
    if (!reader->by_id.start(bytes.bytes()).step()) return std::nullopt;
    EventRow row = reader->events.row_at(reader->by_id);
    if (row.event) return row;
    damaged.emplace_back(row.sequence, std::move(row.damage));
    return std::nullopt;
  });
  core_->try_set_aside(damaged);
  return found;
}

std::optional<StoredEvent> SqliteStore::find(const EventId& id) {
  std::optional<EventRow> row = row_of(id);
  if (!row) return std::nullopt;
  return StoredEvent{std::move(*row->event), row->sequence, row->writer};
}

std::optional<StoredStatus> SqliteStore::status(const EventId& id) {
  std::optional<EventRow> row = row_of(id);
  if (!row) return std::nullopt;
  StoredStatus out;
  out.stored = {std::move(*row->event), row->sequence, row->writer};
  out.appended = WallTime(std::chrono::nanoseconds(row->appended));
  bool met_strays = false;
  core_->asking([&] {
    const Core::Borrowed reader = core_->reader();
    const Snapshot snapshot(reader->database);
    DeliveryStates states(*reader, 1);
    out.deliveries = states.of(out.stored.sequence, out.stored.event.topic());
    met_strays = states.met_strays();
    return true;
  });
  if (met_strays) take_back_strays();
  out.status = store_detail::status_of(out.deliveries);
  return out;
}

}  // namespace busway::sqlite
