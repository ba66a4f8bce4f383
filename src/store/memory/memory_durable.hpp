// store/memory/memory_durable.hpp -- a durable name in memory: what of the log it has not settled.
// Layer: store
//
// Model      Behind the cursor an event is settled unless it has an Item: leased to an opening,
//            waiting for its next attempt, or dead. Beyond the cursor nothing was given out yet.
// Threads    [not-concurrent]: under the store's lock.
// Ownership  Refers to the log.
// Errors     None.
// Cost       A fetch looks at the items, and at the log from the cursor on.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "busway/durable_spec.hpp"
#include "busway/store_consumer.hpp"
#include "busway/stored_event.hpp"
#include "busway/stored_letter.hpp"
#include "store/memory/memory_log.hpp"

namespace busway::store_detail {

class MemoryDurable {
 public:
  using Token = std::uint64_t;  // of an opening; 0: nobody

  MemoryDurable(const DurableSpec& spec, const MemoryLog& log, WallTime now);

  /// Throws Error(durable_mismatch).
  void reopen(const DurableSpec& spec, WallTime now);

  [[nodiscard]] FetchResult fetch(Token token, std::chrono::nanoseconds lease, std::size_t max,
                                  WallTime now);
  /// Gives new letters the ids from next_letter on.
  SettleResult settle(Token token, std::span<const Settlement> settlements, WallTime now,
                      std::uint64_t& next_letter);
  bool renew(Token token, std::chrono::nanoseconds lease, WallTime now);
  void give_back(Token token, WallTime now);

  [[nodiscard]] bool matches(std::string_view topic) const;
  /// Whether the event must be kept for this name.
  [[nodiscard]] bool needs(std::uint64_t sequence, std::string_view topic) const;
  /// No value: it is none of its events.
  [[nodiscard]] std::optional<StoredDelivery> delivery_of(std::uint64_t sequence,
                                                          std::string_view topic) const;
  [[nodiscard]] DurableInfo info(WallTime now) const;
  [[nodiscard]] std::size_t dead_letters() const;

  /// Visits each letter: visit(sequence, id, history, redriving).
  template <class F>
  void for_each_letter(const F& visit) const {
    for (const auto& [sequence, item] : items_) {
      if (item.letter != 0) visit(sequence, item.letter, item.history, item.state != State::dead);
    }
  }
  /// Only letters that are not under way.
  void redrive(std::uint64_t sequence, WallTime now);
  void purge(std::uint64_t sequence) { items_.erase(sequence); }

  std::string note;

 private:
  enum class State : unsigned char { leased, waiting, dead };
  struct Item {
    State state = State::waiting;
    unsigned attempts = 0;            // counted when given out
    bool suspect = false;             // its last holder never settled it
    Token token = 0;                  // leased to
    WallTime until{};                 // leased: when that lapses; waiting: when it is due
    std::chrono::nanoseconds span{};  // until was so long in coming when it was set
    WallTime changed{};               // the last failure
    std::string error;
    std::uint64_t letter = 0;
    std::vector<StoredLetter::Death> history;
  };

  [[nodiscard]] bool take_lead(Token token, std::chrono::nanoseconds lease, WallTime now);
  void reclaim(Token token, WallTime now);
  void give_out(std::uint64_t sequence, Item& item, Token token, std::chrono::nanoseconds lease,
                WallTime now, FetchResult& result);
  static void wait(Item& item, std::chrono::nanoseconds after, WallTime now);

  const MemoryLog& log_;
  DurableInfo info_;     // what of it does not change by itself
  std::uint64_t start_;  // events up to here are none of its
  std::map<std::uint64_t, Item> items_;
  Token leader_ = 0;  // with an order: the opening that is active
  WallTime leader_until_{};
};

}  // namespace busway::store_detail
