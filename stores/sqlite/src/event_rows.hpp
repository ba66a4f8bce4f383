// event_rows.hpp -- events as rows of the table `events`, both ways.
// Layer: store
//
// Model      A payload above a size is compressed if that makes it smaller (codec 1: zstd). The sum
//            covers every column and the name of the topic; a row that does not pass it gives no
//            event. What is compared before the rest is read, topic and writer above all, has a
//            small sum of its own: a row must not be passed by for what it does not say.
// Threads    [not-concurrent]: as the connection.
// Ownership  Refers to its connection.
// Errors     Fault. A row that is damaged is a value, with its reason.
// Cost       One insert; one pass over a row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "busway/event.hpp"
#include "busway/event_record.hpp"
#include "database.hpp"

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace busway::sqlite {

/// The columns that row_at() reads, in its order.
inline constexpr std::string_view kEventColumns =
    "seq, id, topic, time, appended, writer, sum, head, priority, origin, hops, schema_version, "
    "causation, source, key, user_id, session_id, instance_id, schema, entity, operation, "
    "correlation_id, traceparent, metadata, extensions, content_type, codec, size, payload";
inline constexpr int kEventColumnCount = 29;
[[nodiscard]] inline std::string select_events(std::string_view where) {
  return "SELECT " + std::string(kEventColumns) + " FROM events WHERE " + std::string(where);
}
/// Behind the first value, up to the second.
inline constexpr std::string_view kAfter = "seq > ? AND seq <= ? ORDER BY seq";

/// Topics by number; numbers of a transaction that was rolled back are forgotten by forget().
class TopicNames {
 public:
  explicit TopicNames(Database& database);
  /// Makes it if there is none.
  [[nodiscard]] std::int64_t number_of(std::string_view name);
  /// Empty: there is none, or it does not pass its sum.
  [[nodiscard]] std::string_view name_of(std::int64_t number);
  /// A sentence for each that does not pass its sum.
  [[nodiscard]] static std::vector<std::string> check(Database& database);
  void forget() {
    numbers_.clear();
    names_.clear();
  }

 private:
  static constexpr std::size_t kMax = 1'048'576;  // then all are forgotten
  Statement find_;
  Statement add_;
  Statement seal_;
  Statement name_;
  std::unordered_map<std::string, std::int64_t> numbers_;
  std::unordered_map<std::int64_t, std::string> names_;
};

class EventWriter {
 public:
  EventWriter(Database& database, std::size_t compress_above);
  EventWriter(const EventWriter&) = delete;
  EventWriter& operator=(const EventWriter&) = delete;
  ~EventWriter();

  /// Compresses a payload that is to be, before a transaction holds others up.
  void pack(const Event& event);
  void forget_packed() noexcept { packed_.clear(); }
  /// False: there is an event of this id.
  bool insert(const Event& event, std::uint64_t sequence, std::int64_t appended,
              std::uint64_t writer);
  [[nodiscard]] std::uint64_t sequence_of(const EventId& id);
  TopicNames& topics() noexcept { return topics_; }

 private:
  Database& database_;
  const std::size_t compress_above_;
  Statement insert_;
  Statement find_;
  TopicNames topics_;
  RecordScratch scratch_;
  /// Empty: it would not become smaller.
  [[nodiscard]] std::vector<std::byte> compressed(std::span<const std::byte> payload);

  std::unordered_map<const Event*, std::vector<std::byte>> packed_;
  ZSTD_CCtx_s* context_ = nullptr;
};

/// What a row is found by.
struct RowHead {
  std::uint64_t sequence = 0;
  std::int64_t topic = 0;
  std::int64_t appended = 0;
  std::uint64_t writer = 0;
  /// They are what was stored. Where not, no answer may be found by them but that the row is
  /// damaged.
  bool is_sound = false;
};

struct EventRow {
  std::uint64_t sequence = 0;
  std::uint64_t writer = 0;
  std::int64_t appended = 0;
  std::optional<Event> event;  // none: damaged
  std::string damage;          // why
};

class EventReader {
 public:
  explicit EventReader(Database& database);
  EventReader(const EventReader&) = delete;
  EventReader& operator=(const EventReader&) = delete;
  ~EventReader();

  /// Of a statement that selects kEventColumns first.
  [[nodiscard]] static RowHead head_at(const Statement& statement) noexcept;
  [[nodiscard]] EventRow row_at(Statement& statement) {
    return row_at(statement, head_at(statement));
  }
  [[nodiscard]] EventRow row_at(Statement& statement, const RowHead& head);
  /// Of the same: how much the event will take, about.
  [[nodiscard]] static std::size_t bytes_of(const Statement& statement) noexcept;
  TopicNames& topics() noexcept { return topics_; }

 private:
  TopicNames topics_;
  std::vector<std::byte> plain_;
  ZSTD_DCtx_s* context_ = nullptr;
};

/// Ids are 16 bytes, most significant first: in the order of time.
struct IdBytes {
  explicit IdBytes(const EventId& id) noexcept;
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }

 private:
  std::byte bytes_[16];
};
[[nodiscard]] EventId id_of(std::span<const std::byte> bytes) noexcept;

}  // namespace busway::sqlite
