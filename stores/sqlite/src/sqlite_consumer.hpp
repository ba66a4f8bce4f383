// sqlite_consumer.hpp -- one opening of a durable name in a file.
// Layer: store
//
// Model      fetch() reads what comes behind the cursor on a connection that reads, then claims the
//            range in the writer's transaction, if the cursor is still where it was; else it reads
//            again. What is out is known here as well as in the file.
// Threads    As StoreConsumer: one mutex.
// Ownership  Shares the core.
// Errors     As StoreConsumer.
// Cost       A claim is one row a range and one of the cursor, however many events.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "busway/store_consumer.hpp"
#include "core.hpp"

namespace busway::sqlite {

/// How much one look at the events reads.
struct ScanBounds {
  std::size_t events = 0;
  std::uint64_t rows = 0;
  std::size_t bytes = 0;
};

class SqliteConsumer final : public StoreConsumer {
 public:
  SqliteConsumer(std::shared_ptr<Core> core, const DurableRow& row, Token token,
                 std::chrono::nanoseconds lease);
  ~SqliteConsumer() override { close(); }

  FetchResult fetch(std::size_t max) override;
  SettleResult settle(std::span<const Settlement> settlements) override;
  FetchResult settle_and_fetch(std::span<const Settlement> settlements, std::size_t max,
                               SettleResult& settled) override;
  bool renew() override;
  void keep_note(std::string_view note) override;
  [[nodiscard]] std::string note() override;
  void close() noexcept override;
  /// What it had out, and how far it was, when it ended.
  struct Rest {
    DurableNumber number = 0;
    std::string name{};
    Token token = 0;
    std::vector<Pattern> patterns{};
    DurableOrder order = DurableOrder::relaxed;
    std::vector<std::int64_t> leases{};  // ids
    std::uint64_t cursor = 0;
    std::uint64_t seen_to = 0;
  };
  /// For the store that closes, with the lock of its list: the consumer may be gone when this
  /// returns.
  [[nodiscard]] Rest end_with_store();
  static void give_back(Transaction& transaction, const Rest& rest);
  /// That it could not be.
  static void say_lapses(Words& words, const std::exception& error) noexcept;
  /// What it has looked at and passed by, and the file does not say.
  struct Passed {
    DurableNumber number = 0;
    std::uint64_t cursor = 0;
    std::uint64_t to = 0;
    std::int64_t version = 0;  // of the name's row when it was looked at
  };
  /// No value: nothing, or it is at work.
  [[nodiscard]] std::optional<Passed> passed() const;
  /// False: the file has another cursor by now, or other patterns.
  [[nodiscard]] static bool write_passed(Transaction& transaction, const Passed& passed);
  /// After that was committed.
  void take(const Passed& passed);
  static void say_in_use(Transaction& transaction, DurableNumber number);
  [[nodiscard]] DurableNumber number() const noexcept { return number_; }
  [[nodiscard]] std::uint64_t seen_to() const noexcept {
    return std::max(cursor_.load(), scan_from_.load());
  }

 private:
  /// What is out, as the file has it.
  struct Held {
    std::map<std::int64_t, LeaseRow> leases;             // by id
    std::map<std::uint64_t, ExceptionRow> exceptions{};  // by sequence
  };
  struct Candidates {
    std::vector<Leased> events{};
    std::size_t bytes = 0;
    std::uint64_t scanned_to = 0;
    bool more = false;
    std::vector<std::pair<std::uint64_t, std::string>> damaged{};
  };
  /// What a transaction has found and done.
  struct Plan {
    Held held{};
    SettleResult settled{};
    std::vector<ExceptionRow> given{};
    std::size_t given_suspects = 0;
    std::size_t taken = 0;                      // of the candidates
    std::optional<std::int64_t> settled_row{};  // of a lease; the next one may take its place
    std::uint64_t cursor = 0;
    bool stale = false;      // the candidates are not what comes next
    bool misses = false;     // a row that nobody else could have taken
    bool more = false;       // there may be, to be had now
    bool moves = false;      // the cursor
    bool has_living = true;  // something of the name may wait or be out by itself
    bool active = true;
    std::optional<std::int64_t> due{};
    std::vector<Pattern> patterns{};
    DurableOrder order = DurableOrder::relaxed;
    std::int64_t version = 0;  // of the name's row
    std::vector<std::string> damages{};
  };

  struct Exchange {
    std::span<const Settlement> settlements;  // that are not settled yet
    std::size_t max = 0;
    SettleResult& settled;
    Words& words;
    FetchResult result{};
    bool has_settled = false;
  };
  FetchResult exchange(std::span<const Settlement> settlements, std::size_t max,
                       SettleResult& settled);
  /// Settles, and looks and claims until there is something, or nothing.
  void go_through(Exchange& exchange);
  [[nodiscard]] Candidates read_candidates(const EventScan& scan, const ScanBounds& bounds);
  /// The same within a transaction, for at most `max` events.
  [[nodiscard]] Candidates read_few(const EventScan& scan, std::size_t max);
  /// Of a name with an order: another opening is the active one, and will be for a while.
  [[nodiscard]] bool stands_by(const CursorRow& cursor, Plan& plan) const;
  /// Without writing: whether there is anything but candidates; and when there will be.
  [[nodiscard]] bool has_work(Reader& reader, Plan& plan);
  void transact(Transaction& transaction, std::span<const Settlement> settlements, std::size_t max,
                const Candidates& candidates, Plan& plan);
  /// Keeps the row of one lease that is settled, if it is to.
  void settle_all(Transaction& transaction, std::span<const Settlement> settlements, bool keeps_row,
                  Plan& plan);
  [[nodiscard]] bool is_mine(const LeaseRow& row, const LeaseRow& held, std::int64_t now) const;
  void settle_exception(Transaction& transaction, const Settlement& one, Plan& plan);
  [[nodiscard]] bool lead(Transaction& transaction, CursorRow& cursor, Plan& plan);
  /// True: there was something.
  [[nodiscard]] bool reclaim(Transaction& transaction, Plan& plan);
  void claim(Transaction& transaction, std::size_t max, const Candidates& candidates,
             CursorRow& cursor, Plan& plan);
  void take(const Plan& plan);
  void read_given(const std::vector<ExceptionRow>& given, FetchResult& result, Words& words);
  [[nodiscard]] bool matches(EventReader& events, const RowHead& head);
  void require_open() const;
  [[noreturn]] void no_such_name() const;
  [[nodiscard]] DurableRow require_row(Transaction& transaction) const;
  static void keep_row(Transaction& transaction, DurableRow& row, const Rest& known);
  /// With the lock held.
  [[nodiscard]] Rest rest() const;
  static void due_at(Plan& plan, std::int64_t when) {
    plan.due = plan.due ? std::min(*plan.due, when) : when;
  }

  const std::shared_ptr<Core> core_;
  const DurableNumber number_;
  const std::string name_;
  const Token token_;
  const std::int64_t lease_;
  std::atomic<bool> closed_{false};

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::vector<Pattern> patterns_;
  DurableOrder order_;
  std::int64_t version_ = 0;                        // of the row that these were read from; 0: none
  std::unordered_map<std::int64_t, bool> matches_;  // by topic; at most kCachedRoutesMax
  Held held_;
  std::size_t last_count_ = 0;  // of events that were read at once
  std::size_t moves_ = 0;       // of the cursor
  // Written with mutex_ held.
  std::atomic<std::uint64_t> cursor_{0};     // the file's, as seen last
  std::atomic<std::uint64_t> scan_from_{0};  // nothing of this name lies between it and the cursor
};

}  // namespace busway::sqlite
