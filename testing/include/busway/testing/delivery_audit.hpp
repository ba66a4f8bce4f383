// busway/testing/delivery_audit.hpp -- what was acknowledged, what was delivered, what is amiss.
// Layer: testing
//
// Model      A publisher and a consumer that may be killed write a note of each event at the moment
//            at which they know of it, into a NoteFile, which outlives them. The test gives the
//            notes to a DeliveryAudit, and asks what a consumer did not get, got twice, got with
//            another content or could not have got.
// Threads    NoteFile::add() is [any-thread], and several processes may write one file; all else is
//            [not-concurrent].
// Ownership  Values. A NoteFile closes its file and leaves it there.
// Errors     NoteFile throws std::system_error where its file cannot be opened or written.
// Cost       NoteFile::add(): one write() of 24 bytes, no sync. The audit: some 100 bytes a note.
// Example    tests/testing/delivery_audit_test.cpp
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "busway/event_id.hpp"

namespace busway::testing {

/// Of one event. Equal contents have equal numbers: one that is its payload, or a sum of it.
struct DeliveryNote {
  EventId id;
  std::uint64_t content = 0;
};

class NoteFile {
 public:
  /// Makes the file, or goes on at its end.
  explicit NoteFile(const std::string& path);
  NoteFile(const NoteFile&) = delete;
  NoteFile& operator=(const NoteFile&) = delete;
  ~NoteFile();

  /// Is there when it returns, whatever becomes of this process; not of the machine.
  void add(const DeliveryNote& note) const;

  /// All of it; none where there is no such file.
  [[nodiscard]] static std::vector<DeliveryNote> read(const std::string& path);

 private:
  int file_;
};

class DeliveryAudit {
 public:
  /// A line an event, which names it. Which of them may be is the test's to know: of a publisher
  /// that was killed an event may be there that it was never told of (unknown), and a consumer that
  /// was killed leaves its events to another (doubled).
  struct Findings {
    std::vector<std::string> lost;     ///< was acknowledged, and did not come
    std::vector<std::string> doubled;  ///< came more than once
    std::vector<std::string> changed;  ///< came, or was acknowledged, with different contents
    std::vector<std::string> unknown;  ///< came, and was not acknowledged
  };

  /// This event is owed to every consumer.
  void acknowledged(const DeliveryNote& note);
  /// This event came to a consumer, which may also be a reader of the store.
  void delivered(std::string_view consumer, const DeliveryNote& note);

  [[nodiscard]] std::size_t acknowledged_count() const { return acknowledged_.size(); }
  /// Of a consumer with this name, also of one to whom nothing came.
  [[nodiscard]] Findings findings(std::string_view consumer) const;

 private:
  struct Seen {
    std::uint64_t content = 0;  // of the first note
    std::size_t times = 0;
    bool changed = false;
  };
  struct InOrder {
    bool operator()(const EventId& left, const EventId& right) const noexcept {
      return left.high != right.high ? left.high < right.high : left.low < right.low;
    }
  };
  using SeenEvents = std::map<EventId, Seen, InOrder>;

  static void note_in(SeenEvents& events, const DeliveryNote& note);

  SeenEvents acknowledged_;
  std::map<std::string, SeenEvents, std::less<>> delivered_;  // by consumer
};

}  // namespace busway::testing
