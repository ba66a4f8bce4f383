// bus/status_book.hpp -- how far each of the last events has come.
//
// Model      A ring of records, found by event id. Each accepted event takes the next one and gets
//            a ticket for it; what is told with a ticket whose record has been taken over since is
//            forgotten. An id that is published again is found by its last publish.
// Threads    All [any-thread]; one lock, and nothing foreign is called under it.
// Ownership  None.
// Errors     None.
// Cost       begin(): one lock, a copy of the topic, a node of a hash table. The others: one lock.
//            Some 270 bytes a record, made as they are needed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "busway/event_id.hpp"
#include "busway/event_status.hpp"

namespace busway::detail {

class StatusBook final {
 public:
  /// Names one publish of an event; 0: none.
  using Ticket = std::uint64_t;

  explicit StatusBook(std::size_t capacity) noexcept : capacity_(capacity) {}
  StatusBook(const StatusBook&) = delete;
  StatusBook& operator=(const StatusBook&) = delete;

  [[nodiscard]] Ticket begin(const EventId& id, std::string_view topic, std::int64_t now_ns);
  /// A handler is called.
  void began(Ticket ticket, std::int64_t now_ns);
  /// Synchronous handlers are about to be called; withdraw() when none was, after all.
  void expect(Ticket ticket, std::int64_t now_ns);
  void withdraw(Ticket ticket);
  /// A delivery took so many attempts.
  void attempted(Ticket ticket, unsigned attempts);
  /// A delivery ended otherwise than delivered.
  void failed(Ticket ticket, std::string_view subscription, std::string_view reason);
  /// All deliveries have ended.
  void settled(Ticket ticket, std::int64_t now_ns);
  /// A dead letter of this event was delivered after all, in so many attempts.
  void redriven(const EventId& id, unsigned attempts, std::int64_t now_ns);

  [[nodiscard]] std::optional<EventStatusInfo> find(const EventId& id) const;

 private:
  struct Record {
    Ticket ticket = 0;
    EventId id{};
    std::string topic;
    std::int64_t published_ns = 0;
    std::optional<std::int64_t> expected_ns;  // a synchronous handler begins
    std::optional<std::int64_t> started_ns;
    std::optional<std::int64_t> finished_ns;
    unsigned attempts = 0;
    std::size_t failures = 0;
    std::string error;
  };

  // With mutex_ held; null: the record is another's by now.
  [[nodiscard]] Record* record_of(Ticket ticket) noexcept;

  const std::size_t capacity_;
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::vector<Record> records_;  // ticket t stands at (t - 1) % capacity_
  std::unordered_map<EventId, Ticket> by_id_;
  Ticket last_ = 0;
};

}  // namespace busway::detail
