#include "event_rows.hpp"

#include <zstd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "busway/error.hpp"
#include "busway/limits.hpp"

namespace busway::sqlite {
namespace {

constexpr std::int64_t kPlain = 0;
constexpr std::int64_t kZstd = 1;
constexpr int kZstdLevel = 1;

/// The sum of a row: that of the record, and of the columns beside it.
std::uint64_t sum_of(const EventRecord& record, std::uint64_t sequence, std::int64_t appended,
                     std::uint64_t writer, std::int64_t codec) {
  const std::array<std::uint64_t, 4> beside{checksum(record, sequence),
                                            static_cast<std::uint64_t>(appended), writer,
                                            static_cast<std::uint64_t>(codec)};
  return checksum(std::as_bytes(std::span(beside)));
}

/// Of what is compared before the rest is read: small, since it is in every row.
std::int64_t head_sum_of(std::uint64_t sequence, std::int64_t topic, std::int64_t appended,
                         std::uint64_t writer) noexcept {
  const std::array<std::uint64_t, 4> head{sequence, static_cast<std::uint64_t>(topic),
                                          static_cast<std::uint64_t>(appended), writer};
  return static_cast<std::int32_t>(checksum(std::as_bytes(std::span(head))));
}

std::int64_t topic_sum_of(std::int64_t number, std::string_view name) {
  const std::uint64_t sum = checksum(std::as_bytes(std::span(&number, 1)));
  return static_cast<std::int64_t>(
      checksum(std::as_bytes(std::span(name.data(), name.size())), sum));
}

}  // namespace

IdBytes::IdBytes(const EventId& id) noexcept : bytes_{} {
  for (std::size_t i = 0; i < 8; ++i) {
    bytes_[i] = static_cast<std::byte>(id.high >> (56 - 8 * i));
    bytes_[8 + i] = static_cast<std::byte>(id.low >> (56 - 8 * i));
  }
}

EventId id_of(std::span<const std::byte> bytes) noexcept {
  EventId id;
  if (bytes.size() != 16) return id;
  for (std::size_t i = 0; i < 8; ++i) {
    id.high = id.high << 8U | std::to_integer<std::uint64_t>(bytes[i]);
    id.low = id.low << 8U | std::to_integer<std::uint64_t>(bytes[8 + i]);
  }
  return id;
}

TopicNames::TopicNames(Database& database)
    : find_(database, "SELECT id FROM topics WHERE name=? ORDER BY id DESC"),
      add_(database, "INSERT INTO topics(name, sum) VALUES(?,0) RETURNING id"),
      seal_(database, "UPDATE topics SET sum=? WHERE id=?"),
      name_(database, "SELECT name, sum FROM topics WHERE id=?") {}

std::int64_t TopicNames::number_of(std::string_view name) {
  std::string key(name);
  const auto known = numbers_.find(key);
  if (known != numbers_.end()) return known->second;
  if (numbers_.size() >= kMax) forget();
  std::int64_t number = 0;
  find_.start(name);
  // One that is damaged stays as it is, and the name gets another: what is stored from now on must
  // be readable.
  while (number == 0 && find_.step()) {
    if (name_of(find_.number(0)) == name) number = find_.number(0);
  }
  find_.reset();
  if (number == 0) {
    add_.start(name);
    if (add_.step()) number = add_.number(0);
    (void)add_.step();
    add_.reset();
    seal_.run(topic_sum_of(number, name), number);
  }
  numbers_.emplace(std::move(key), number);
  return number;
}

std::string_view TopicNames::name_of(std::int64_t number) {
  const auto known = names_.find(number);
  if (known != names_.end()) return known->second;
  if (names_.size() >= kMax) forget();
  std::string_view name;
  if (name_.start(number).step() && topic_sum_of(number, name_.text(0)) == name_.number(1)) {
    name = names_.emplace(number, std::string(name_.text(0))).first->second;
  }
  name_.reset();
  return name;
}

std::vector<std::string> TopicNames::check(Database& database) {
  std::vector<std::string> faults;
  Statement all(database, "SELECT id, name, sum FROM topics ORDER BY id");
  while (all.step()) {
    if (topic_sum_of(all.number(0), all.text(1)) == all.number(2)) continue;
    faults.push_back("topic number " + std::to_string(all.number(0)) +
                     " does not pass its checksum");
  }
  return faults;
}

EventWriter::EventWriter(Database& database, std::size_t compress_above)
    : database_(database),
      compress_above_(compress_above),
      insert_(database, "INSERT INTO events(" + std::string(kEventColumns) +
                            ") VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) "
                            "ON CONFLICT(id) DO NOTHING"),
      find_(database, "SELECT seq FROM events WHERE id=?"),
      topics_(database) {}

EventWriter::~EventWriter() { ZSTD_freeCCtx(context_); }

std::vector<std::byte> EventWriter::compressed(std::span<const std::byte> payload) {
  if (context_ == nullptr) context_ = ZSTD_createCCtx();
  std::vector<std::byte> out(ZSTD_compressBound(payload.size()));
  const std::size_t size = ZSTD_compressCCtx(context_, out.data(), out.size(), payload.data(),
                                             payload.size(), kZstdLevel);
  out.resize(ZSTD_isError(size) == 0 && size < payload.size() ? size : 0);
  out.shrink_to_fit();
  return out;
}

void EventWriter::pack(const Event& event) {
  const std::span<const std::byte> payload = event.bytes();
  if (compress_above_ == 0 || payload.size() <= compress_above_) return;
  packed_.insert_or_assign(&event, compressed(payload));
}

bool EventWriter::insert(const Event& event, std::uint64_t sequence, std::int64_t appended,
                         std::uint64_t writer) {
  if (event.id().is_nil()) {
    throw Error(ErrorCode::invalid_argument, "the event has no id; a repeat could not be told");
  }
  const EventRecord record = record_of(event, scratch_);
  std::int64_t codec = kPlain;
  std::span<const std::byte> payload = record.payload;
  if (compress_above_ != 0 && payload.size() > compress_above_) {
    auto packed = packed_.find(&event);
    if (packed == packed_.end()) packed = packed_.emplace(&event, compressed(payload)).first;
    if (!packed->second.empty()) {
      codec = kZstd;
      payload = packed->second;
    }
  }
  const IdBytes id(record.id);
  const IdBytes causation(record.causation_id);
  insert_.reset();
  insert_.bind(1, sequence);
  insert_.bind(2, id.bytes());
  const std::int64_t topic = topics_.number_of(record.topic);
  insert_.bind(3, topic);
  insert_.bind(4, record.time_ns);
  insert_.bind(5, appended);
  insert_.bind(6, writer);
  insert_.bind(7, sum_of(record, sequence, appended, writer, codec));
  insert_.bind(8, head_sum_of(sequence, topic, appended, writer));
  if (record.priority != Priority::normal) insert_.bind(9, static_cast<int>(record.priority));
  if (record.origin != Origin::internal) insert_.bind(10, static_cast<int>(record.origin));
  if (record.hops != 0) insert_.bind(11, int{record.hops});
  if (record.schema_version != 1) insert_.bind(12, int{record.schema_version});
  if (!record.causation_id.is_nil()) insert_.bind(13, causation.bytes());
  const std::array<std::string_view, 13> texts{
      record.source,         record.key,         record.user_id,  record.session_id,
      record.instance_id,    record.schema,      record.entity,   record.operation,
      record.correlation_id, record.traceparent, record.metadata, record.extensions,
      record.content_type};
  for (std::size_t i = 0; i < texts.size(); ++i)
    insert_.bind_if(static_cast<int>(14 + i), texts[i]);
  if (codec != kPlain) {
    insert_.bind(27, codec);
    insert_.bind(28, static_cast<std::uint64_t>(record.payload.size()));
  }
  if (record.has_payload) insert_.bind(29, payload);
  (void)insert_.step();
  const bool added = database_.changes() != 0;
  insert_.reset();
  return added;
}

std::uint64_t EventWriter::sequence_of(const EventId& id) {
  const IdBytes bytes(id);
  const std::uint64_t sequence = find_.start(bytes.bytes()).step() ? find_.unsigned_number(0) : 0;
  find_.reset();
  return sequence;
}

EventReader::EventReader(Database& database) : topics_(database) {}
EventReader::~EventReader() { ZSTD_freeDCtx(context_); }

RowHead EventReader::head_at(const Statement& row) noexcept {
  RowHead head{.sequence = row.unsigned_number(0),
               .topic = row.number(2),
               .appended = row.number(4),
               .writer = row.unsigned_number(5)};
  head.is_sound =
      head_sum_of(head.sequence, head.topic, head.appended, head.writer) == row.number(7);
  return head;
}

std::size_t EventReader::bytes_of(const Statement& row) noexcept {
  const std::size_t packed = row.blob(28).size();
  return row.is_null(26) ? packed : std::max(packed, static_cast<std::size_t>(row.number(27)));
}

EventRow EventReader::row_at(Statement& row, const RowHead& head) {
  EventRow out;
  out.sequence = head.sequence;
  out.appended = head.appended;
  out.writer = head.writer;
  EventRecord record;
  record.id = id_of(row.blob(1));
  if (!head.is_sound) {
    out.damage = "it does not pass its checksum";
    return out;
  }
  record.topic = topics_.name_of(head.topic);
  if (record.topic.empty()) {
    out.damage = "its topic, number " + std::to_string(head.topic) +
                 ", is not there or does not pass its checksum";
    return out;
  }
  record.time_ns = row.number(3);
  record.priority = row.is_null(8) ? Priority::normal : static_cast<Priority>(row.number(8) & 0xff);
  record.origin = static_cast<Origin>(row.number(9) & 0xff);
  record.hops = static_cast<std::uint16_t>(row.number(10));
  record.schema_version =
      row.is_null(11) ? std::uint16_t{1} : static_cast<std::uint16_t>(row.number(11));
  if (!row.is_null(12)) record.causation_id = id_of(row.blob(12));
  const std::array<std::string_view*, 13> texts{
      &record.source,         &record.key,         &record.user_id,  &record.session_id,
      &record.instance_id,    &record.schema,      &record.entity,   &record.operation,
      &record.correlation_id, &record.traceparent, &record.metadata, &record.extensions,
      &record.content_type};
  for (std::size_t i = 0; i < texts.size(); ++i) *texts[i] = row.text(static_cast<int>(13 + i));
  const std::int64_t codec = row.number(26);
  record.has_payload = !row.is_null(28);
  record.payload = row.blob(28);
  if (codec == kZstd) {
    const unsigned long long size =
        ZSTD_getFrameContentSize(record.payload.data(), record.payload.size());
    // Two places must agree on it before there is room for so much.
    if (size > limits::kPayloadBytesMax || size != row.unsigned_number(27)) {
      out.damage = "its compressed payload cannot be read";
      return out;
    }
    if (context_ == nullptr) context_ = ZSTD_createDCtx();
    plain_.resize(static_cast<std::size_t>(size));
    const std::size_t got = ZSTD_decompressDCtx(context_, plain_.data(), plain_.size(),
                                                record.payload.data(), record.payload.size());
    if (ZSTD_isError(got) != 0 || got != plain_.size()) {
      out.damage = "its compressed payload cannot be read";
      return out;
    }
    record.payload = plain_;
  } else if (codec != kPlain) {
    out.damage = "its codec is " + std::to_string(codec) + ", which this version does not know";
    return out;
  }
  if (sum_of(record, out.sequence, out.appended, out.writer, codec) !=
      static_cast<std::uint64_t>(row.number(6))) {
    out.damage = "it does not pass its checksum";
    return out;
  }
  try {
    out.event = event_of(record);
  } catch (const Error& error) {
    out.damage = error.what();
  }
  return out;
}

}  // namespace busway::sqlite
