// durable_tables.hpp -- durable names in the file: cursors, leases of ranges, and rows for what is
// neither done nor in a range.
// Layer: store
//
// Model      docs/formats/sqlite.md. All functions run inside a transaction of the caller. Each row
//            has a sum; a cursor that does not pass it goes back to the last safe one, and so it
//            does for a lease or a row that is damaged, so that what they held is given out again.
// Threads    [not-concurrent]: as the connection.
// Ownership  Refers to its connection.
// Errors     Fault; Error(not_found) for a name that was removed.
// Cost       A few statements a call; no row an event but for those that fail.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "busway/durable_spec.hpp"
#include "busway/store_consumer.hpp"
#include "busway/stored_letter.hpp"
#include "database.hpp"
#include "numbers.hpp"

namespace busway::sqlite {

using DurableNumber = std::int64_t;
using Token = std::int64_t;  // of an opening; 0: nobody
/// A clock that steps back by less is taken for one that was corrected.
inline constexpr std::int64_t kSetBack = 1'000'000'000;

/// What of a range is done: a bit an event, from lo on.
class RangeBits {
 public:
  RangeBits() = default;
  explicit RangeBits(std::size_t size) : bytes_((size + 7) / 8) {}
  explicit RangeBits(std::span<const std::byte> bytes) : bytes_(bytes.begin(), bytes.end()) {}

  [[nodiscard]] bool test(std::size_t at) const noexcept {
    return at / 8 < bytes_.size() &&
           (bytes_[at / 8] & std::byte{static_cast<unsigned char>(1U << (at % 8))}) != std::byte{0};
  }
  void set(std::size_t at) noexcept {
    bytes_[at / 8] |= std::byte{static_cast<unsigned char>(1U << (at % 8))};
  }
  [[nodiscard]] bool all(std::size_t size) const noexcept;
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

struct LeaseRow {
  std::int64_t id = 0;
  std::uint64_t lo = 0;
  std::uint64_t hi = 0;
  Token token = 0;
  std::int64_t until = 0;
  std::int64_t span = 0;
  RangeBits done{};
  [[nodiscard]] std::size_t size() const noexcept { return static_cast<std::size_t>(hi - lo + 1); }
};

enum class ExceptionState : std::int64_t { waiting = 0, leased = 1, dead = 2 };

struct ExceptionRow {
  std::uint64_t sequence = 0;
  ExceptionState state = ExceptionState::waiting;
  Token token = 0;
  std::int64_t until = 0;
  std::int64_t span = 0;
  unsigned attempts = 0;
  bool suspect = false;
  std::uint64_t letter = 0;
  std::int64_t changed = 0;
  std::string error{};
  std::vector<StoredLetter::Death> deaths{};
};

struct CursorRow {
  std::uint64_t cursor = 0;
  Token leader = 0;
  std::int64_t leader_until = 0;
  std::int64_t leader_span = 0;  // the lease of that opening, not of whoever asks
};

struct DurableRow {
  DurableNumber number = 0;
  DurableSpec spec{};
  std::uint64_t start = 0;
  std::int64_t created = 0;
  std::int64_t opened = 0;
  std::string note{};
  bool sound = true;     // false: it does not pass its sum, or has no patterns
  bool renamed = false;  // it stands under a damaged name, and is known by its sum
};

class DurableTables {
 public:
  explicit DurableTables(Database& database);

  /// Also one whose name is damaged, where its sum says that it was this.
  [[nodiscard]] std::optional<DurableRow> find(std::string_view name);
  [[nodiscard]] std::optional<DurableRow> find(DurableNumber number);
  /// Another one whenever the row has changed; 0: there is none.
  [[nodiscard]] std::int64_t version(DurableNumber number);
  [[nodiscard]] std::vector<DurableRow> all();
  DurableNumber add(const DurableSpec& spec, std::uint64_t start, std::int64_t now);
  void update(const DurableRow& row);
  void rename(const DurableRow& row);
  void remove(DurableNumber number);

  [[nodiscard]] CursorRow cursor(DurableNumber number);
  void put_cursor(DurableNumber number, const CursorRow& row);
  /// Notes the lowest position from which nothing would be missed.
  void put_safe_cursor(DurableNumber number);
  /// Removes the rows that were found damaged and goes back to the last safe cursor, if any were.
  /// True: it did.
  bool repair(DurableNumber number);

  [[nodiscard]] std::vector<LeaseRow> leases(DurableNumber number);
  /// Its events up to there are settled, or in leases() or exceptions, whatever is damaged.
  [[nodiscard]] std::uint64_t sure_cursor(DurableNumber number);
  /// No value: gone, or damaged.
  [[nodiscard]] std::optional<LeaseRow> lease(DurableNumber number, std::int64_t id);
  std::int64_t add_lease(DurableNumber number, const LeaseRow& row);
  /// In the place of the opening's own row `id`, which is settled; cheaper, as no index changes.
  std::int64_t add_lease_at(std::int64_t id, DurableNumber number, const LeaseRow& row);
  void update_lease(DurableNumber number, const LeaseRow& row);
  void remove_lease(std::int64_t id);

