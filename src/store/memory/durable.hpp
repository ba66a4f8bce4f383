// store/memory/durable.hpp -- one durable name of a memory store: its cursor, and the deliveries
// that are given out or wait.
// Layer: store
//
// Model      Behind the cursor lies what nobody was given yet; before it only what is in
//            deliveries_ is unsettled. A delivery is leased to an opening or waits for its time.
//            What waits because its lease has lapsed is suspect of killing those who handle it: a
//            fetch that gives out suspects gives nothing else with them, at most kSuspectsAtOnce,
//            and one alone when it has lapsed before, so that one poisonous event costs its
//            neighbours one attempt and not all.
//            A clock that steps back makes nobody wait longer than what was asked for.
// Threads    [not-concurrent]; guarded by the store's mutex.
// Ownership  Refers to the log and the letters of its store for the call.
// Errors     None but std::bad_alloc.
// Cost       O(log n) a delivery; a fetch looks at no more than kScanAtOnce events that do not
//            match.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "busway/durable_spec.hpp"
#include "busway/store_census.hpp"
#include "busway/store_consumer.hpp"
#include "busway/stored_event.hpp"
#include "store/memory/letters.hpp"
#include "store/memory/log.hpp"

namespace busway::store_detail {

inline constexpr std::size_t kSuspectsAtOnce = 8;
inline constexpr std::size_t kScanAtOnce = 4'096;

class MemoryDurable {
 public:
  using Token = std::uint64_t;  ///< of an opening

  MemoryDurable(const DurableSpec& spec, std::uint64_t cursor, WallTime now);

  // -- Openings -----------------------------------------------------------------------------------

  void enter(Token token, std::chrono::nanoseconds lease, WallTime now);
  /// Gives back what is leased, uncounted.
  void leave(Token token, WallTime now);
  void leave_all(WallTime now);

  FetchResult fetch(Token token, std::size_t max, const MemoryLog& log, WallTime now);
  SettleResult settle(Token token, std::span<const Settlement> settlements, MemoryLetters& letters,
                      WallTime now);
  bool renew(Token token, WallTime now);

  // -- The name -----------------------------------------------------------------------------------

  /// Counts from the cursor.
  void replace(const DurableSpec& spec);
  void redrive(std::uint64_t sequence, WallTime now);
  /// Gives one that is settled out once more.
  void replay(std::uint64_t sequence, WallTime now);
  [[nodiscard]] bool is_settled(std::uint64_t sequence) const {
    return sequence <= cursor_ && !deliveries_.contains(sequence);
  }
  /// Leases that have lapsed by now are so.
  void observe(WallTime now);

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] const std::vector<Pattern>& patterns() const noexcept { return patterns_; }
  [[nodiscard]] DurableOrder order() const noexcept { return order_; }
  [[nodiscard]] std::uint64_t cursor() const noexcept { return cursor_; }
  [[nodiscard]] bool is_open() const noexcept { return !openings_.empty(); }
  /// When it was created, or last left by an opening.
  [[nodiscard]] WallTime used() const noexcept { return used_; }
  [[nodiscard]] bool matches(std::string_view topic) const;
  [[nodiscard]] DurableInfo info(const MemoryLog& log, const MemoryLetters& letters) const;
  [[nodiscard]] DurableCount count(const MemoryLog& log, const MemoryLetters& letters) const;
  /// No value: the event is none of this name's.
  [[nodiscard]] std::optional<StoredDelivery> delivery(const MemoryLog::Entry& entry,
                                                       const MemoryLetters& letters) const;
  void add_unsettled(std::vector<std::uint64_t>& held) const;

  bool removed = false;
  std::string note;

 private:
  using Moment = std::pair<WallTime, std::uint64_t>;  // and the sequence

  struct Failure {
    WallTime time{};
    std::string text;
  };
  struct Delivery {
    unsigned attempts = 0;
    std::optional<Token> owner{};     // leased to it; else it waits
    WallTime when{};                  // the lease lapses, or the next attempt is due
    std::chrono::nanoseconds wait{};  // how long that was when it began
    bool suspect = false;
    bool redriven = false;
    std::optional<Failure> failure{};
  };
  using Deliveries = std::map<std::uint64_t, Delivery>;

  struct Opening {
    std::chrono::nanoseconds lease{};
    std::set<Moment> leases;
    std::size_t suspects = 0;   // of those leased
    std::size_t repeaters = 0;  // of the suspects: those that have lapsed more than once
    bool lapsed = false;        // something has, since the last renew()
  };
  struct Activity {
    Token token = 0;
    WallTime until{};
    std::chrono::nanoseconds lease{};
  };

  [[nodiscard]] std::set<Moment>& queue_of(const Delivery& one) noexcept {
    return one.suspect ? suspects_ : waiting_;
  }
  void wait(std::uint64_t sequence, Delivery& one, std::chrono::nanoseconds after, WallTime now);
  void lease_to(Token token, Opening& opening, std::uint64_t sequence, Delivery& one, WallTime now);
  void end_lease(Opening& opening, std::uint64_t sequence, Delivery& one);
  [[nodiscard]] Delivery* leased(Token token, std::uint64_t sequence);

  [[nodiscard]] std::optional<WallTime> activate(Token token, Opening& opening, WallTime now);
  void step_back(WallTime now);

  struct Fetch;
  [[nodiscard]] static bool admits(const Opening& opening, const Delivery& one) noexcept;
  void give(Fetch& fetch, std::uint64_t sequence, Delivery& one);
  void give_suspects(Fetch& fetch);
  void give_waiting(Fetch& fetch);
  [[nodiscard]] bool give_in_order(Fetch& fetch);
  void give_new(Fetch& fetch);
  [[nodiscard]] std::optional<WallTime> next_due(Token token) const;

  const std::string name_;
  std::vector<Pattern> patterns_;
  DurableOrder order_;
  std::uint64_t cursor_;
  std::uint64_t start_;  // events up to here are none of this name's
  WallTime created_;
  WallTime opened_;
  WallTime used_;
  WallTime last_now_;
  Deliveries deliveries_;
  std::set<Moment> waiting_;   // not leased, by the time they are due
  std::set<Moment> suspects_;  // the same, of suspects
  std::map<Token, Opening> openings_;
  std::optional<Activity> active_;
};

}  // namespace busway::store_detail