  [[nodiscard]] std::optional<ExceptionRow> exception(DurableNumber number, std::uint64_t sequence);
  /// Of that state, which is not dead, that are due at `until` or before, lowest sequence first.
  [[nodiscard]] std::vector<ExceptionRow> due(DurableNumber number, ExceptionState state,
                                              std::int64_t until, std::size_t limit);
  [[nodiscard]] std::vector<ExceptionRow> with_token(DurableNumber number, Token token);
  /// All but those that are dead.
  [[nodiscard]] std::vector<ExceptionRow> living(DurableNumber number);
  /// One by one, lowest number first, those beyond `after`; of one name, or of all with 0. Ends
  /// where the function returns false.
  void each_letter(std::uint64_t after, DurableNumber of,
                   const std::function<bool(DurableNumber, ExceptionRow*)>& use);
  /// Those of all names, of events in that range; null: one that does not pass its sum.
  void each_exception(std::uint64_t from, std::uint64_t to,
                      const std::function<void(DurableNumber, ExceptionRow*)>& use);
  [[nodiscard]] std::size_t count_letters(DurableNumber number);
  void put(DurableNumber number, const ExceptionRow& row);
  void remove_exception(DurableNumber number, std::uint64_t sequence);
  /// When the first of those that wait is due, after now.
  [[nodiscard]] std::optional<std::int64_t> next_due(DurableNumber number, std::int64_t now);
  /// Of those that wait and are not due: the lowest sequence.
  [[nodiscard]] std::optional<std::uint64_t> lowest_waiting(DurableNumber number, std::int64_t now);
  /// How much the event of a row will take, about.
  [[nodiscard]] std::size_t bytes_of(std::uint64_t sequence);
  [[nodiscard]] std::uint64_t new_letter() { return numbers_.new_letter(); }
  [[nodiscard]] Numbers& numbers() noexcept { return numbers_; }
  /// Which openings have something out, or lead, of whatever name.
  [[nodiscard]] std::vector<Token> holders(std::int64_t now);
  /// Of that name.
  [[nodiscard]] std::vector<Token> holders(DurableNumber number, std::int64_t now);
  /// What that one has lapses now.
  void lapse(Token token, std::int64_t now);
  /// Of all that are not dead: the lowest sequence.
  [[nodiscard]] std::optional<std::uint64_t> lowest_living(DurableNumber number);
  /// Nothing waits longer than it was to, of any name: after the clock was set back.
  void shorten_waits(std::int64_t now);
  void shorten_waits(DurableNumber number, std::int64_t now);
  /// Whether anything waits or is out by itself. As a rule nothing does.
  [[nodiscard]] bool has_living(DurableNumber number);
  /// Whether the one that waits longest would wait for longer than it was to.
  [[nodiscard]] bool waits_too_long(DurableNumber number, std::int64_t now);
  /// Rows whose name is none: of which names is not known, since the number is what is damaged.
  [[nodiscard]] std::vector<std::string> strays();
  /// All names go back to where nothing is missed, and the strays are removed.
  void take_back_all();
  /// Whoever misses a row that is its own: the same, if there are strays.
  void take_back_strays();

  /// Rows that did not pass their sum, since this was made.
  [[nodiscard]] const std::vector<std::string>& damages() const noexcept { return damages_; }
  void forget_damages() noexcept { damages_.clear(); }
  /// For whoever says so, once nothing is locked.
  [[nodiscard]] std::vector<std::string> take_damages() noexcept {
    return std::exchange(damages_, {});
  }

 private:
  /// A row may be of another name, whose number is what is damaged.
  void go_back_with(DurableNumber number, const std::function<bool(DurableNumber)>& passes);
  /// As if it had this name, if one is given.
  [[nodiscard]] DurableRow durable_at(Statement& row, std::string_view name = {});
  [[nodiscard]] std::optional<DurableRow> find_renamed(std::string_view name);
  void go_back(DurableNumber number);
  [[nodiscard]] std::optional<LeaseRow> lease_at(DurableNumber number, Statement& row);
  [[nodiscard]] std::optional<ExceptionRow> exception_at(DurableNumber number, Statement& row);
  [[nodiscard]] std::vector<ExceptionRow> exceptions_of(DurableNumber number, Statement& rows);
  [[nodiscard]] std::uint64_t safe_cursor(DurableNumber number);

  Database& database_;
  Statement find_name_, find_number_, version_, all_, add_, update_, rename_, cursor_, put_cursor_,
      safe_, put_safe_, lowest_lease_, lowest_exception_, leases_, lease_, add_lease_,
      add_lease_at_, update_lease_, remove_lease_, exception_, due_waiting_, due_leased_,
      with_token_, living_, letters_, exceptions_between_, count_letters_, put_, remove_exception_,
      next_due_, lowest_waiting_, holders_, leases_of_, exceptions_of_, led_by_, leased_tokens_,
      longest_, has_living_, event_bytes_;
  Numbers numbers_;
  std::vector<std::string> damages_;
  std::size_t names_ = 0;  // as many as there were then
  std::chrono::steady_clock::time_point looked_for_damage_{};
  std::vector<std::pair<DurableNumber, std::uint64_t>> bad_exceptions_;
  std::vector<std::pair<DurableNumber, std::int64_t>> bad_leases_;
};

[[nodiscard]] std::string deaths_text(const std::vector<StoredLetter::Death>& deaths);

}  // namespace busway::sqlite
